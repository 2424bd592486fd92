// Priorities of threads at disks: see ioprio_set(2). They are kept and inherited; no disk here has
// a queue whose order they would change, as on Linux without a scheduler that looks at them.
#include <algorithm>

#include "generated/uapi/sched.hpp"
#include "syscall/calls.hpp"
#include "syscall/meant.hpp"

namespace auk::syscall::calls {
namespace {

constexpr int class_of(int priority) {
  return priority >> uapi::ioprio_class_shift & uapi::ioprio_class_mask;
}
constexpr int value_of(int io_class, int level) {
  return io_class << uapi::ioprio_class_shift | level;
}

Result<Whom> whom(int which) {
  switch (which) {
    case uapi::ioprio_who_process: return Whom::thread;
    case uapi::ioprio_who_pgrp: return Whom::group;
    case uapi::ioprio_who_user: return Whom::user;
    default: return Errno::einval;
  }
}

/// EINVAL; EPERM for real-time without CAP_SYS_NICE or CAP_SYS_ADMIN.
Result<void> check(const ident::Cred& cred, int priority) {
  using ident::Cap;
  switch (class_of(priority)) {
    case uapi::ioprio_class_none:
      return (priority & uapi::ioprio_level_mask) == 0 ? Result<void>() : Errno::einval;
    case uapi::ioprio_class_rt:
      return cred.has(Cap::sys_nice) || cred.has(Cap::sys_admin) ? Result<void>() : Errno::eperm;
    case uapi::ioprio_class_be:
    case uapi::ioprio_class_idle: return {};
    default: return Errno::einval;
  }
}

/// Who is changed: by its real user, unlike setpriority(2).
bool may_change(const ident::Cred& mine, Task& t) {
  if (mine.has(ident::Cap::sys_nice)) return true;
  auto lock = t.cred_lock.lock();
  return t.cred().uid == mine.euid || t.cred().uid == mine.uid;
}

/// What counts for one that has none of its own: what setpriority(2) and its policy say.
int effective(Task& t) {
  const int own = t.io_priority.load_relaxed();
  if (class_of(own) != uapi::ioprio_class_none) return own;
  const sched::Scheduling s = t.scheduling();
  constexpr int nicest = 20, nices_per_level = 5;
  const int level = (s.nice + nicest) / nices_per_level;
  if (s.policy == sched::Policy::idle) return value_of(uapi::ioprio_class_idle, level);
  const bool is_realtime =
      s.policy == sched::Policy::fifo || s.policy == sched::Policy::round_robin;
  return value_of(is_realtime ? uapi::ioprio_class_rt : uapi::ioprio_class_be, level);
}

}  // namespace

Value ioprio_set(Task& me, int which, int who, int priority) {
  TRY(check(me.cred(), priority));
  Errno error = Errno::esrch;
  bool is_over = false;
  TRY(each_meant(me, TRY(whom(which)), who, [&](Task& t) {
    if (is_over) return;
    is_over = !may_change(me.cred(), t);
    error = is_over ? Errno::eperm : Errno{};
    if (!is_over) t.io_priority.store_relaxed(static_cast<u16>(priority));
  }));
  if (error != Errno{}) return error;
  return u64{0};
}

Value ioprio_get(Task& me, int which, int who) {
  const Whom kind = TRY(whom(which));
  std::optional<int> best;
  TRY(each_meant(me, kind, who, [&](Task& t) {
    const int p = kind == Whom::thread ? t.io_priority.load_relaxed() : effective(t);
    best = std::min(best.value_or(p), p);
  }));
  if (!best) return Errno::esrch;
  return static_cast<u64>(*best);
}

}  // namespace auk::syscall::calls
