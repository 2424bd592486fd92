// /proc/sys: the kernel's variables (core/sysctl.hpp), as a tree made of their paths.
//
// A directory below it is a variable that stands in it, by its place in the table, and how many
// parts of that one's path lead to the directory.
#include <algorithm>

#include "base/text.hpp"
#include "core/sysctl.hpp"
#include "fs/procfs/node.hpp"

namespace auk::fs::procfs {
namespace {

using core::Sysctl;

constexpr u32 depth_shift = 24;
constexpr u32 index_mask = (u32{1} << depth_shift) - 1;

u32 depth_of(const Subject& s) { return s.number >> depth_shift; }
Sysctl& variable_of(const Subject& s) { return *core::all_sysctls()[s.number & index_mask]; }

/// The path of a directory, with a slash at its end; empty for /proc/sys itself.
std::string_view prefix_of(const Subject& s) {
  if (depth_of(s) == 0) return {};
  const std::string_view path = variable_of(s).path();
  usize end = 0;
  for (u32 i = 0; i < depth_of(s); ++i) end = path.find('/', end) + 1;
  return path.substr(0, end);
}

struct Child {
  std::string_view name;
  u32 number = 0;  ///< of the subject
  bool is_directory = false;
};

/// What a variable is in a directory: itself, or a directory between. Nothing if it is elsewhere.
std::optional<Child> child_of(u32 index, std::string_view prefix, u32 depth) {
  const std::string_view path = core::all_sysctls()[index]->path();
  if (!path.starts_with(prefix)) return std::nullopt;
  const std::string_view rest = path.substr(prefix.size());
  const usize slash = rest.find('/');
  if (slash == std::string_view::npos) return Child{rest, index, false};
  return Child{rest.substr(0, slash), index | (depth + 1) << depth_shift, true};
}

class VariableNode final : public ShortText {
  Result<void> write(const Subject& s, mem::Text& out) const override {
    std::array<char, Sysctl::max_text> text;
    Writer value(text);
    variable_of(s).show(value);
    out.put(value.text());
    out.put('\n');
    return {};
  }

 public:
  constexpr VariableNode() : ShortText("", 0644) {}
  Result<Ref<io::File>> open(const Subject& s, u32 flags) const override {
    // Not even for those who may override rights.
    constexpr u32 access_mask = 3;
    if ((flags & access_mask) != 0 && !variable_of(s).is_writable()) return Errno::eacces;
    return TextNode::open(s, flags);
  }
  io::WaysOf ways_of_writing() const override { return io::WaysOf::flags; }
  Result<usize> store(const Subject& s, io::IoBuf& buf) const override {
    std::array<char, Sysctl::max_text> memory;
    const usize all = buf.left();
    if (all >= memory.size()) return Errno::einval;
    if (buf.get_text({memory.data(), all}) != all) return Errno::efault;
    std::string_view text(memory.data(), all);
    while (!text.empty() && (is_space(text.back()) || text.back() == '\0')) text.remove_suffix(1);
    TRY(variable_of(s).store(trim(text)));
    return all;
  }
};
constexpr VariableNode variable_node;

class SysDirectory final : public Node {
  Entry entry(const Subject& s, const Child& c) const {
    Entry e{this, s, mode()};
    e.subject.number = c.number;
    if (c.is_directory) return e;
    e.node = &variable_node;
    e.mode = vfs::mode::regular | (variable_of(e.subject).is_writable() ? 0644 : 0444);
    return e;
  }

 public:
  constexpr SysDirectory() : Node("sys", vfs::mode::directory | 0555) {}
  Result<Entry> find(const Subject& s, std::string_view name) const override {
    const std::string_view prefix = prefix_of(s);
    const auto count = static_cast<u32>(core::all_sysctls().size());
    for (u32 i = 0; i < count; ++i)
      if (const std::optional<Child> c = child_of(i, prefix, depth_of(s)); c && c->name == name)
        return entry(s, *c);
    return Errno::enoent;
  }
  Result<void> list(const Subject& s, Listing& out) const override {
    const std::string_view prefix = prefix_of(s);
    const auto count = static_cast<u32>(core::all_sysctls().size());
    // In the order of their names: always the least of those behind the last one. The table is as
    // it was linked, and small.
    std::string_view last;
    for (u64 position = 2;; ++position) {
      std::optional<Child> next;
      for (u32 i = 0; i < count; ++i) {
        const std::optional<Child> c = child_of(i, prefix, depth_of(s));
        if (c && c->name > last && (!next || c->name < next->name)) next = c;
      }
      if (!next || !out.add(position, next->name, entry(s, *next).mode)) return {};
      last = next->name;
    }
  }
};
constexpr SysDirectory sys_directory;

}  // namespace

constinit const Node* const sys_node = &sys_directory;

}  // namespace auk::fs::procfs
