// futex(2): one call for many operations.
#include "proc/futex.hpp"

#include "generated/uapi/futex.hpp"
#include "syscall/calls.hpp"
#include "syscall/restart.hpp"
#include "syscall/support.hpp"

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

Result<u64> futex_deadline(UserAddr at, Time kind) {
  if (at.value == 0 || kind == Time::none) return sched::no_deadline;
  const u64 ns = TRY(to_ns(TRY(core::UserIn<uapi::kernel_timespec>(at).load())));
  if (kind == Time::span) return deadline_in(ns);
  if (kind == Time::moment) return ns;
  const auto now = static_cast<u64>(core::real_ns());
  return ns <= now ? u64{0} : deadline_in(ns - now);
}

bool knows_real_time(int command) {
  return command == uapi::futex_wait_bitset || command == uapi::futex_wait_requeue_pi ||
         command == uapi::futex_lock_pi2;
}

Value wait(Task& me, const proc::FutexWait& w) {
  const Result<void> r = proc::futex_wait(me, w);
  if (r.ok()) return u64{0};
  if (r.error() != restart::sys || w.deadline_ns == sched::no_deadline) return r.error();
  // A moment does not move when the call is gone on with.
  me.restart_block = {.kind = Task::Restart::Kind::futex,
                      .deadline_ns = w.deadline_ns,
                      .arguments = {w.word.value, w.value, w.bitset, w.is_private ? 1U : 0U}};
  return restart::block;
}

}  // namespace

Value go_on_with_futex(Task& me, const Task::Restart& r) {
  return wait(me, {.word = UserAddr(r.arguments[0]),
                   .value = static_cast<u32>(r.arguments[1]),
                   .bitset = static_cast<u32>(r.arguments[2]),
                   .deadline_ns = r.deadline_ns,
                   .is_private = r.arguments[3] != 0});
}

Value calls::futex(Task& me, UserAddr word, int operation, u32 value, u64 timeout, UserAddr word2,
                   u32 value3) {
  const bool is_private = (operation & uapi::futex_private_flag) != 0;
  const bool real_time = (operation & uapi::futex_clock_realtime) != 0;
  const int command = operation & uapi::futex_cmd_mask;
  const auto count = static_cast<i32>(value);
  const auto second_count = static_cast<i32>(timeout);
  const u64 deadline = TRY(futex_deadline(UserAddr(timeout), time_of(command, real_time)));
  if (real_time && !knows_real_time(command)) return Errno::enosys;
  switch (command) {
    case uapi::futex_wait:
    case uapi::futex_wait_bitset:
      return wait(me, {.word = word,
                       .value = value,
                       .bitset = command == uapi::futex_wait ? any : value3,
                       .deadline_ns = deadline,
                       .is_private = is_private});
    case uapi::futex_wake: return u64{TRY(proc::futex_wake(me, word, count, any, is_private))};
    case uapi::futex_wake_bitset:
      return u64{TRY(proc::futex_wake(me, word, count, value3, is_private))};
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
      return done(
          proc::futex_lock(me, {.word = word, .deadline_ns = deadline, .is_private = is_private}));
    case uapi::futex_trylock_pi:
      return done(proc::futex_lock(me, {.word = word, .only_try = true, .is_private = is_private}));
    case uapi::futex_unlock_pi: return done(proc::futex_unlock(me, word, is_private));
    case uapi::futex_wait_requeue_pi:
      return done(proc::futex_wait_for_lock(
          me, {.word = word, .value = value, .deadline_ns = deadline, .is_private = is_private},
          word2));
    case uapi::futex_cmp_requeue_pi:
      // Who gets the lock is the one that is woken.
      if (count != 1) return Errno::einval;
      return u64{TRY(proc::futex_requeue_lock(me, word, word2, second_count, value3, is_private))};
    default: return Errno::enosys;
  }
}

}  // namespace auk::syscall
