// Descriptors to wait on: see eventfd(2), timerfd_create(2), signalfd(2), inotify(7).
#include "generated/uapi/eventfd.hpp"
#include "generated/uapi/inotify.hpp"
#include "generated/uapi/signalfd.hpp"
#include "generated/uapi/time.hpp"
#include "generated/uapi/timerfd.hpp"
#include "io/eventfd.hpp"
#include "io/timerfd.hpp"
#include "proc/signalfd.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "syscall/timer_setting.hpp"
#include "vfs/inotify.hpp"

namespace auk::syscall::calls {
namespace {

constexpr u32 close_on_exec = uapi::o_cloexec, non_block = uapi::o_nonblock;
static_assert(uapi::efd_cloexec == close_on_exec && uapi::efd_nonblock == non_block);
static_assert(uapi::tfd_cloexec == close_on_exec && uapi::tfd_nonblock == non_block);
static_assert(uapi::sfd_cloexec == close_on_exec && uapi::sfd_nonblock == non_block);

}  // namespace

Value eventfd2(Task& me, u32 count, u32 flags) {
  if ((flags & ~(close_on_exec | non_block | u32{uapi::efd_semaphore})) != 0) return Errno::einval;
  const bool is_semaphore = (flags & uapi::efd_semaphore) != 0;
  return install_file(me, TRY(io::make_eventfd(count, is_semaphore, flags & non_block)),
                      (flags & close_on_exec) != 0);
}

Value eventfd(Task& me, u32 count) { return eventfd2(me, count, 0); }

Value timerfd_create(Task& me, int clock, u32 flags) {
  if ((flags & ~(close_on_exec | non_block)) != 0) return Errno::einval;
  io::TimerClock kind = io::TimerClock::steady;
  switch (clock) {
    case uapi::clock_boottime_alarm:
    case uapi::clock_realtime_alarm:
      if (!me.cred().has(ident::Cap::wake_alarm)) return Errno::eperm;
      if (clock == uapi::clock_realtime_alarm) kind = io::TimerClock::real;
      break;
    case uapi::clock_realtime: kind = io::TimerClock::real; break;
    case uapi::clock_monotonic:
    case uapi::clock_boottime: break;
    default: return Errno::einval;
  }
  return install_file(me, TRY(io::make_timerfd(kind, flags & non_block)),
                      (flags & close_on_exec) != 0);
}

Value timerfd_settime(Task& me, Fd fd, u32 flags, UserIn<uapi::itimerspec> in,
                      UserOut<uapi::itimerspec> out) {
  const io::TimerSetting setting = TRY(load_setting(in));
  constexpr u32 known = uapi::tfd_timer_abstime | uapi::tfd_timer_cancel_on_set;
  if ((flags & ~known) != 0) return Errno::einval;
  const io::FileLoan f = TRY(file_of(me, fd));
  const io::TimerSetting before = TRY(TRY(io::timer_of(*f))
                                          ->set(setting, (flags & uapi::tfd_timer_abstime) != 0,
                                                (flags & uapi::tfd_timer_cancel_on_set) != 0));
  if (!out.is_null()) TRY(store_setting(before, out));
  return u64{0};
}

Value timerfd_gettime(Task& me, Fd fd, UserOut<uapi::itimerspec> out) {
  const io::FileLoan f = TRY(file_of(me, fd));
  TRY(store_setting(TRY(io::timer_of(*f))->setting(), out));
  return u64{0};
}

Value signalfd4(Task& me, Fd fd, UserIn<u64> mask, u64 set_size, u32 flags) {
  if (set_size != sizeof(proc::SignalSet)) return Errno::einval;
  const proc::SignalSet wanted = TRY(mask.load());
  if ((flags & ~(close_on_exec | non_block)) != 0) return Errno::einval;
  if (fd.number == -1)
    return install_file(me, TRY(proc::make_signalfd(me, wanted, flags & non_block)),
                        (flags & close_on_exec) != 0);
  const io::FileLoan f = TRY(file_of(me, fd));
  TRY(proc::set_signalfd(me, *f, wanted));
  return static_cast<u64>(fd.number);
}

Value signalfd(Task& me, Fd fd, UserIn<u64> mask, u64 set_size) {
  return signalfd4(me, fd, mask, set_size, 0);
}

Value inotify_init1(Task& me, u32 flags) {
  if ((flags & ~(close_on_exec | non_block)) != 0) return Errno::einval;
  return install_file(me, TRY(vfs::make_inotify(me.cred().uid, flags)),
                      (flags & close_on_exec) != 0);
}

Value inotify_init(Task& me) { return inotify_init1(me, 0); }

Value inotify_add_watch(Task& me, Fd fd, UserStr path, u32 mask) {
  constexpr auto bit = [](int flag) { return static_cast<u32>(flag); };
  constexpr u32 known = bit(uapi::in_all_events) | bit(uapi::in_unmount) |
                        bit(uapi::in_q_overflow) | bit(uapi::in_ignored) | bit(uapi::in_onlydir) |
                        bit(uapi::in_dont_follow) | bit(uapi::in_excl_unlink) |
                        bit(uapi::in_mask_create) | bit(uapi::in_mask_add) | bit(uapi::in_isdir) |
                        uapi::in_oneshot;
  if ((mask & known) == 0) return Errno::einval;
  const io::FileLoan f = TRY(file_of(me, fd));
  constexpr u32 both = bit(uapi::in_mask_add) | bit(uapi::in_mask_create);
  if ((mask & both) == both) return Errno::einval;
  vfs::Inotify& n = *TRY(vfs::inotify_of(*f));
  const bool follows = (mask & bit(uapi::in_dont_follow)) == 0;
  const vfs::Path at = TRY(find_path(me, cwd, path, follows ? 0 : uapi::at_symlink_nofollow));
  if ((mask & bit(uapi::in_onlydir)) != 0 && !at.inode().is_directory()) return Errno::enotdir;
  TRY(vfs::check_permission(at.inode(), me.cred(), vfs::Want::read));
  return u64{TRY(vfs::add_watch(n, at.inode(), mask))};
}

Value inotify_rm_watch(Task& me, Fd fd, int number) {
  const io::FileLoan f = TRY(file_of(me, fd));
  return done(vfs::remove_watch(*TRY(vfs::inotify_of(*f)), number));
}

}  // namespace auk::syscall::calls
