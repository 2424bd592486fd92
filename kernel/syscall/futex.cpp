// futex(2): one call for many operations.
#include "proc/futex.hpp"

#include <algorithm>

#include "generated/uapi/futex.hpp"
#include "generated/uapi/time.hpp"
#include "syscall/calls.hpp"
#include "syscall/restart.hpp"
#include "syscall/support.hpp"
#include "uapi/futex.hpp"

namespace auk::syscall {
namespace {

constexpr u32 any = ~u32{0};

/// What stands in the argument for a time.
enum class Time : u8 { none, span, moment, real_moment };

Time time_of(int command, bool real_time) {
  const Time moment = real_time ? Time::real_moment : Time::moment;
  switch (command) {
    case uapi::futex_wait: return Time::span;
    case uapi::futex_wait_bitset:
    case uapi::futex_wait_requeue_pi:
    case uapi::futex_lock_pi2: return moment;
    case uapi::futex_lock_pi: return Time::real_moment;
    default: return Time::none;
  }
}

Result<io::Moment> end_of_wait(UserAddr at, Time kind) {
  if (at.value == 0 || kind == Time::none) return io::Moment{};
  const u64 ns = TRY(to_ns(TRY(core::UserIn<uapi::kernel_timespec>(at).load())));
  if (kind == Time::span) return io::Moment{.ns = deadline_in(ns)};
  return io::Moment{
      .ns = ns, .clock = kind == Time::real_moment ? io::TimerClock::real : io::TimerClock::steady};
}

bool knows_real_time(int command) {
  return command == uapi::futex_wait_bitset || command == uapi::futex_wait_requeue_pi ||
         command == uapi::futex_lock_pi2;
}

Value wait(Task& me, const proc::FutexWait& w) {
  const Result<void> r = proc::futex_wait(me, w);
  if (r.ok()) return u64{0};
  if (r.error() != restart::sys || w.end.is_never()) return r.error();
  // A moment does not move when the call is gone on with.
  me.restart_block = {.kind = Task::Restart::Kind::futex,
                      .deadline_ns = w.end.ns,
                      .arguments = {w.word.value, w.value, w.bitset, w.is_private ? 1U : 0U,
                                    static_cast<u64>(w.end.clock)}};
  return restart::block;
}

}  // namespace

Value go_on_with_futex(Task& me, const Task::Restart& r) {
  return wait(me, {.word = UserAddr(r.arguments[0]),
                   .value = static_cast<u32>(r.arguments[1]),
                   .bitset = static_cast<u32>(r.arguments[2]),
                   .end = {r.deadline_ns, static_cast<io::TimerClock>(r.arguments[4])},
                   .is_private = r.arguments[3] != 0});
}

Value calls::futex(Task& me, UserAddr word, int operation, u32 value, u64 timeout, UserAddr word2,
                   u32 value3) {
  const bool is_private = (operation & uapi::futex_private_flag) != 0;
  const bool real_time = (operation & uapi::futex_clock_realtime) != 0;
  const int command = operation & uapi::futex_cmd_mask;
  const auto count = static_cast<i32>(value);
  // Who asks for none to be woken wakes one all the same, as ever.
  const i32 least_one = std::max(count, 1);
  const auto second_count = static_cast<i32>(timeout);
  const io::Moment end = TRY(end_of_wait(UserAddr(timeout), time_of(command, real_time)));
  if (real_time && !knows_real_time(command)) return Errno::enosys;
  switch (command) {
    case uapi::futex_wait:
    case uapi::futex_wait_bitset:
      return wait(me, {.word = word,
                       .value = value,
                       .bitset = command == uapi::futex_wait ? any : value3,
                       .end = end,
                       .is_private = is_private});
    case uapi::futex_wake: return u64{TRY(proc::futex_wake(me, word, least_one, any, is_private))};
    case uapi::futex_wake_bitset:
      return u64{TRY(proc::futex_wake(me, word, least_one, value3, is_private))};
    case uapi::futex_requeue:
      return u64{
          TRY(proc::futex_requeue(me, word, word2, count, second_count, nullptr, is_private))};
    case uapi::futex_cmp_requeue:
      return u64{
          TRY(proc::futex_requeue(me, word, word2, count, second_count, &value3, is_private))};
    case uapi::futex_wake_op:
      return u64{
          TRY(proc::futex_wake_op(me, word, word2, count, second_count, value3, is_private))};
    case uapi::futex_lock_pi:
    case uapi::futex_lock_pi2:
      return done(proc::futex_lock(me, {.word = word, .end = end, .is_private = is_private}));
    case uapi::futex_trylock_pi:
      return done(proc::futex_lock(me, {.word = word, .only_try = true, .is_private = is_private}));
    case uapi::futex_unlock_pi: return done(proc::futex_unlock(me, word, is_private));
    case uapi::futex_wait_requeue_pi:
      return done(proc::futex_wait_for_lock(
          me, {.word = word, .value = value, .end = end, .is_private = is_private}, word2));
    case uapi::futex_cmp_requeue_pi:
      // Who gets the lock is the one that is woken.
      if (count != 1) return Errno::einval;
      return u64{TRY(proc::futex_requeue_lock(me, word, word2, second_count, value3, is_private))};
    default: return Errno::enosys;
  }
}

// --- futex_wait(2) and its kin: the same, one call each ------------------------------------------

namespace {

/// What stands in `flags` of these: the size of the word, of which there is one, and whose it is.
Result<bool> is_private(u32 flags) {
  constexpr u32 known = uapi::futex2_size_mask | uapi::futex2_private;
  if ((flags & ~known) != 0 || (flags & uapi::futex2_size_mask) != uapi::futex2_size_u32)
    return Errno::einval;
  return (flags & uapi::futex2_private) != 0;
}

Result<u32> word_value(u64 v) {
  if (v > ~u32{0}) return Errno::einval;
  return static_cast<u32>(v);
}

Result<io::Moment> moment(UserAddr at, int clock) {
  if (at.value == 0) return io::Moment{};
  if (clock != uapi::clock_monotonic && clock != uapi::clock_realtime) return Errno::einval;
  return end_of_wait(at, clock == uapi::clock_realtime ? Time::real_moment : Time::moment);
}

Result<void> load_waits(UserAddr at, std::span<proc::FutexWait> out) {
  for (usize i = 0; i < out.size(); ++i) {
    const uapi::futex_waitv v = TRY((core::UserIn<uapi::futex_waitv>(at) + i).load());
    if (v.pad != 0) return Errno::einval;
    out[i].is_private = TRY(is_private(v.flags));
    out[i].value = TRY(word_value(v.val));
    out[i].word = UserAddr(v.uaddr);
  }
  return {};
}

}  // namespace

Value calls::futex_waitv(Task& me, UserAddr waits, u32 count, u32 flags, UserAddr timeout,
                         int clock) {
  using Waits = std::array<proc::FutexWait, uapi::futex_waitv_max>;
  if (flags != 0 || count == 0 || count > uapi::futex_waitv_max || waits.value == 0)
    return Errno::einval;
  const io::Moment end = TRY(moment(timeout, clock));
  const mem::Box<Waits> all = TRY(mem::Box<Waits>::make(ALLOC_SITE));
  const auto wanted = std::span(*all).first(count);
  TRY(load_waits(waits, wanted));
  return u64{TRY(proc::futex_wait_any(me, wanted, end))};
}

Value calls::futex_wake(Task& me, UserAddr word, u64 mask, int count, u32 flags) {
  const bool own = TRY(is_private(flags));
  const u32 bits = TRY(word_value(mask));
  return u64{TRY(proc::futex_wake(me, word, count, bits, own))};
}

Value calls::futex_wait(Task& me, UserAddr word, u64 value, u64 mask, u32 flags, UserAddr timeout,
                        int clock) {
  proc::FutexWait w{.word = word};
  w.is_private = TRY(is_private(flags));
  w.value = TRY(word_value(value));
  w.bitset = TRY(word_value(mask));
  w.end = TRY(moment(timeout, clock));
  return done(proc::futex_wait(me, w));
}

Value calls::futex_requeue(Task& me, UserAddr waits, u32 flags, int wake, int move) {
  if (flags != 0 || waits.value == 0) return Errno::einval;
  std::array<proc::FutexWait, 2> both;
  TRY(load_waits(waits, both));
  if (both[0].is_private != both[1].is_private) return Errno::einval;
  return u64{TRY(proc::futex_requeue(me, both[0].word, both[1].word, wake, move, &both[0].value,
                                     both[0].is_private))};
}

}  // namespace auk::syscall
