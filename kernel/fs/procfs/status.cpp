// stat and status: what ps(1) and top(1) read. See proc_pid_stat(5), proc_pid_status(5).
#include <algorithm>

#include "base/math.hpp"
#include "fs/procfs/process.hpp"
#include "generated/uapi/personality.hpp"
#include "mem/set_text.hpp"
#include "proc/usage.hpp"
#include "vfs/device.hpp"

namespace auk::fs::procfs {
namespace {

using proc::Group;
using proc::SignalSet;
using proc::Task;

/// What the tree lock and the group's lock guard, taken at one moment.
struct Snapshot {
  u32 parent = 0, terminal = 0, exit_signal = 0;
  Ref<ident::Pid> process_group, session;  ///< null: it has left them
  i64 foreground = -1;
  u32 threads = 0, exit_code = 0;
  bool has_execed = false;
  SignalSet pending = 0, shared_pending = 0, blocked = 0, ignored = 0, caught = 0;
};

/// new_encode_dev(): the device number as 32 bits.
u32 short_device(u64 d) {
  const u32 minor = dev::minor_of(d);
  return (minor & 0xff) | dev::major_of(d) << 8 | (minor & ~u32{0xff}) << 12;
}

Snapshot snapshot(const ident::PidNamespace& viewer, Group& g, const Task* t) {
  Snapshot s;
  auto tree = proc::tree.lock();
  s.parent = g.parent == nullptr ? 0 : g.parent->pid->number_in(viewer);
  if (g.process_group) {
    s.process_group = g.process_group->pid;
    s.session = g.process_group->session->pid;
    if (const Ref<proc::Terminal>& tty = g.process_group->session->terminal) {
      s.terminal = short_device(tty->device());
      const ident::Pid* const foreground = tty->foreground();
      s.foreground = foreground == nullptr ? 0 : foreground->number_in(viewer);
    }
  }
  s.exit_signal = g.exit_signal;
  s.exit_code = g.exit_code;
  s.has_execed = g.has_execed;
  s.threads = g.live_tasks;
  auto signals = g.signals.lock();
  s.shared_pending = signals->pending.bits;
  if (t != nullptr) {
    s.pending = t->pending.bits;
    s.blocked = t->blocked;
  }
  auto actions = g.handlers->actions.lock();
  for (u32 n = 1; n <= proc::signal_count; ++n) {
    const u64 handler = (*actions)[n - 1].handler;
    if (handler == proc::handler_ignore)
      s.ignored |= proc::set_of(n);
    else if (handler != proc::handler_default)
      s.caught |= proc::set_of(n);
  }
  return s;
}

constexpr u64 ticks_of(u64 ns) {
  constexpr u64 tick_ns = 10'000'000;
  return ns / tick_ns;
}

/// What a file speaks of, found once.
struct About {
  Ref<Group> group;
  Ref<Task> task;  ///< null: a zombie
  Ref<vm::AddressSpace> space;
  bool is_thread = false;
  /// The caller may know its addresses.
  bool is_open = false;

