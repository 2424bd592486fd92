#include "fs/procfs/process.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "proc/oom.hpp"
#include "proc/usage.hpp"

namespace auk::fs::procfs {

using proc::Group;
using proc::Task;

StateName state_of(Group& g, Task* t) {
  if (t == nullptr) return {'Z', "zombie"};
  const bool is_asleep = t->is_asleep();
  if (!is_asleep) return {'R', "running"};
  {
    auto s = g.signals.lock();
    if (s->is_stopped) return {'T', "stopped"};
  }
  // Linux calls a sleep that only a fatal signal ends "disk sleep" too.
  if (t->sleep_class.load_relaxed() == sched::Interruptible::any) return {'S', "sleeping"};
  return {'D', "disk sleep"};
}

namespace {

class CommNode final : public ShortText {
  Result<void> write(const Subject& s, mem::Text& out) const override {
    Result<Ref<Task>> t = thread_of(s);
    if (t.ok()) {
      out.print("{}\n", t.take()->name());
      return {};
    }
    const Ref<Group> g = TRY(process_of(s));
    out.print("{}\n", std::string_view(g->last_name.data()));
    return {};
  }

 public:
  constexpr CommNode() : ShortText("comm", 0644) {}
  Result<usize> store(const Subject& s, io::IoBuf& buf) const override {
    std::array<char, Task::name_size> name{};
    const usize all = buf.left();
    const usize n = std::min(all, name.size() - 1);
    if (buf.get_text({name.data(), n}) != n) return Errno::efault;
    const Ref<Task> t = TRY(thread_of(s));
    if (t->group != proc::current().group) return Errno::einval;
    t->set_name(std::string_view(name.data()));
    return all;
  }
};
constexpr CommNode comm_node;

struct LimitRow {
  std::string_view name, unit;
};
// In the order of the RLIMIT_ numbers.
constexpr std::array<LimitRow, uapi::rlim_nlimits> limit_rows{{
    {"Max cpu time", "seconds"},
    {"Max file size", "bytes"},
    {"Max data size", "bytes"},
    {"Max stack size", "bytes"},
    {"Max core file size", "bytes"},
    {"Max resident set", "bytes"},
    {"Max processes", "processes"},
    {"Max open files", "files"},
    {"Max locked memory", "bytes"},
    {"Max address space", "bytes"},
    {"Max file locks", "locks"},
    {"Max pending signals", "signals"},
    {"Max msgqueue size", "bytes"},
    {"Max nice priority", ""},
    {"Max realtime priority", ""},
    {"Max realtime timeout", "us"},
}};

class LimitsNode final : public ShortText {
  static void put_limit(mem::Text& out, u64 n) {
    if (n == uapi::rlim_infinity)
      out.print("{:20} ", "unlimited");
    else
      out.print("{:<20} ", n);
  }
  Result<void> write(const Subject& s, mem::Text& out) const override {
    const Ref<Group> g = TRY(process_of(s));
    const proc::Limits limits = *g->limits.lock();
    out.put("Limit                     Soft Limit           Hard Limit           Units     \n");
    for (usize i = 0; i < limits.size(); ++i) {
      out.print("{:25} ", limit_rows[i].name);
      put_limit(out, limits[i].soft);
      put_limit(out, limits[i].hard);
      if (!limit_rows[i].unit.empty()) out.print("{:10}", limit_rows[i].unit);
      out.put("\n");
    }
    return {};
  }

 public:
  constexpr LimitsNode() : ShortText("limits", 0444) {}
};
constexpr LimitsNode limits_node;

class OomScoreAdj final : public ShortText {
  Result<void> write(const Subject& s, mem::Text& out) const override {
    const Ref<Group> g = TRY(process_of(s));
    i32 adj = 0;
    {
      auto t = proc::tree.lock();
      adj = g->oom_score_adj;
    }
    out.print("{}\n", adj);
    return {};
  }

 public:
  constexpr OomScoreAdj() : ShortText("oom_score_adj", 0644) {}
  Result<usize> store(const Subject& s, io::IoBuf& buf) const override {
    std::array<char, 16> text{};
    const usize n = std::min(buf.left(), text.size() - 1);
    const usize all = buf.left();
    if (buf.get_text({text.data(), n}) != n) return Errno::efault;
    const std::optional<i64> wanted = parse_i64(trim({text.data(), n}));
    constexpr i64 most = 1000;
    if (!wanted || *wanted < -most || *wanted > most) return Errno::einval;
    const Ref<Group> g = TRY(process_of(s));
    const bool may_lower = proc::current().cred().has(ident::Cap::sys_resource);
    auto t = proc::tree.lock();
    if (*wanted < g->oom_score_adj && !may_lower) return Errno::eacces;
    g->oom_score_adj = static_cast<i16>(*wanted);
    return all;
  }
};
constexpr OomScoreAdj oom_score_adj_node;

class OomScore final : public ShortText {
  Result<void> write(const Subject& s, mem::Text& out) const override {
    const Ref<Group> g = TRY(process_of(s));
    out.print("{}\n", proc::oom::score(*g));
    return {};
  }

