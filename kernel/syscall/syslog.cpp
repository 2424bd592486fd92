// The kernel's log: syslog(2).
#include "proc/kernel_log.hpp"
#include "syscall/calls.hpp"

namespace auk::syscall::calls {

Value syslog(Task& me, int action, UserAddr buffer, int size) {
  constexpr int read_once = 2;
  if (action != read_once) return proc::kernel_log::control(me, action, buffer, size);
  TRY(proc::kernel_log::may_control(me));
  if (buffer.value == 0 || size < 0) return Errno::einval;
  if (size == 0) return u64{0};
  if (!core::is_user_range(buffer, static_cast<u64>(size))) return Errno::efault;
  io::IoBuf buf(io::UserRange{buffer, static_cast<u64>(size)});
  return u64{TRY(proc::kernel_log::read_once(buf, false))};
}

}  // namespace auk::syscall::calls