  proc::Usage usage() const {
    if (!task) return proc::usage_at_end(*group);
    return is_thread ? proc::usage_of(*task) : proc::usage_of(*group);
  }
  std::string_view name() const {
    return task ? task->name() : std::string_view(group->last_name.data());
  }
  const ident::PidNamespace* viewer = nullptr;
  Ref<ident::Pid> pid;
  u32 number = 0;  ///< as the file's path has it
  u32 seen(const Ref<ident::Pid>& p) const { return p ? p->number_in(*viewer) : 0; }
};

Result<About> look_at(const Subject& s) {
  About a;
  a.group = TRY(process_of(s));
  a.is_thread = s.is_thread;
  a.viewer = s.space;
  a.pid = s.pid;
  a.number = s.pid->number_in(*s.space);
  if (Result<Ref<Task>> t = thread_of(s); t.ok()) {
    a.task = t.take();
    a.space = a.task->space_of();
    a.is_open = check_look(s).ok();
  } else if (s.is_thread) {
    return Errno::esrch;
  } else {
    const ident::Cred& mine = proc::current().cred();
    a.is_open = mine.fsuid == a.group->uid || mine.has(ident::Cap::sys_ptrace);
  }
  return a;
}

/// The number in the viewer's namespace, and in those further in that it has one in.
void put_numbers(mem::Text& out, std::string_view name, const About& a, const Ref<ident::Pid>& p) {
  out.print("{}\t{}", name, a.seen(p));
  if (a.seen(p) != 0) p->put_inner_numbers(*a.viewer, out);
  out.put('\n');
}

class StatNode final : public ShortText {
  static void put_memory(const About& a, mem::Text& out) {
    const u64 limit = a.group->limit(uapi::rlimit_rss);
    if (!a.space) {
      out.print(" 0 0 {} 0 0 0", limit);
      return;
    }
    const vm::SpaceLayout& l = a.space->layout();
    const bool open = a.is_open;
    out.print(" {} {} {} {} {} {}", a.space->sizes().total * page_size, a.space->resident_pages(),
              limit, open ? l.code_start.value : u64{1}, open ? l.code_end.value : u64{1},
              open ? l.stack_start.value : u64{0});
  }
  static void put_layout(const About& a, mem::Text& out) {
    if (!a.space || !a.is_open) {
      out.put(" 0 0 0 0 0 0 0");
      return;
    }
    const vm::SpaceLayout& l = a.space->layout();
    out.print(" {} {} {} {} {} {} {}", l.data_start.value, l.data_end.value, l.brk_start.value,
              l.arguments_start.value, l.arguments_end.value, l.environment_start.value,
              l.environment_end.value);
  }
  static u32 flags_of(const About& a, const Snapshot& s) {
    constexpr u32 exiting = 4, fork_no_exec = 0x40, randomized = 0x400000;
    if (!a.task) return exiting;
    const bool fixed = (a.task->personality & u32{uapi::addr_no_randomize}) != 0;
    return (s.has_execed ? 0 : fork_no_exec) | (fixed ? 0 : randomized);
  }
  Result<void> write(const Subject& subject, mem::Text& out) const override {
    const About a = TRY(look_at(subject));
    Group& g = *a.group;
    const Snapshot s = snapshot(*a.viewer, g, a.task.get());
    const proc::Usage used = a.usage();
    const proc::Usage children = proc::usage_of_children(g);
    const sched::Scheduling how = a.task ? a.task->scheduling() : sched::Scheduling();
    const i64 rank = how.priority;
    const i64 priority = rank > 0 ? -1 - rank : i64{how.nice} + 20;
    out.print("{} ({}) {} {} {} {} {} {} {}", a.number, a.name(), state_of(g, a.task.get()).letter,
              s.parent, a.seen(s.process_group), a.seen(s.session), s.terminal, s.foreground,
              flags_of(a, s));
    out.print(" {} {} 0 0 {} {} {} {}", used.events.faults, children.events.faults,
              ticks_of(used.time.user_ns), ticks_of(used.time.system_ns),
              ticks_of(children.time.user_ns), ticks_of(children.time.system_ns));
    const u64 start = a.is_thread ? a.task->start_ns : g.start_ns;
    // A zombie is one thread still.
    out.print(" {} {} {} 0 {}", priority, how.nice, std::max<u32>(s.threads, 1), ticks_of(start));
    put_memory(a, out);
    // Stack and instruction pointers are those of the dead alone.
    constexpr u64 low = 0x7fffffff;
    out.print(" 0 0 {} {} {} {}", s.pending & low, s.blocked & low, s.ignored & low,
              s.caught & low);
    const bool waits = a.is_open && a.task && a.task->is_asleep();
    out.print(" {} 0 0 {} {} {} {} 0 0 0", waits ? 1 : 0,
              a.is_thread ? i64{-1} : i64{s.exit_signal}, a.task ? a.task->cpu().value : 0, rank,
              static_cast<u32>(how.policy));
    put_layout(a, out);
    out.print(" {}\n", a.is_open ? s.exit_code : 0);
    return {};
  }

