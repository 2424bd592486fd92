// Which CPU a thread runs on and how it shares it: see sched(7), sched_setaffinity(2),
// sched_setattr(2).
#include <algorithm>

#include "core/cpu_mask.hpp"
#include "generated/uapi/resource.hpp"
#include "generated/uapi/sched.hpp"
#include "proc/futex.hpp"
#include "syscall/calls.hpp"
#include "syscall/nice.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {

using sched::Policy;
using sched::Scheduling;

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
  if (!owns(me, *t) && !me.cred().has(ident::Cap::sys_nice)) return Errno::eperm;
  if (!is_subject_to(me, *t)) return Errno::eperm;
  core::CpuMask cpus;
  for (u32 c = 0; c < core::possible_cpus; ++c)
    if ((words[c / 64] >> c % 64 & 1) != 0) cpus.set(CpuId(c));
  return done(sched::set_affinity(*t, cpus));
}

namespace {

constexpr u64 known_flags = uapi::sched_flag_reset_on_fork | uapi::sched_flag_reclaim |
                            uapi::sched_flag_dl_overrun | uapi::sched_flag_keep_all |
                            uapi::sched_flag_util_clamp;
constexpr u64 shortest_slice_ns = 100'000;
constexpr u64 longest_slice_ns = 100'000'000;

/// What a program asks for.
struct Request {
  bool keeps_policy = false;
  u32 policy = 0;
  u64 flags = 0;
  u32 priority = 0;
  i32 nice = 0;
  u64 slice_ns = 0;  ///< 0: the usual one

  /// The part that a policy goes by.
  void keep(const Scheduling& s) {
    if (sched::is_realtime(s.policy)) {
      priority = s.priority;
      return;
    }
    nice = s.nice;
    slice_ns = s.slice_ns;
  }
};

/// EINVAL for those that there are not.
Result<Policy> policy_of(u32 number) {
  for (const Policy p :
       {Policy::normal, Policy::fifo, Policy::round_robin, Policy::batch, Policy::idle})
    if (static_cast<u32>(p) == number) return p;
  return Errno::einval;
}

bool goes_by_nice(Policy p) { return p == Policy::normal || p == Policy::batch; }

/// What a thread without CAP_SYS_NICE may change. EPERM.
Result<void> check_change(Task& me, Task& t, const Scheduling& from, const Scheduling& to) {
  if (me.cred().has(ident::Cap::sys_nice)) return {};
  if (goes_by_nice(to.policy) && to.nice < from.nice && !may_be_as_nice(t, to.nice))
    return Errno::eperm;
  if (sched::is_realtime(to.policy)) {
    const u64 limit = t.group->limit(uapi::rlimit_rtprio);
    if (to.policy != from.policy && limit == 0) return Errno::eperm;
    if (to.priority > from.priority && to.priority > limit) return Errno::eperm;
  }
  if (from.policy == Policy::idle && to.policy != Policy::idle && !may_be_as_nice(t, from.nice))
    return Errno::eperm;
  if (!owns(me, t)) return Errno::eperm;
  if (from.reset_on_fork && !to.reset_on_fork) return Errno::eperm;
  return {};
}

Result<void> change(Task& me, Task& t, const Request& r) {
  const Scheduling from = t.scheduling();
  Scheduling to = from;
  if (!r.keeps_policy) {
    to.policy = TRY(policy_of(r.policy));
    to.reset_on_fork = (r.flags & uapi::sched_flag_reset_on_fork) != 0;
  }
  if ((r.flags & ~known_flags) != 0 || r.priority >= sched::ranks) return Errno::einval;
  if (sched::is_realtime(to.policy) != (r.priority != 0)) return Errno::einval;
  to.priority = static_cast<sched::Rank>(r.priority);
  if (goes_by_nice(to.policy)) {
    to.nice = r.nice;
    to.slice_ns = r.slice_ns == 0 ? sched::default_slice_ns
                                  : std::clamp(r.slice_ns, shortest_slice_ns, longest_slice_ns);
  }
  TRY(check_change(me, t, from, to));
  if (!is_subject_to(me, t)) return Errno::eperm;
  if ((r.flags & uapi::sched_flag_util_clamp) != 0) return Errno::eopnotsupp;
  if ((r.flags & uapi::sched_flag_keep_params) != 0) {
    // Then Linux keeps the policy too, once it has checked it.
    const bool reset = to.reset_on_fork;
    to = from;
    to.reset_on_fork = reset;
  }
  t.set_scheduling(to);
  proc::hand_rank_on(Ref<Task>(t));
  return {};
}

/// sched_setscheduler(2), and sched_setparam(2), which gives no policy.
Value change_priority(Task& me, int pid, const int* policy, UserIn<uapi::sched_param> param) {
  if (pid < 0 || param.address().value == 0) return Errno::einval;
  const uapi::sched_param p = TRY(param.load());
  const Ref<Task> t = TRY(thread_of(me, pid));
  const Scheduling now = t->scheduling();
  Request r{.keeps_policy = policy == nullptr,
            .priority = static_cast<u32>(p.sched_priority),
            .nice = now.nice,
            .slice_ns = now.slice_ns};
  if (policy != nullptr) {
    r.policy = static_cast<u32>(*policy) & ~uapi::sched_reset_on_fork;
    if (r.policy != static_cast<u32>(*policy)) r.flags = uapi::sched_flag_reset_on_fork;
  }
  return done(change(me, *t, r));
}

/// EINVAL, ESRCH: what most calls say about their thread and where to write.
Result<Ref<Task>> asked(Task& me, int pid, UserAddr out) {
  if (pid < 0 || out.value == 0) return Errno::einval;
  return thread_of(me, pid);
}

}  // namespace

