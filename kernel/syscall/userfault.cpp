// Pages that programs fill themselves: see userfaultfd(2).
#include "proc/userfault.hpp"
#include "core/sysctl.hpp"
#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/userfaultfd.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {
namespace {

/// Faults of the kernel wait for anybody's answer, not only for that of who may do more.
constinit Atomic<i64> is_for_all{0};
constinit core::NumberSysctl variable("vm/unprivileged_userfaultfd", is_for_all, 0, 1);
SYSCTL(variable);

}  // namespace

Value userfaultfd(Task& me, u32 flags) {
  constexpr u32 only_programs = uapi::uffd_user_mode_only;
  if ((flags & only_programs) == 0 && is_for_all.load_relaxed() == 0 &&
      !me.cred().has(ident::Cap::sys_ptrace))
    return Errno::eperm;
  constexpr u32 known = only_programs | uapi::o_cloexec | uapi::o_nonblock;
  if ((flags & ~known) != 0) return Errno::einval;
  return install_file(me, TRY(proc::make_userfaultfd(me, flags)), (flags & uapi::o_cloexec) != 0);
}

}  // namespace auk::syscall::calls
