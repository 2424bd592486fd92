// How nice processes are: see setpriority(2).
#include "syscall/nice.hpp"

#include <algorithm>

#include "generated/uapi/resource.hpp"
#include "syscall/calls.hpp"

namespace auk::syscall {

using ident::Cap;

bool owns(Task& me, Task& t) {
  const u32 mine = me.cred().euid;
  auto lock = t.cred_lock.lock();
  return t.cred().uid == mine || t.cred().euid == mine;
}

bool is_subject_to(Task& me, Task& t) {
  if (me.cred().has(Cap::sys_nice)) return true;
  const u64 mine = me.cred().permitted;
  auto lock = t.cred_lock.lock();
  return (t.cred().permitted & ~mine) == 0;
}

bool may_be_as_nice(Task& t, int nice) {
  return static_cast<u64>(20 - nice) <= t.group->limit(uapi::rlimit_nice);
}

namespace {

bool has_uid(Task& t, u32 uid) {
  auto lock = t.cred_lock.lock();
  return t.cred().uid == uid;
}

/// Calls f(Task&) for each thread that is meant. ESRCH, EINVAL. Context: f() may run under the tree
/// lock.
template <class F> Result<void> each_meant(Task& me, int which, int who, F f) {
  const auto number = static_cast<u32>(who);
  switch (which) {
    case uapi::prio_process: {
      if (who < 0) return Errno::esrch;
      const Ref<Task> t = who == 0 ? Ref<Task>(me) : TRY(proc::find_task(number));
      auto tree = proc::tree.lock();
      f(*t);
      return {};
    }
    case uapi::prio_pgrp: {
      const Ref<ident::Pid> pid = who == 0 ? Ref<ident::Pid>() : TRY(ident::find_pid(number));
      auto tree = proc::tree.lock();
      auto* const group = pid ? static_cast<proc::ProcessGroup*>(pid->process_group)
                              : me.group->process_group.get();
      if (group == nullptr) return Errno::esrch;
      for (proc::Group& member : group->members)
        for (Task& t : member.tasks) f(t);
      return {};
    }
    case uapi::prio_user: {
      const u32 uid = who == 0 ? me.cred().uid : number;
      for (u32 n = 1; const Ref<Task> t = proc::next_task(n); ++n)
        if (has_uid(*t, uid)) f(*t);
      return {};
    }
    default: return Errno::einval;
  }
}

}  // namespace

namespace calls {

Value getpriority(Task& me, int which, int who) {
  // So that no result looks like an error.
  int most = 0;
  TRY(each_meant(me, which, who,
                 [&](Task& t) { most = std::max(most, 20 - t.scheduling().nice); }));
  if (most == 0) return Errno::esrch;
  return static_cast<u64>(most);
}

Value setpriority(Task& me, int which, int who, int nice) {
  nice = std::clamp(nice, -20, 19);
  const bool may_all = me.cred().has(Cap::sys_nice);
  const auto refusal = [&](Task& t) {
    if (!may_all && !owns(me, t)) return Errno::eperm;
    if (nice < t.scheduling().nice && !may_all && !may_be_as_nice(t, nice)) return Errno::eacces;
    return is_subject_to(me, t) ? Errno{} : Errno::eperm;
  };
  // Of several the last one that was refused is told, and the others are changed all the same.
  Errno error = Errno::esrch;
  TRY(each_meant(me, which, who, [&](Task& t) {
    if (const Errno e = refusal(t); e != Errno{}) {
      error = e;
      return;
    }
    if (error == Errno::esrch) error = Errno{};
    t.set_nice(nice);
  }));
  if (error != Errno{}) return error;
  return u64{0};
}

}  // namespace calls
}  // namespace auk::syscall
