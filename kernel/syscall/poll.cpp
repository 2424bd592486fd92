// Waiting for files, and futexes: see poll(2), select(2), epoll_ctl(2), epoll_wait(2), futex(2).
#include "syscall/restart.hpp"

#include <algorithm>
#include <limits>

#include "generated/uapi/poll.hpp"
#include "generated/uapi/resource.hpp"
#include "io/epoll.hpp"
#include "io/poller.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"

namespace auk::syscall {
namespace {

using io::PollEvent;
using io::PollEvents;
using uapi::pollfd;

/// What is looked at between two sleeps; returns how many files are ready.
class Scan {
 public:
  virtual u32 look(io::Poller* poller) = 0;

 protected:
  ~Scan() = default;
};

/// Looks, sleeps, looks again, until something is ready. EINTR stands for any signal.
Result<u32> wait_for_files(Task& me, Scan& scan, u64 deadline_ns) {
  io::Poller poller;
  if (const u32 ready = scan.look(deadline_ns == 0 ? nullptr : &poller); ready != 0) return ready;
  if (deadline_ns == 0) return u32{0};
  if (poller.out_of_memory()) return Errno::enomem;
  for (bool in_time = true;;) {
    poller.prepare();
    if (const u32 ready = scan.look(nullptr); ready != 0) return ready;
    if (!in_time) return u32{0};
    // Behind the look, which may itself have slept for a lock.
    const sched::InterruptibleSleep sleeping(me);
    if (me.has_work(sched::Interruptible::any)) return Errno::eintr;
    in_time = poller.sleep(deadline_ns);
  }
}

/// Elsewhere, so that a look without waiting stays short.
AUK_NOINLINE PollEvents look_and_watch(io::File& f, io::Poller& poller) {
  return poller.look_at(Ref<io::File>(f));
}

PollEvents look_at(io::File& f, io::Poller* poller) {
  return poller == nullptr ? f.poll(nullptr) : look_and_watch(f, *poller);
}

PollEvents always() {
  return PollEvents(PollEvent::error) | PollEvent::hang_up | PollEvent::invalid;
}

class PollScan final : public Scan {
  Task& me_;
  std::span<pollfd> fds_;

 public:
  PollScan(Task& me, std::span<pollfd> fds) : me_(me), fds_(fds) {}
  ~PollScan() = default;
  u32 look(io::Poller* poller) override {
    u32 ready = 0;
    for (pollfd& p : fds_) {
      PollEvents found;
      if (p.fd >= 0) {
        Result<io::FileLoan> f = file_of(me_, {p.fd});
        if (f.ok()) {
          const io::FileLoan file = f.take();
          found = look_at(*file, poller) &
                  (PollEvents::from_bits(static_cast<u16>(p.events)) | always());
        } else {
          found = PollEvent::invalid;
        }
      }
      p.revents = static_cast<i16>(found.bits);
      if (found.bits != 0) ++ready;
    }
    return ready;
  }
};

/// The program's array, copied in.
class PollArray {
  static constexpr usize inline_count = 16;
  std::array<pollfd, inline_count> few_{};
  pollfd* many_ = nullptr;
  usize count_ = 0;

 public:
  PollArray() = default;
  ~PollArray() { mem::free(many_); }
  PollArray(const PollArray&) = delete;
  PollArray& operator=(const PollArray&) = delete;
  std::span<pollfd> all() { return {many_ != nullptr ? many_ : few_.data(), count_}; }
  Result<void> load(UserAddr from, u32 count) {
    if (count > inline_count)
      many_ = static_cast<pollfd*>(TRY(mem::allocate(ALLOC_SITE, count * sizeof(pollfd))));
    count_ = count;
    return core::read_user(all().data(), from, count * sizeof(pollfd));
  }
  Result<void> store_results(UserAddr to) {
    if (count_ == 0) return {};
    return core::write_user_column(to + offsetof(pollfd, revents), &all()[0].revents, count_,
                                   sizeof(pollfd));
  }
};

}  // namespace

Value poll_until(Task& me, UserAddr fds, u32 count, u64 deadline_ns) {
  if (count > me.group->limit(uapi::rlimit_nofile)) return Errno::einval;
  PollArray array;
  TRY(array.load(fds, count));
  PollScan scan(me, array.all());
  Result<u32> ready = wait_for_files(me, scan, deadline_ns);
  if (!ready.ok()) {
    if (ready.error() != Errno::eintr) return ready.error();
    me.restart_block = {.kind = Task::Restart::Kind::poll,
                        .deadline_ns = deadline_ns,
                        .arguments = {fds.value, count}};
    return restart::block;
  }
  TRY(array.store_results(fds));
  return u64{*ready};
}

namespace calls {
namespace {

constexpr u64 ns_per_ms = 1'000'000;

/// A time-out of the program, as a deadline. A null pointer waits for ever; no time at all is 0.
Result<u64> load_timeout(UserAddr at) {
  if (at.value == 0) return sched::no_deadline;
  const u64 ns = TRY(to_ns(TRY(UserIn<uapi::kernel_timespec>(at).load())));
  return ns == 0 ? u64{0} : deadline_in(ns);
}

/// Negative times wait for ever.
u64 deadline_of(int timeout_ms) {
  if (timeout_ms == 0) return 0;
  if (timeout_ms < 0) return sched::no_deadline;
  return deadline_in(static_cast<u64>(timeout_ms) * ns_per_ms);
}

/// What is left goes back to the program; that it cannot be written is no failure.
void store_rest(UserAddr at, u64 deadline) {
  if (at.value == 0) return;
  const u64 now = core::clock_ns();
  const uapi::kernel_timespec rest = to_timespec(deadline > now ? deadline - now : 0);
  (void)core::write_user(at, &rest, sizeof(rest));
}

Result<void> load_mask(Task& me, UserAddr mask, u64 size) {
  if (mask.value == 0) return {};
  if (size != sizeof(proc::SignalSet)) return Errno::einval;
  set_temporary_mask(me, TRY(UserIn<u64>(mask).load()));
  return {};
}

/// select(2) by three bit sets.
class SelectScan final : public Scan {
  Task& me_;
  u32 count_;

