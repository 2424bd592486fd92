// Calls of this machine: see arch_prctl(2).
#include "syscall/calls.hpp"
#include "core/preempt.hpp"
#include "machine/isa/registers.hpp"

namespace auk::syscall::calls {

Value arch_prctl(Task& me, int option, u64 arg) {
  constexpr int set_gs = 0x1001, set_fs = 0x1002, get_fs = 0x1003, get_gs = 0x1004;
  const core::UserOut<u64> out{UserAddr(arg)};
  switch (option) {
    case set_fs:
    case set_gs: {
      if (arg >= core::user_end) return Errno::eperm;
      const core::IrqOff irq_off;
      machine::sync_bases(me.user);
      (option == set_fs ? me.user.fs_base : me.user.gs_base) = arg;
      machine::reload_bases(me.user);
      return u64{0};
    }
    case get_fs:
    case get_gs: {
      {
        const core::IrqOff irq_off;
        machine::sync_bases(me.user);
      }
      TRY(out.store(option == get_fs ? me.user.fs_base : me.user.gs_base));
      return u64{0};
    }
    default: return Errno::einval;
  }
}

}  // namespace auk::syscall::calls
