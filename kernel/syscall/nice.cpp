// How nice processes are: see setpriority(2).
#include "syscall/nice.hpp"

#include <algorithm>

#include "generated/uapi/resource.hpp"
#include "syscall/calls.hpp"
#include "syscall/meant.hpp"

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

namespace calls {
namespace {

/// ESRCH, EINVAL.
template <class F> Result<void> each_of(Task& me, int which, int who, F f) {
  switch (which) {
    case uapi::prio_process: return each_meant(me, Whom::thread, who, f);
    case uapi::prio_pgrp: return each_meant(me, Whom::group, who, f);
    case uapi::prio_user:
      return each_meant(me, Whom::user, who == 0 ? static_cast<int>(me.cred().uid) : who, f);
    default: return Errno::einval;
  }
}

}  // namespace

Value getpriority(Task& me, int which, int who) {
  // So that no result looks like an error.
  int most = 0;
  TRY(each_of(me, which, who, [&](Task& t) { most = std::max(most, 20 - t.scheduling().nice); }));
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
  TRY(each_of(me, which, who, [&](Task& t) {
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