Value sched_setscheduler(Task& me, int pid, int policy, UserIn<uapi::sched_param> param) {
  if (policy < 0) return Errno::einval;
  return change_priority(me, pid, &policy, param);
}

Value sched_setparam(Task& me, int pid, UserIn<uapi::sched_param> param) {
  return change_priority(me, pid, nullptr, param);
}

Value sched_getscheduler(Task& me, int pid) {
  if (pid < 0) return Errno::einval;
  const Scheduling s = TRY(thread_of(me, pid))->scheduling();
  return static_cast<u64>(s.policy) | (s.reset_on_fork ? uapi::sched_reset_on_fork : 0);
}

Value sched_getparam(Task& me, int pid, UserOut<uapi::sched_param> param) {
  const Ref<Task> t = TRY(asked(me, pid, param.address()));
  return done(param.store({.sched_priority = t->scheduling().priority}));
}

namespace {

/// The oldest form of the structure has no clamps.
constexpr u32 oldest_size = 48;

Result<uapi::sched_attr> load_attr(UserAddr at) {
  u32 size = TRY(UserIn<u32>(at).load());
  if (size == 0) size = oldest_size;
  const auto refuse = [&]() -> Errno {
    const Result<void> r = UserOut<u32>(at).store(sizeof(uapi::sched_attr));
    return r.ok() ? Errno::e2big : r.error();
  };
  if (size < oldest_size || size > page_size) return refuse();
  uapi::sched_attr a{};
  TRY(core::read_user(&a, at, std::min<u64>(size, sizeof(a))));
  for (u64 more = sizeof(a); more < size; ++more)
    if (TRY(UserIn<u8>(at + more).load()) != 0) return refuse();
  if ((a.sched_flags & uapi::sched_flag_util_clamp) != 0 && size < sizeof(a)) return Errno::einval;
  return a;
}

}  // namespace

Value sched_setattr(Task& me, int pid, UserAddr attr, u32 flags) {
  if (attr.value == 0 || pid < 0 || flags != 0) return Errno::einval;
  const uapi::sched_attr a = TRY(load_attr(attr));
  if (static_cast<i32>(a.sched_policy) < 0) return Errno::einval;
  const Ref<Task> t = TRY(thread_of(me, pid));
  Request r{.keeps_policy = (a.sched_flags & uapi::sched_flag_keep_policy) != 0,
            .policy = a.sched_policy,
            .flags = a.sched_flags,
            .priority = a.sched_priority,
            .nice = std::clamp(a.sched_nice, -20, 19),
            .slice_ns = a.sched_runtime};
  if ((a.sched_flags & uapi::sched_flag_keep_params) != 0) r.keep(t->scheduling());
  return done(change(me, *t, r));
}

Value sched_getattr(Task& me, int pid, UserAddr attr, u32 size, u32 flags) {
  if (flags != 0 || size < oldest_size || size > page_size) return Errno::einval;
  const Ref<Task> t = TRY(asked(me, pid, attr));
  const Scheduling s = t->scheduling();
  uapi::sched_attr a{};
  a.size = std::min<u32>(size, sizeof(a));
  a.sched_policy = static_cast<u32>(s.policy);
  if (s.reset_on_fork) a.sched_flags = uapi::sched_flag_reset_on_fork;
  if (sched::is_realtime(s.policy)) {
    a.sched_priority = s.priority;
  } else {
    a.sched_nice = s.nice;
    a.sched_runtime = s.slice_ns;
  }
  return done(core::write_user(attr, &a, a.size));
}

namespace {

/// A bound of the priorities of a policy; only real-time policies have any.
Value priority_bound(int policy, u64 of_realtime) {
  if (policy == uapi::sched_deadline) return u64{0};
  const Policy p = TRY(policy_of(static_cast<u32>(policy)));
  return sched::is_realtime(p) ? of_realtime : u64{0};
}

}  // namespace

Value sched_get_priority_max(Task&, int policy) { return priority_bound(policy, sched::ranks - 1); }
Value sched_get_priority_min(Task&, int policy) { return priority_bound(policy, 1); }

Value sched_rr_get_interval(Task& me, int pid, UserOut<uapi::kernel_timespec> interval) {
  if (pid < 0) return Errno::einval;
  const Scheduling s = TRY(thread_of(me, pid))->scheduling();
  // Linux counts other slices in its ticks of 4 ms.
  constexpr u64 tick_ns = 4'000'000;
  u64 ns = 0;
  if (s.policy == Policy::round_robin)
    ns = sched::round_robin_ns;
  else if (!sched::is_realtime(s.policy))
    ns = s.slice_ns / tick_ns * tick_ns;
  return done(interval.store(to_timespec(ns)));
}

}  // namespace auk::syscall::calls
