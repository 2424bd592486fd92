// Limits, usage, and what the machine is: see getrlimit(2), getrusage(2), times(2), uname(2),
// sysinfo(2), getrandom(2), reboot(2).
#include <algorithm>

#include "core/log.hpp"
#include "core/panic.hpp"
#include "core/sysctl.hpp"
#include "core/version.hpp"
#include "generated/uapi/random.hpp"
#include "generated/uapi/reboot.hpp"
#include "generated/uapi/resource.hpp"
#include "mem/pages.hpp"
#include "proc/exit.hpp"
#include "proc/usage.hpp"
#include "random/random.hpp"
#include "sched/load.hpp"
#include "syscall/calls.hpp"
#include "syscall/memory_report.hpp"
#include "syscall/personality.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {
namespace {

constinit Atomic<i64> most_files{1048576};
constinit core::NumberSysctl nr_open("fs/nr_open", most_files, 64, 0x7fffffc0);
SYSCTL(nr_open);

Result<void> check_limit(Task& me, const proc::Limit& old, const uapi::rlimit64& fresh, int which) {
  if (fresh.rlim_cur > fresh.rlim_max) return Errno::einval;
  if (fresh.rlim_max > old.hard && !me.cred().has(ident::Cap::sys_resource)) return Errno::eperm;
  const auto most = static_cast<u64>(most_files.load_relaxed());
  if (which == uapi::rlimit_nofile && fresh.rlim_max > most) return Errno::eperm;
  return {};
}

/// The soft limits of CPU time grow while a program ignores them.
proc::Limit shown(const proc::Group& g, const proc::Limit& l, u32 resource) {
  if (resource == u32{uapi::rlimit_cpu})
    return {.soft = std::max(l.soft, g.cpu_limit.soft()), .hard = l.hard};
  if (resource == u32{uapi::rlimit_rttime})
    return {.soft = std::max(l.soft, g.realtime_limit.soft()), .hard = l.hard};
  return l;
}

/// prlimit(2): the same identity throughout, or CAP_SYS_RESOURCE.
Result<void> may_change_limits(Task& me, Task& other) {
  if (me.group == other.group || me.cred().has(ident::Cap::sys_resource)) return {};
  const Ref<ident::Cred> c = other.cred_ref();
  const ident::Cred& m = me.cred();
  const bool same = m.uid == c->euid && m.uid == c->suid && m.uid == c->uid && m.gid == c->egid &&
                    m.gid == c->sgid && m.gid == c->gid;
  return same ? Result<void>() : Errno::eperm;
}

}  // namespace

Value prlimit64(Task& me, int pid, u32 resource, UserIn<uapi::rlimit64> in,
                UserOut<uapi::rlimit64> out) {
  if (resource >= uapi::rlim_nlimits) return Errno::einval;
  uapi::rlimit64 fresh{};
  if (!in.is_null()) fresh = TRY(in.load());
  Ref<Task> target = Ref<Task>(me);
  if (pid != 0) target = TRY(proc::find_task(static_cast<u32>(pid)));
  TRY(may_change_limits(me, *target));
  proc::Limit old;
  {
    auto limits = target->group->limits.lock();
    proc::Limit& l = (*limits)[resource];
    old = shown(*target->group, l, resource);
    if (!in.is_null()) {
      TRY(check_limit(me, old, fresh, static_cast<int>(resource)));
      l = {fresh.rlim_cur, fresh.rlim_max};
      if (resource == u32{uapi::rlimit_cpu})
        target->group->cpu_limit.set(fresh.rlim_cur, fresh.rlim_max);
      if (resource == u32{uapi::rlimit_rttime})
        target->group->realtime_limit.set(fresh.rlim_cur, fresh.rlim_max);
    }
  }
  if (!out.is_null()) TRY(out.store({old.soft, old.hard}));
  return u64{0};
}

Value getrlimit(Task& me, u32 resource, UserOut<uapi::rlimit64> out) {
  if (resource >= uapi::rlim_nlimits) return Errno::einval;
  const proc::Limit l = shown(*me.group, (*me.group->limits.lock())[resource], resource);
  TRY(out.store({l.soft, l.hard}));
  return u64{0};
}

