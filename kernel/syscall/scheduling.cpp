// Which CPU a thread runs on, and how much of it: see sched_setaffinity(2), setpriority(2).
#include <algorithm>

#include "core/cpu_mask.hpp"
#include "generated/uapi/resource.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {

Value sched_yield(Task&) {
  sched::yield();
  return u64{0};
}

namespace {

Result<Ref<Task>> thread_of(Task& me, int pid) {
  if (pid == 0) return Ref<Task>(me);
  if (pid < 0) return Errno::esrch;
  return proc::find_task(static_cast<u32>(pid));
}

}  // namespace

Value sched_getaffinity(Task& me, int pid, u32 size, UserAddr mask) {
  const u32 wanted = (core::possible_cpus + 63) / 64 * 8;
  if (u64{size} * 8 < core::possible_cpus || size % sizeof(u64) != 0) return Errno::einval;
  const Ref<Task> t = TRY(thread_of(me, pid));
  std::array<u64, (config::max_cpus + 63) / 64> words{};
  t->each_allowed_cpu([&](CpuId c) { words[c.value / 64] |= u64{1} << c.value % 64; });
  TRY(core::write_user(mask, words.data(), wanted));
  return u64{wanted};
}

Value sched_setaffinity(Task& me, int pid, u32 size, UserAddr mask) {
  std::array<u64, (config::max_cpus + 63) / 64> words{};
  TRY(core::read_user(words.data(), mask, std::min<u64>(size, sizeof(words))));
  const Ref<Task> t = TRY(thread_of(me, pid));
  if (!me.cred().has(ident::Cap::sys_nice)) {
    const Ref<ident::Cred> other = t->cred_ref();
    if (me.cred().euid != other->euid && me.cred().euid != other->uid) return Errno::eperm;
  }
  core::CpuMask cpus;
  for (u32 c = 0; c < core::possible_cpus; ++c)
    if ((words[c / 64] >> c % 64 & 1) != 0) cpus.set(CpuId(c));
  return done(sched::set_affinity(*t, cpus));
}

Value getpriority(Task& me, int which, int who) {
  if (which != uapi::prio_process || who < 0) return which > 2 ? Errno::einval : Errno::esrch;
  const Ref<Task> t = TRY(thread_of(me, who));
  // So that no result looks like an error.
  return static_cast<u64>(20 - t->nice());
}

namespace {

/// setpriority(2): the caller's own threads, or CAP_SYS_NICE; and up only as RLIMIT_NICE allows.
Result<void> check_nice(Task& me, Task& t, int nice) {
  const ident::Cred& c = me.cred();
  if (c.has(ident::Cap::sys_nice)) return {};
  const Ref<ident::Cred> other = t.cred_ref();
  if (other->uid != c.euid && other->euid != c.euid) return Errno::eperm;
  const auto wanted = static_cast<u64>(20 - nice);
  if (nice < t.nice() && wanted > t.group->limit(uapi::rlimit_nice)) return Errno::eacces;
  return {};
}

}  // namespace

Value setpriority(Task& me, int which, int who, int nice) {
  if (which != uapi::prio_process || who < 0) return which > 2 ? Errno::einval : Errno::esrch;
  nice = std::clamp(nice, -20, 19);
  const Ref<Task> t = TRY(thread_of(me, who));
  TRY(check_nice(me, *t, nice));
  t->set_nice(nice);
  return u64{0};
}

}  // namespace auk::syscall::calls
