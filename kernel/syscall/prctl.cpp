// Properties of a thread or a process: see prctl(2).
#include "syscall/prctl.hpp"

#include "generated/uapi/prctl.hpp"
#include "syscall/calls.hpp"

namespace auk::syscall::calls {
namespace {

/// What is to happen when memory that the thread may use turns out to be broken.
Value set_mce_kill(Task& me, u64 what, u64 policy) {
  switch (what) {
    case uapi::pr_mce_kill_clear:
      if (policy != 0) return Errno::einval;
      me.broken_memory.is_own = false;
      return u64{0};
    case uapi::pr_mce_kill_set:
      // Linux's order: an unknown policy leaves the old one, as the thread's own.
      me.broken_memory.is_own = true;
      switch (policy) {
        case uapi::pr_mce_kill_early: me.broken_memory.is_early = true; return u64{0};
        case uapi::pr_mce_kill_late: me.broken_memory.is_early = false; return u64{0};
        case uapi::pr_mce_kill_default: me.broken_memory = {}; return u64{0};
        default: return Errno::einval;
      }
    default: return Errno::einval;
  }
}

}  // namespace

Value prctl(Task& me, int option, u64 a, u64 b, u64 c, u64 d) {
  switch (option) {
    case uapi::pr_capbset_read:
    case uapi::pr_capbset_drop:
    case uapi::pr_get_securebits:
    case uapi::pr_set_securebits:
    case uapi::pr_get_keepcaps:
    case uapi::pr_set_keepcaps:
    case uapi::pr_cap_ambient: return prctl_capabilities(me, option, {a, b, c, d});
    case uapi::pr_set_name: {
      std::array<char, sched::Thread::name_size> name{};
      Result<usize> n = UserStr(UserAddr(a)).load(name);
      if (!n.ok() && n.error() != Errno::enametoolong) return n.error();
      me.set_name(std::string_view(name.data(), n.ok() ? *n : name.size() - 1));
      return u64{0};
    }
    case uapi::pr_get_name:
      TRY(core::write_user(UserAddr(a), me.name_.data(), me.name_.size()));
      return u64{0};
    case uapi::pr_set_pdeathsig:
      if (a > proc::signal_count) return Errno::einval;
      me.parent_death_signal.store_relaxed(static_cast<u32>(a));
      return u64{0};
    case uapi::pr_get_pdeathsig:
      TRY(UserOut<u32>(UserAddr(a)).store(me.parent_death_signal.load_relaxed()));
      return u64{0};
    case uapi::pr_set_child_subreaper: {
      auto t = proc::tree.lock();
      me.group->is_subreaper = a != 0;
      return u64{0};
    }
    case uapi::pr_get_child_subreaper: {
      u32 is = 0;
      {
        auto t = proc::tree.lock();
        is = me.group->is_subreaper ? 1 : 0;
      }
      TRY(UserOut<u32>(UserAddr(a)).store(is));
      return u64{0};
    }
    case uapi::pr_get_dumpable: {
      auto t = proc::tree.lock();
      return u64{me.group->is_dumpable ? 1U : 0U};
    }
    case uapi::pr_set_dumpable: {
      if (a > 1) return Errno::einval;
      auto t = proc::tree.lock();
      me.group->is_dumpable = a == 1;
      return u64{0};
    }
    case uapi::pr_set_no_new_privs:
      if (a != 1 || b != 0 || c != 0 || d != 0) return Errno::einval;
      me.no_new_privs = true;
      return u64{0};
    case uapi::pr_get_no_new_privs:
      if (a != 0 || b != 0 || c != 0 || d != 0) return Errno::einval;
      return u64{me.no_new_privs ? 1U : 0U};
    case uapi::pr_get_timing: return u64{uapi::pr_timing_statistical};
    case uapi::pr_set_timing:
      return a == uapi::pr_timing_statistical ? Value(u64{0}) : Errno::einval;
    case uapi::pr_get_timerslack: return me.timer_slack_ns;
    case uapi::pr_set_timerslack:
      // Our timers are exact: the program allows more than it gets.
      me.timer_slack_ns = a == 0 ? me.default_timer_slack_ns : a;
      return u64{0};
    case uapi::pr_set_thp_disable:
      if (b != 0 || c != 0 || d != 0) return Errno::einval;
      me.space->no_huge_pages.store_relaxed(a != 0);
      return u64{0};
    case uapi::pr_get_thp_disable:
      if (a != 0 || b != 0 || c != 0 || d != 0) return Errno::einval;
      return u64{me.space->no_huge_pages.load_relaxed() ? 1U : 0U};
    case uapi::pr_mce_kill:
      if (c != 0 || d != 0) return Errno::einval;
      return set_mce_kill(me, a, b);
    case uapi::pr_mce_kill_get:
      if (a != 0 || b != 0 || c != 0 || d != 0) return Errno::einval;
      if (!me.broken_memory.is_own) return u64{uapi::pr_mce_kill_default};
      return me.broken_memory.is_early ? u64{uapi::pr_mce_kill_early} : u64{uapi::pr_mce_kill_late};
    case uapi::pr_get_tid_address:
      TRY(UserOut<u64>(UserAddr(a)).store(me.clear_child_tid.value));
      return u64{0};
    default: return Errno::einval;
  }
}

}  // namespace auk::syscall::calls
