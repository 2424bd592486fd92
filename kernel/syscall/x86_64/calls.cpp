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
      machine::sync_segments(me.user);
      if (option == set_fs)
        me.user.set_fs_base(arg);
      else
        me.user.set_gs_base(arg);
      machine::reload_segments(me.user);
      return u64{0};
    }
    case get_fs:
    case get_gs: {
      {
        const core::IrqOff irq_off;
        machine::sync_segments(me.user);
      }
      TRY(out.store(option == get_fs ? me.user.fs_base : me.user.gs_base));
      return u64{0};
    }
    default: return Errno::einval;
  }
}

// I/O ports are the kernel's: nobody has them, as on a kernel that is locked down. See iopl(2).
Value iopl(Task&, u32 level) {
  constexpr u32 highest = 3;
  if (level > highest) return Errno::einval;
  return level == 0 ? Value(u64{0}) : Errno::eperm;
}
Value ioperm(Task&, u64 first, u64 count, int allow) {
  constexpr u64 ports = 65536;
  if (first + count <= first || first + count > ports) return Errno::einval;
  return allow == 0 ? Value(u64{0}) : Errno::eperm;
}

/// As on a CPU that has none for programs.
Value map_shadow_stack(Task&, UserAddr, u64, u32) { return Errno::eopnotsupp; }

}  // namespace auk::syscall::calls