 public:
  static constexpr usize words = 16;  ///< of 64 bits: FD_SETSIZE
  using Set = std::array<u64, words>;
  std::array<Set, 3> wanted{}, found{};
  Errno error{};

  SelectScan(Task& me, u32 count) : me_(me), count_(count) {}
  ~SelectScan() = default;

  u32 look(io::Poller* poller) override {
    constexpr std::array kinds{
        PollEvents::from_bits(0x1 | 0x8 | 0x10 | 0x40 | 0x80),
        PollEvents::from_bits(0x4 | 0x8 | 0x100 | 0x200),
        PollEvents::from_bits(0x2),
    };
    u32 ready = 0;
    found = {};
    for (u32 fd = 0; fd < count_; ++fd) {
      const u64 bit = u64{1} << (fd % 64);
      const usize word = fd / 64;
      if (((wanted[0][word] | wanted[1][word] | wanted[2][word]) & bit) == 0) continue;
      Result<io::FileLoan> f = file_of(me_, {static_cast<int>(fd)});
      if (!f.ok()) {
        error = Errno::ebadf;
        return 1;
      }
      const io::FileLoan file = f.take();
      const PollEvents events = look_at(*file, poller);
      for (usize k = 0; k < kinds.size(); ++k)
        if ((wanted[k][word] & bit) != 0 && events.any(kinds[k])) {
          found[k][word] |= bit;
          ++ready;
        }
    }
    return ready;
  }
};

Value do_select(Task& me, int count, const std::array<UserAddr, 3>& sets, u64 deadline) {
  if (count < 0) return Errno::einval;
  const u32 n = std::min<u32>(static_cast<u32>(count), SelectScan::words * 64);
  const usize bytes = usize{(n + 63) / 64} * sizeof(u64);
  SelectScan scan(me, n);
  for (usize k = 0; k < sets.size(); ++k)
    if (sets[k].value != 0) TRY(core::read_user(scan.wanted[k].data(), sets[k], bytes));
  Result<u32> ready = wait_for_files(me, scan, deadline);
  if (scan.error != Errno{}) return scan.error;
  if (!ready.ok()) return ready.error() == Errno::eintr ? restart::no_hand : ready.error();
  for (usize k = 0; k < sets.size(); ++k)
    if (sets[k].value != 0) TRY(core::write_user(sets[k], scan.found[k].data(), bytes));
  return u64{*ready};
}

}  // namespace

Value poll(Task& me, UserAddr fds, u32 count, int timeout_ms) {
  return poll_until(me, fds, count, deadline_of(timeout_ms));
}

Value ppoll(Task& me, UserAddr fds, u32 count, UserAddr timeout, UserIn<u64> mask, u64 set_size) {
  const u64 deadline = TRY(load_timeout(timeout));
  TRY(load_mask(me, mask.address(), set_size));
  Value v = poll_until(me, fds, count, deadline);
  if (v.ok()) end_temporary_mask(me);
  store_rest(timeout, deadline);
  if (!v.ok() && v.error() == restart::block) return restart::no_hand;
  return v;
}

Value select(Task& me, int count, UserAddr in, UserAddr out, UserAddr except, UserAddr timeout) {
  u64 deadline = sched::no_deadline;
  if (timeout.value != 0) {
    uapi::timeval t{};
    TRY(core::read_user(&t, timeout, sizeof(t)));
    if (t.tv_sec < 0 || t.tv_usec < 0) return Errno::einval;
    constexpr i64 us_per_s = 1'000'000;
    i64 seconds = 0;
    if (__builtin_add_overflow(t.tv_sec, t.tv_usec / us_per_s, &seconds)) return Errno::einval;
    const u64 ns = TRY(to_ns({seconds, t.tv_usec % us_per_s * 1000}));
    deadline = ns == 0 ? 0 : deadline_in(ns);
  }
  Value v = do_select(me, count, {in, out, except}, deadline);
  if (timeout.value != 0) {
    const u64 now = core::clock_ns();
    const u64 left = deadline > now ? deadline - now : 0;
    const uapi::timeval rest{static_cast<i64>(left / ns_per_s),
                             static_cast<i64>(left % ns_per_s / 1000)};
    (void)core::write_user(timeout, &rest, sizeof(rest));
  }
  return v;
}

Value pselect6(Task& me, int count, UserAddr in, UserAddr out, UserAddr except, UserAddr timeout,
               UserAddr mask) {
  const u64 deadline = TRY(load_timeout(timeout));
  if (mask.value != 0) {
    std::array<u64, 2> argument{};
    TRY(core::read_user(argument.data(), mask, sizeof(argument)));
    TRY(load_mask(me, UserAddr(argument[0]), argument[1]));
  }
  Value v = do_select(me, count, {in, out, except}, deadline);
  if (v.ok()) end_temporary_mask(me);
  store_rest(timeout, deadline);
  return v;
}

Value epoll_create1(Task& me, u32 flags) {
  constexpr u32 close_on_exec = uapi::epoll_cloexec;
  if ((flags & ~close_on_exec) != 0) return Errno::einval;
  return install_file(me, TRY(io::make_epoll(flags)), flags != 0);
}

Value epoll_create(Task& me, int size) {
  return size <= 0 ? Value(Errno::einval) : epoll_create1(me, 0);
}

Value epoll_ctl(Task& me, Fd epoll, int operation, Fd fd, UserIn<uapi::epoll_event> in) {
  io::EpollEvent event;
  if (operation != uapi::epoll_ctl_del) {
    const uapi::epoll_event e = TRY(in.load());
    event = {e.events, e.data};
  }
  const io::FileLoan f = TRY(file_of(me, epoll));
  const io::FileLoan target = TRY(file_of(me, fd));
  io::EpollChange change{};
  switch (operation) {
    case uapi::epoll_ctl_add: change = io::EpollChange::add; break;
    case uapi::epoll_ctl_del: change = io::EpollChange::remove; break;
    case uapi::epoll_ctl_mod: change = io::EpollChange::modify; break;
    default: return target->can_poll() ? Errno::einval : Errno::eperm;
  }
  return done(io::change_epoll(*f, change, *target, fd.number, event));
}

namespace {

Value wait_on_epoll(Task& me, Fd epoll, UserAddr events, int most, u64 deadline) {
  constexpr u64 size = sizeof(uapi::epoll_event);
  constexpr int limit = std::numeric_limits<int>::max() / static_cast<int>(size);
  if (most <= 0 || most > limit) return Errno::einval;
  if (!core::is_user_range(events, static_cast<u64>(most) * size)) return Errno::efault;
  const io::FileLoan f = TRY(file_of(me, epoll));
  return u64{
      TRY(io::wait_for_events(*TRY(io::epoll_of(*f)), events, static_cast<u32>(most), deadline))};
}

/// The same under another mask, which only an interrupted wait hands on to the handler.
Value wait_with_mask(Task& me, Fd epoll, UserAddr events, int most, u64 deadline, UserIn<u64> mask,
                     u64 set_size) {
  TRY(load_mask(me, mask.address(), set_size));
  Value v = wait_on_epoll(me, epoll, events, most, deadline);
  if (v.ok() || v.error() != Errno::eintr) end_temporary_mask(me);
  return v;
}

}  // namespace

Value epoll_wait(Task& me, Fd epoll, UserAddr events, int most, int timeout_ms) {
  return wait_on_epoll(me, epoll, events, most, deadline_of(timeout_ms));
}

Value epoll_pwait(Task& me, Fd epoll, UserAddr events, int most, int timeout_ms, UserIn<u64> mask,
                  u64 set_size) {
  return wait_with_mask(me, epoll, events, most, deadline_of(timeout_ms), mask, set_size);
}

Value epoll_pwait2(Task& me, Fd epoll, UserAddr events, int most, UserAddr timeout,
                   UserIn<u64> mask, u64 set_size) {
  return wait_with_mask(me, epoll, events, most, TRY(load_timeout(timeout)), mask, set_size);
}

}  // namespace calls
}  // namespace auk::syscall
