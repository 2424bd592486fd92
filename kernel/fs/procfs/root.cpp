// The directory /proc itself: who runs, by number, and the links to oneself.
#include <algorithm>

#include "fs/procfs/process.hpp"

namespace auk::fs::procfs {
namespace {

using proc::Task;

/// self, thread-self: where they lead depends on who asks.
class SelfLink final : public Node {
 public:
  constexpr SelfLink() : Node("self", vfs::mode::link | 0777) {}
  std::string_view write_target(const Subject& s, std::span<char> out) const override {
    const u32 number = proc::current().group->pid->number_in(*s.space);
    Writer text(out);
    if (number != 0) format_to(text, "{}", number);
    return text.text();
  }
};
class ThreadSelfLink final : public Node {
 public:
  constexpr ThreadSelfLink() : Node("thread-self", vfs::mode::link | 0777) {}
  std::string_view write_target(const Subject& s, std::span<char> out) const override {
    const Task& me = proc::current();
    const u32 number = me.group->pid->number_in(*s.space);
    Writer text(out);
    if (number != 0) format_to(text, "{}/task/{}", number, me.pid->number_in(*s.space));
    return text.text();
  }
};
class FixedLink final : public Node {
  std::string_view target_;

 public:
  constexpr FixedLink(std::string_view name, std::string_view target)
      : Node(name, vfs::mode::link | 0777),
        target_(target) {}
  std::string_view write_target(const Subject&, std::span<char> out) const override {
    return {out.data(), target_.copy(out.data(), out.size())};
  }
};
constexpr SelfLink self_link;
constexpr ThreadSelfLink thread_self_link;
constexpr FixedLink mounts_link("mounts", "self/mounts");
constexpr FixedLink net_link("net", "self/net");
constinit const Node* const self_pointer = &self_link;
constinit const Node* const thread_self_pointer = &thread_self_link;
constinit const Node* const mounts_pointer = &mounts_link;
constinit const Node* const net_pointer = &net_link;

class Root final : public Directory {
  // Linux's order: by length, then by letters; the two links to oneself stand last.
  Nodes nodes() const override {
    static constexpr std::array<const Node* const*, 22> list{&net_pointer,
                                                             &sys_node,
                                                             &tty_node,
                                                             &kmsg_node,
                                                             &kernel_stat_node,
                                                             &locks_node,
                                                             &swaps_node,
                                                             &mounts_pointer,
                                                             &uptime_node,
                                                             &vmstat_node,
                                                             &kernel_cmdline_node,
                                                             &cpuinfo_node,
                                                             &devices_node,
                                                             &loadavg_node,
                                                             &meminfo_node,
                                                             &version_node,
                                                             &consoles_node,
                                                             &softirqs_node,
                                                             &interrupts_node,
                                                             &filesystems_node,
                                                             &self_pointer,
                                                             &thread_self_pointer};
    return list;
  }
  // Linux's number for the first process.
  static constexpr u64 first_position = 256;

 public:
  constexpr Root() : Directory("", 0555) {}
  Result<Entry> find(const Subject& s, std::string_view name) const override {
    const std::optional<u32> number = parse_name(name);
    if (!number) return Directory::find(s, name);
    Result<Ref<ident::Pid>> found = s.space->find(*number);
    if (!found.ok()) return Errno::enoent;
    const Ref<ident::Pid> pid = found.take();
    auto t = proc::tree.lock();
    if (pid->group == nullptr && pid->task == nullptr) return Errno::enoent;
    return Entry{process_node, {.pid = pid, .space = s.space}, process_node->mode()};
  }
  Result<void> list(const Subject& s, Listing& out) const override {
    if (out.position() < first_position) {
      TRY(Directory::list(s, out));
      if (out.position() != end_position()) return {};
      out.skip_to(first_position);
    }
    if (out.position() - first_position > ident::pid_limit) return {};
    auto n = static_cast<u32>(out.position() - first_position);
    for (; proc::next_group(*s.space, n); ++n)
      if (!out.add_number(first_position + n, n, process_node->mode())) break;
    return {};
  }
};
constexpr Root root;

}  // namespace

constinit const Node* const root_node = &root;

}  // namespace auk::fs::procfs
