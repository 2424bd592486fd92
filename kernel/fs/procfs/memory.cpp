// What files of a process say of its memory, and show of it.
#include <algorithm>

#include "base/math.hpp"
#include "fs/procfs/process.hpp"
#include "proc/access.hpp"
#include "proc/vdso.hpp"
#include "vfs/device.hpp"
#include "vfs/operations.hpp"

namespace auk::fs::procfs {
namespace {

using proc::Task;
using vm::AddressSpace;

Result<usize> copy_out(AddressSpace& space, io::UserRange range, io::IoBuf& buf) {
  return proc::move_memory(space, range, buf, proc::Way::from, vm::FaultBy::onlooker);
}

constexpr u64 any_space = ~u64{0};

/// The memory that such a file shows is that of the program which ran when the file was opened:
/// this is its number, 0 for a process that had none. EACCES, ESRCH.
Result<u64> space_number(const Subject& s) {
  (void)TRY(process_of(s));
  Result<Ref<Task>> found = thread_of(s);
  if (!found.ok()) return u64{0};
  const Ref<Task> t = found.take();
  Result<Ref<AddressSpace>> space =
      proc::accessible_space(proc::current(), *t, proc::Ids::file_system);
  if (!space.ok()) return Errno::eacces;
  const Ref<AddressSpace> theirs = space.take();
  return theirs ? theirs->id() : 0;
}

/// Null if the program has ended.
Ref<AddressSpace> space_of(const Subject& s, u64 number) {
  Result<Ref<Task>> t = thread_of(s);
  if (!t.ok()) return {};
  Ref<AddressSpace> space = t.take()->space_of();
  if (space && number != any_space && space->id() != number) return {};
  return space;
}

/// A node whose file shows a part of a program's memory.
class RangeNode : public Node {
 protected:
  constexpr RangeNode(std::string_view name, u32 rights)
      : Node(name, vfs::mode::regular | rights) {}
  ~RangeNode() = default;

 public:
  /// Whoever opens the file may read it, of whatever program runs then.
  virtual bool is_for_all() const = 0;
  virtual io::UserRange range(AddressSpace& space) const = 0;
  Result<Ref<io::File>> open(const Subject& s, u32 flags) const final;
};

class RangeFile final : public io::File {
  const RangeNode& node_;
  const Subject subject_;
  const u64 space_;
  core::Guarded<core::level::file_position, u64, sched::SleepLock> position_;
  void dispose() override { destroy_late(this); }

 public:
  RangeFile(u32 flags, const RangeNode& node, const Subject& s, u64 space)
      : File(flags),
        node_(node),
        subject_(s),
        space_(space) {}
  ~RangeFile() = default;
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
  Result<usize> read_at(io::IoBuf& buf, u64 offset) override {
    if (node_.is_for_all()) TRY(process_of(subject_));
    const Ref<AddressSpace> space = space_of(subject_, space_);
    if (!space) return usize{0};
    const io::UserRange r = node_.range(*space);
    if (offset >= r.size) return usize{0};
    return copy_out(*space, {r.start + offset, r.size - offset}, buf);
  }
  Result<usize> read(io::IoBuf& buf) override {
    auto position = position_.lock();
    Result<usize> n = read_at(buf, *position);
    if (n.ok()) *position += *n;
    return n;
  }
  Result<i64> seek(i64 offset, int whence) override {
    auto position = position_.lock();
    *position = TRY(vfs::sought_position(*position, offset, whence));
    return static_cast<i64>(*position);
  }
};

Result<Ref<io::File>> RangeNode::open(const Subject& s, u32 flags) const {
  const u64 space = is_for_all() ? any_space : TRY(space_number(s));
  return Ref<io::File>(TRY(mem::make_ref<RangeFile>(ALLOC_SITE, flags, *this, s, space)));
}

io::UserRange between(UserAddr start, UserAddr end) {
  if (end <= start) return {};
  return {start, end - start};
}

class CmdlineNode final : public RangeNode {
  bool is_for_all() const override { return true; }

 public:
  constexpr CmdlineNode() : RangeNode("cmdline", 0444) {}
  io::UserRange range(AddressSpace& space) const override {
    const vm::SpaceLayout& l = space.layout();
    const io::UserRange arguments = between(l.arguments_start, l.arguments_end);
    if (arguments.size == 0) return {};
    // A program that wrote a longer title over its arguments goes on in its environment, up to the
    // first zero: setproctitle(3).
    byte last{};
    io::IoBuf end(std::span(&last, 1));
    const Result<usize> n = copy_out(space, {l.arguments_end - 1, 1}, end);
    if (!n.ok() || last == byte{}) return arguments;
    return {arguments.start, title_size(space, between(l.arguments_start, l.environment_end))};
  }

 private:
  static u64 title_size(AddressSpace& space, io::UserRange all) {
    std::array<byte, 64> chunk{};
    u64 size = 0;
    while (size < all.size) {
      const usize n = std::min<u64>(chunk.size(), all.size - size);
      io::IoBuf to(std::span(chunk).first(n));
      Result<usize> got = copy_out(space, {all.start + size, n}, to);
      if (!got.ok() || *got == 0) break;
      const auto text = std::span(chunk).first(*got);
      const auto zero = std::ranges::find(text, byte{});
      size += static_cast<u64>(zero - text.begin());
      if (zero != text.end()) return size + 1;
    }
    return size;
  }
};
constexpr CmdlineNode cmdline;

class EnvironNode final : public RangeNode {
  bool is_for_all() const override { return false; }