Value setrlimit(Task& me, u32 resource, UserIn<uapi::rlimit64> in) {
  // A null pointer is an error here.
  (void)TRY(in.load());
  return prlimit64(me, 0, resource, in, UserOut<uapi::rlimit64>(UserAddr(0)));
}

Value getrusage(Task& me, int who, UserOut<uapi::rusage> out) {
  proc::Usage u;
  switch (who) {
    case uapi::rusage_self:
      proc::note_peak_pages(*me.group, *me.space);
      u = proc::usage_of(*me.group);
      break;
    case uapi::rusage_children: u = proc::usage_of_children(*me.group); break;
    case uapi::rusage_thread:
      u = proc::usage_of(me);
      u.peak_pages = proc::usage_of(*me.group).peak_pages;
      break;
    default: return Errno::einval;
  }
  TRY(out.store(proc::to_rusage(u)));
  return u64{0};
}

Value times(Task& me, UserAddr out) {
  constexpr u64 tick_ns = 10'000'000;
  if (out.value != 0) {
    const proc::CpuTime own = proc::usage_of(*me.group).time;
    const proc::CpuTime children = proc::usage_of_children(*me.group).time;
    const auto ticks = [](u64 ns) { return static_cast<i64>(ns / tick_ns); };
    const uapi::tms t{ticks(own.user_ns), ticks(own.system_ns), ticks(children.user_ns),
                      ticks(children.system_ns)};
    TRY(core::write_user(out, &t, sizeof(t)));
  }
  return core::clock_ns() / tick_ns;
}

namespace {

struct Names {
  std::array<char, 65> node{"(none)"};
  std::array<char, 65> domain{"(none)"};
};
constinit core::Guarded<core::level::driver, Names, core::SpinPreemptOff> names;

class NameSysctl final : public core::Sysctl {
  std::array<char, 65> Names::* which_;

 public:
  constexpr NameSysctl(std::string_view path, std::array<char, 65> Names::* which)
      : Sysctl(path, true),
        which_(which) {}
  void show(Writer& out) const override {
    std::array<char, 65> text;
    {
      auto n = names.lock();
      text = (*n).*which_;
    }
    out.put(std::string_view(text.data()));
  }
  /// Longer ones are cut, as Linux does.
  Result<void> store(std::string_view text) override {
    std::array<char, 65> fresh{};
    text.copy(fresh.data(), fresh.size() - 1);
    auto n = names.lock();
    (*n).*which_ = fresh;
    return {};
  }
};
class VersionSysctl final : public core::Sysctl {
  bool is_release_;

 public:
  constexpr VersionSysctl(std::string_view path, bool is_release)
      : Sysctl(path, false),
        is_release_(is_release) {}
  void show(Writer& out) const override { out.put(is_release_ ? core::release : core::version); }
};
constinit NameSysctl hostname("kernel/hostname", &Names::node);
constinit NameSysctl domainname("kernel/domainname", &Names::domain);
constinit core::ConstantSysctl ostype("kernel/ostype", std::string_view("Linux"));
constinit core::ConstantSysctl arch("kernel/arch", machine::name);
constinit VersionSysctl osrelease("kernel/osrelease", true);
constinit VersionSysctl osversion("kernel/version", false);
SYSCTL(hostname);
SYSCTL(domainname);
SYSCTL(ostype);
SYSCTL(arch);
SYSCTL(osrelease);
SYSCTL(osversion);

Value set_name(Task& me, UserAddr from, int size, std::array<char, 65> Names::* which) {
  if (!me.cred().has(ident::Cap::sys_admin)) return Errno::eperm;
  std::array<char, 65> text{};
  if (size < 0 || static_cast<usize>(size) >= text.size()) return Errno::einval;
  TRY(core::read_user(text.data(), from, static_cast<usize>(size)));
  (*names.lock()).*which = text;
  return u64{0};
}

}  // namespace

Value uname(Task& me, UserOut<uapi::new_utsname> out) {
  uapi::new_utsname u{};
  const auto put = [](std::string_view s, auto& field) {
    s.copy(static_cast<char*>(field), sizeof(field) - 1);
  };
  put("Linux", u.sysname);
  Writer release(std::span(static_cast<char*>(u.release), sizeof(u.release) - 1));
  put_release(me, release);
  put(core::version, u.version);
  put(is_linux32(me) ? machine::name_of_32_bit : machine::name, u.machine);
  {
    auto n = names.lock();
    put({n->node.data(), n->node.size()}, u.nodename);
    put({n->domain.data(), n->domain.size()}, u.domainname);
  }
  TRY(out.store(u));
  return u64{0};
}