 public:
  constexpr OomScore() : ShortText("oom_score", 0444) {}
};
constexpr OomScore oom_score_node;

class PersonalityNode final : public ShortText {
  Result<void> check_reader(const Subject& s) const override { return check_look(s); }
  Result<void> write(const Subject& s, mem::Text& out) const override {
    const Ref<Task> t = TRY(thread_of(s));
    out.print("{:08x}\n", t->personality);
    return {};
  }

 public:
  constexpr PersonalityNode() : ShortText("personality", 0400) {}
};
constexpr PersonalityNode personality_node;

class IoNode final : public ShortText {
  Result<void> write(const Subject& s, mem::Text& out) const override {
    TRY(check_look(s));
    const proc::IoTotals n =
        s.is_thread ? TRY(thread_of(s))->io_counts.totals() : proc::io_of(*TRY(process_of(s)));
    out.print("rchar: {}\nwchar: {}\nsyscr: {}\nsyscw: {}\n", n.bytes_read, n.bytes_written,
              n.reads, n.writes);
    // No disk is read or written but as memory.
    out.put("read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
    return {};
  }

 public:
  constexpr IoNode() : ShortText("io", 0400) {}
};
constexpr IoNode io_node;

constinit const Node* const comm_pointer = &comm_node;
constinit const Node* const io_pointer = &io_node;
constinit const Node* const limits_pointer = &limits_node;
constinit const Node* const oom_score_pointer = &oom_score_node;
constinit const Node* const oom_score_adj_pointer = &oom_score_adj_node;
constinit const Node* const personality_pointer = &personality_node;

/// What a process and a thread both have, behind what stands first.
template <usize count>
constexpr auto with_common(const std::array<const Node* const*, count>& first) {
  constexpr std::array<const Node* const*, 20> common{&fdinfo_node,
                                                      &ns_node,
                                                      &net_node,
                                                      &environ_node,
                                                      &status_node,
                                                      &personality_pointer,
                                                      &limits_pointer,
                                                      &comm_pointer,
                                                      &cmdline_node,
                                                      &stat_node,
                                                      &statm_node,
                                                      &maps_node,
                                                      &cwd_node,
                                                      &root_link_node,
                                                      &exe_node,
                                                      &mounts_node,
                                                      &mountinfo_node,
                                                      &oom_score_pointer,
                                                      &oom_score_adj_pointer,
                                                      &io_pointer};
  std::array<const Node* const*, count + common.size()> all{};
  std::ranges::copy(common, std::ranges::copy(first, all.begin()).out);
  return all;
}

/// task/TID.
class ThreadDirectory final : public Directory {
  Nodes nodes() const override {
    static constexpr auto list = with_common(std::array{&fd_node, &auxv_node});
    return list;
  }

 public:
  constexpr ThreadDirectory() : Directory("", 0555) {}
  Result<Entry> find(const Subject& s, std::string_view name) const override {
    if (!thread_of(s).ok()) return Errno::enoent;
    return Directory::find(s, name);
  }
};
constexpr ThreadDirectory thread_directory;

/// The threads of a process, by number.
class TaskDirectory final : public Node {
 public:
  constexpr TaskDirectory() : Node("task", vfs::mode::directory | 0555) {}
  Result<Entry> find(const Subject& s, std::string_view name) const override {
    const std::optional<u32> number = parse_name(name);
    if (!number) return Errno::enoent;
    Result<Ref<ident::Pid>> found = s.space->find(*number);
    if (!found.ok()) return Errno::enoent;
    const Ref<ident::Pid> pid = found.take();
    auto t = proc::tree.lock();
    if (!is_thread_of(*pid, s)) return Errno::enoent;
    return Entry{&thread_directory,
                 {.pid = pid, .is_thread = true, .space = s.space},
                 thread_directory.mode()};
  }
  Result<void> list(const Subject& s, Listing& out) const override {
    if (!process_of(s).ok()) return Errno::enoent;
    if (out.position() - 2 > ident::pid_limit) return {};
    auto n = static_cast<u32>(out.position() - 2);
    for (; const Ref<proc::Task> t = proc::next_task(*s.space, n); ++n)
      if (t->group->pid == s.pid && !out.add_number(u64{n} + 2, n, mode())) break;
    return {};
  }

 private:
  /// The tree lock is held.
  static bool is_thread_of(const ident::Pid& p, const Subject& s) {
    return p.task != nullptr && static_cast<const Task*>(p.task)->group->pid == s.pid;
  }
};
constexpr TaskDirectory task_directory;
constinit const Node* const task_pointer = &task_directory;

class ProcessDirectory final : public Directory {
  Nodes nodes() const override {
    static constexpr auto list = with_common(std::array{&auxv_node, &task_pointer, &fd_node});
    return list;
  }

 public:
  constexpr ProcessDirectory() : Directory("", 0555) {}
  Result<Entry> find(const Subject& s, std::string_view name) const override {
    TRY(process_of(s));
    return Directory::find(s, name);
  }
};
constexpr ProcessDirectory process_directory;

}  // namespace

constinit const Node* const process_node = &process_directory;

}  // namespace auk::fs::procfs