 public:
  constexpr EnvironNode() : RangeNode("environ", 0400) {}
  io::UserRange range(AddressSpace& space) const override {
    const vm::SpaceLayout& l = space.layout();
    return between(l.environment_start, l.environment_end);
  }
};
constexpr EnvironNode environment;

/// As it stands on the program's stack.
class AuxvNode final : public RangeNode {
  bool is_for_all() const override { return false; }

 public:
  constexpr AuxvNode() : RangeNode("auxv", 0400) {}
  io::UserRange range(AddressSpace& space) const override {
    return between(space.layout().auxiliary_start, space.layout().auxiliary_end);
  }
};
constexpr AuxvNode auxiliary;

class StatmNode final : public ShortText {
  Result<void> write(const Subject& s, mem::Text& out) const override {
    Result<Ref<Task>> t = thread_of(s);
    const Ref<AddressSpace> space = t.ok() ? t.take()->space_of() : Ref<AddressSpace>();
    if (!space) {
      out.put("0 0 0 0 0 0 0\n");
      return {};
    }
    const vm::AreaSizes sizes = space->sizes();
    const u64 resident = space->resident_pages();
    const u64 own = space->resident_anonymous_pages();
    const u64 text = code_pages(space->layout());
    out.print("{} {} {} {} 0 {} 0\n", sizes.total, resident, resident - std::min(own, resident),
              text, sizes.data + sizes.stack);
    return {};
  }

 public:
  constexpr StatmNode() : ShortText("statm", 0444) {}
};
constexpr StatmNode statm;

/// Each area is a record, its key an address.
class MapsFile final : public vfs::ReportFile {
  const Subject subject_;
  const u64 space_;
  void dispose() override { destroy_late(this); }

  static std::string_view name_of(const vm::AreaView& a, const vm::SpaceLayout& l) {
    if (const std::string_view n = proc::vdso_name(a.object.get(), a.page_offset); !n.empty())
      return n;
    if (a.object) return a.flags.has(vm::VmaFlag::shared) ? "/dev/zero (deleted)" : "";
    if (a.start < l.brk && a.end > l.brk_start) return "[heap]";
    if (a.start <= l.stack_start && a.end >= l.stack_start) return "[stack]";
    return {};
  }
  static void put_name(mem::Text& out, std::string_view name) {
    if (name.empty()) return;
    constexpr usize column = 73;
    const usize at = out.text().size();
    out.repeat(' ', at < column ? column - at : 1);
    out.put_escaped(name, "\n");
  }
  /// A file may stand deeper than any path that can be given: then with more room.
  static Result<void> try_path(mem::Text& out, const vfs::Path& p, usize size) {
    constexpr usize most = usize{1} << 20;
    auto* const room = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, size)));
    bool reachable = false;
    Result<std::string_view> path =
        vfs::path_name(p, proc::current().fs->root(), {room, size}, reachable);
    if (path.ok()) put_name(out, *path);
    mem::free(room);
    if (path.ok()) return {};
    return size < most ? try_path(out, p, most) : path.error();
  }
  static Result<void> put_path(mem::Text& out, const vfs::Path& p) {
    TRY(try_path(out, p, vfs::path_max));
    if (p.dentry->lost_name()) out.put(" (deleted)");
    return {};
  }
  static void put_area(mem::Text& out, const vm::AreaView& a) {
    const auto right = [&](vm::VmaFlag f, char c) { return a.flags.has(f) ? c : '-'; };
    const bool is_shared = a.flags.has(vm::VmaFlag::shared);
    // Linux has a file for shared memory without a name.
    vm::Backing::Identity id;
    if (a.backing)
      id = a.backing->identity();
    else if (is_shared)
      id = {1, 1};
    out.print("{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} ", a.start.value, a.end.value,
              right(vm::VmaFlag::read, 'r'), right(vm::VmaFlag::write, 'w'),
              right(vm::VmaFlag::execute, 'x'), is_shared ? 's' : 'p',
              a.backing || is_shared ? a.page_offset * page_size : u64{0}, dev::major_of(id.device),
              dev::minor_of(id.device), id.inode);
  }
  Result<bool> write_record(u64& key, mem::Text& out) override {
    const Ref<AddressSpace> space = space_of(subject_, space_);
    if (!space) return false;
    const std::optional<vm::AreaView> area = space->area_from(UserAddr(key));
    if (!area) return false;
    key = area->end.value;
    put_area(out, *area);
    const vfs::Path* const p =
        area->backing ? vfs::path_of(static_cast<const io::File&>(*area->backing)) : nullptr;
    if (p != nullptr)
      TRY(put_path(out, *p));
    else
      put_name(out, name_of(*area, space->layout()));
    out.put('\n');
    return true;
  }

 public:
  MapsFile(u32 flags, const Subject& s, u64 space)
      : ReportFile(flags),
        subject_(s),
        space_(space) {}
  ~MapsFile() = default;
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
};

class MapsNode final : public Node {
 public:
  constexpr MapsNode() : Node("maps", vfs::mode::regular | 0444) {}
  Result<Ref<io::File>> open(const Subject& s, u32 flags) const override {
    const u64 space = TRY(space_number(s));
    return Ref<io::File>(TRY(mem::make_ref<MapsFile>(ALLOC_SITE, flags, s, space)));
  }
};
constexpr MapsNode maps;

}  // namespace

u64 code_pages(const vm::SpaceLayout& l) {
  return (align_up(l.code_end.value, page_size) - align_down(l.code_start.value, page_size)) /
         page_size;
}

constinit const Node* const auxv_node = &auxiliary;
constinit const Node* const cmdline_node = &cmdline;
constinit const Node* const environ_node = &environment;
constinit const Node* const maps_node = &maps;
constinit const Node* const statm_node = &statm;

}  // namespace auk::fs::procfs