 public:
  constexpr StatNode() : ShortText("stat", 0444) {}
};
constexpr StatNode stat;

class StatusNode final : public ShortText {
  static void put_ids(mem::Text& out, const ident::Cred& c) {
    out.print("Uid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\n", c.uid, c.euid, c.suid, c.fsuid, c.gid,
              c.egid, c.sgid, c.fsgid);
  }
  static void put_groups(mem::Text& out, const ident::Cred& c) {
    out.put("Groups:\t");
    for (u32 i = 0; i < c.group_count; ++i) out.print("{}{}", i == 0 ? "" : " ", c.groups[i]);
    out.put(" \n");
  }
  static void put_kib(mem::Text& out, std::string_view name, u64 pages) {
    out.print("{}:\t{:8} kB\n", name, pages * (page_size / kib));
  }
  static void put_memory(mem::Text& out, const About& a) {
    if (!a.space) return;
    const vm::AreaSizes z = a.space->sizes();
    const u64 resident = a.space->resident_pages();
    const u64 own = std::min(a.space->resident_anonymous_pages(), resident);
    const u64 text = code_pages(a.space->layout());
    put_kib(out, "VmPeak", z.peak);
    put_kib(out, "VmSize", z.total);
    put_kib(out, "VmLck", z.locked);
    put_kib(out, "VmPin", 0);
    put_kib(out, "VmHWM", a.space->peak_resident_pages());
    put_kib(out, "VmRSS", resident);
    put_kib(out, "RssAnon", own);
    put_kib(out, "RssFile", resident - own);
    put_kib(out, "VmData", z.data);
    put_kib(out, "VmStk", z.stack);
    put_kib(out, "VmExe", std::min(text, z.executable));
    put_kib(out, "VmLib", z.executable - std::min(text, z.executable));
    put_kib(out, "VmSwap", 0);
  }
  static void put_capabilities(mem::Text& out, const ident::Cred& c) {
    out.print("CapInh:\t{:016x}\nCapPrm:\t{:016x}\nCapEff:\t{:016x}\nCapBnd:\t{:016x}\n"
              "CapAmb:\t{:016x}\n",
              c.inheritable, c.permitted, c.effective, c.bounding, c.ambient);
  }
  static void put_cpus(mem::Text& out, const Task& t) {
    const u32 count = core::possible_cpus;
    const auto may_run = [&t](u32 cpu) { return t.may_run_on(CpuId(cpu)); };
    out.put("Cpus_allowed:\t");
    mem::put_mask(out, count, may_run);
    out.put("\nCpus_allowed_list:\t");
    mem::put_list(out, count, may_run);
    // All memory is one node.
    out.put("\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
  }
  static void put_signals(mem::Text& out, const About& a, const Snapshot& s,
                          const ident::Cred* cred) {
    out.print("Threads:\t{}\n", std::max<u32>(s.threads, 1));
    out.print("SigQ:\t{}/{}\n", cred == nullptr ? 0 : cred->user->signals.load_relaxed(),
              a.group->limit(uapi::rlimit_sigpending));
    out.print("SigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\n"
              "SigCgt:\t{:016x}\n",
              s.pending, s.shared_pending, s.blocked, s.ignored, s.caught);
  }
  Result<void> write(const Subject& subject, mem::Text& out) const override {
    const About a = TRY(look_at(subject));
    Group& g = *a.group;
    const Snapshot s = snapshot(*a.viewer, g, a.task.get());
    const StateName state = state_of(g, a.task.get());
    out.put("Name:\t");
    out.put_escaped(a.name(), "\n\\");
    out.put('\n');
    u32 files = 0;
    if (a.task) {
      Result<u32> umask =
          a.task->inspect(&Task::fs, [](vfs::FsContext& f) { return Result<u32>(f.umask()); });
      if (umask.ok()) out.print("Umask:\t{:04o}\n", *umask);
      files = a.task->inspect(&Task::files, [](io::FdTable& f) { return Result<u32>(f.size()); })
                  .value_or(0);
    }
    out.print("State:\t{} ({})\nTgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\nTracerPid:\t0\n",
              state.letter, state.words, a.seen(g.pid), a.number, s.parent);
    const Ref<ident::Cred> cred = a.task ? a.task->cred_ref() : Ref<ident::Cred>();
    if (cred)
      put_ids(out, *cred);
    else
      out.print("Uid:\t{}\t{}\t{}\t{}\n", g.uid, g.uid, g.uid, g.uid);
    out.print("FDSize:\t{}\n", files);
    if (cred) put_groups(out, *cred);
    put_numbers(out, "NStgid:", a, g.pid);
    put_numbers(out, "NSpid:", a, a.pid);
    put_numbers(out, "NSpgid:", a, s.process_group);
    put_numbers(out, "NSsid:", a, s.session);
    out.put("Kthread:\t0\n");
    put_memory(out, a);
    put_signals(out, a, s, cred.get());
    if (cred) put_capabilities(out, *cred);
    if (a.task) {
      out.print("NoNewPrivs:\t{}\n", a.task->no_new_privs ? 1 : 0);
      put_cpus(out, *a.task);
    }
    const proc::Usage used = a.usage();
    out.print("voluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n", used.events.sleeps,
              used.events.preemptions);
    return {};
  }

 public:
  constexpr StatusNode() : ShortText("status", 0444) {}
};
constexpr StatusNode status;

}  // namespace

constinit const Node* const stat_node = &stat;
constinit const Node* const status_node = &status;

}  // namespace auk::fs::procfs
