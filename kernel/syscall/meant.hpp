// Whom a call means by a kind and a number: setpriority(2), ioprio_set(2).
#pragma once
#include "proc/family.hpp"
#include "syscall/support.hpp"

namespace auk::syscall {

enum class Whom : u8 {
  thread,
  group,  ///< of processes
  user,   ///< by the real user ID
};

/// Calls f(Task&) for each thread that is meant; 0 is the caller, or its group. ESRCH.
/// Context: f() may run under the tree lock.
template <class F> Result<void> each_meant(Task& me, Whom whom, int who, F f) {
  const auto number = static_cast<u32>(who);
  switch (whom) {
    case Whom::thread: {
      if (who < 0) return Errno::esrch;
      const Ref<Task> t = who == 0 ? Ref<Task>(me) : TRY(proc::find_task(number));
      auto tree = proc::tree.lock();
      f(*t);
      return {};
    }
    case Whom::group: {
      const Ref<ident::Pid> pid = who == 0 ? Ref<ident::Pid>() : TRY(proc::find_pid(number));
      auto tree = proc::tree.lock();
      auto* const group = pid ? static_cast<proc::ProcessGroup*>(pid->process_group)
                              : me.group->process_group.get();
      if (group == nullptr) return Errno::esrch;
      for (proc::Group& member : group->members)
        for (Task& t : member.tasks) f(t);
      return {};
    }
    case Whom::user: break;
  }
  const auto is_of_user = [&](Task& t) {
    auto lock = t.cred_lock.lock();
    return t.cred().uid == number;
  };
  for (u32 n = 1; const Ref<Task> t = proc::next_task(me.pid_space(), n); ++n)
    if (is_of_user(*t)) f(*t);
  return {};
}

}  // namespace auk::syscall