Value sethostname(Task& me, UserAddr name, int size) {
  return set_name(me, name, size, &Names::node);
}
Value setdomainname(Task& me, UserAddr name, int size) {
  return set_name(me, name, size, &Names::domain);
}

Value sysinfo(Task&, UserOut<uapi::sysinfo> out) {
  const mem::PageCounts pages = mem::count_pages();
  uapi::sysinfo s{};
  s.uptime = static_cast<i64>((core::clock_ns() + ns_per_s - 1) / ns_per_s);
  s.totalram = pages.managed * page_size;
  s.freeram = pages.free * page_size;
  const std::array<u64, 3> loads = sched::load_averages();
  constexpr unsigned shown_bits = 16;
  for (usize i = 0; i < loads.size(); ++i) s.loads[i] = loads[i] << (shown_bits - sched::load_bits);
  s.procs = static_cast<u16>(std::min<u32>(proc::thread_count(), 0xffff));
  s.mem_unit = 1;
  TRY(out.store(s));
  return u64{0};
}

Value getrandom(Task& me, UserAddr buffer, u64 size, u32 flags) {
  constexpr u32 known = uapi::grnd_nonblock | uapi::grnd_random | uapi::grnd_insecure;
  constexpr u32 contrary = uapi::grnd_random | uapi::grnd_insecure;
  if ((flags & ~known) != 0 || (flags & contrary) == contrary) return Errno::einval;
  constexpr u64 most = 0x7fffffff;
  size = std::min(size, most);
  std::array<byte, 256> chunk;
  for (u64 done = 0; done < size;) {
    const usize n = std::min<u64>(chunk.size(), size - done);
    random::fill(std::span(chunk).first(n));
    const Result<void> r = core::write_user(buffer + done, chunk.data(), n);
    if (!r.ok()) return done > 0 ? Value(done) : r.error();
    done += n;
    // Who is in a hurry gets what there is.
    if (done % page_size == 0 && me.has_work(sched::Interruptible::any)) return done;
  }
  return size;
}

namespace {

/// In a namespace of processes it is the first one there that ends: reboot(2).
Value reboot_namespace(Task& me, u32 command) {
  u32 status = 0;
  switch (command) {
    case uapi::linux_reboot_cmd_restart:
    case uapi::linux_reboot_cmd_restart2: status = uapi::sighup; break;
    case uapi::linux_reboot_cmd_power_off:
    case uapi::linux_reboot_cmd_halt: status = uapi::sigint; break;
    default: return Errno::einval;
  }
  Ref<proc::Group> first;
  {
    auto t = proc::tree.lock();
    me.pid_space().reboot_status = status;
    if (auto* const g = static_cast<proc::Group*>(me.pid_space().first_process))
      first = Ref<proc::Group>(*g);
  }
  if (first) (void)proc::send_to_group(*first, proc::kernel_signal(uapi::sigkill));
  first = {};
  proc::exit_group(me, 0);
}

}  // namespace

Value reboot(Task& me, u32 magic1, u32 magic2, u32 command, UserAddr) {
  if (!me.cred().has(ident::Cap::sys_boot)) return Errno::eperm;
  const std::array<u32, 4> second{uapi::linux_reboot_magic2, uapi::linux_reboot_magic2a,
                                  uapi::linux_reboot_magic2b, uapi::linux_reboot_magic2c};
  if (magic1 != uapi::linux_reboot_magic1 ||
      std::find(second.begin(), second.end(), magic2) == second.end())
    return Errno::einval;
  if (me.pid_space().level != 0) return reboot_namespace(me, command);
  switch (command) {
    case uapi::linux_reboot_cmd_power_off: report_memory(); core::power_off();
    case uapi::linux_reboot_cmd_restart: core::restart();
    case uapi::linux_reboot_cmd_halt: core::halt();
    // What Ctrl-Alt-Del would do: nobody has a key for it yet.
    case uapi::linux_reboot_cmd_cad_on:
    case uapi::linux_reboot_cmd_cad_off: return u64{0};
    default: return Errno::einval;
  }
}

}  // namespace auk::syscall::calls
