#include "syscall/cpu_clock.hpp"

#include "generated/uapi/time.hpp"
#include "syscall/support.hpp"

namespace auk::syscall {
namespace {

// Bits of a clock's number: what is counted, whether for one thread, and the number of the process
// or thread, inverted.
constexpr u32 what_bits = 3;
constexpr u32 thread_bit = 4;
constexpr int number_shift = 3;

/// Wakes whoever sleeps until somebody has used so much CPU time.
class CpuSleep final : public proc::CpuTimer {
  proc::CpuTimers& list_;
  sched::WaitQueue queue_;
  Atomic<bool> over_{false};
  Atomic<bool> told_{false};

  void expire(proc::CpuTimers&, u64) override { over_.store_release(true); }
  void tell() override {
    queue_.wake_all();
    told_.store_release(true);
  }

 public:
  explicit CpuSleep(proc::CpuTimers& list) : list_(list) {}
  ~CpuSleep() = default;
  /// False: a signal came first.
  bool until(proc::CpuClock clock, u64 target_ns) {
    list_.locked([&] {
      clock_ = clock;
      target_ns_ = target_ns;
      list_.add(*this);
    });
    (void)sched::wait_interruptible(queue_, [&] { return over_.load_acquire(); });
    list_.locked([&] { list_.remove(*this); });
    if (!over_.load_acquire()) return false;
    // The interrupt that ended it may still be on its way out.
    while (!told_.load_acquire()) machine::relax();
    return true;
  }
};

Value sleep_until(Task& me, int number, const CpuClockOf& c, u64 target_ns, bool is_moment,
                  UserAddr rest) {
  proc::CpuTimers& list = c.owner.task ? c.owner.task->cpu_timers : c.owner.group->cpu_timers;
  if (CpuSleep(list).until(c.clock, target_ns)) return u64{0};
  if (is_moment) return restart::no_hand;
  if (rest.value != 0) {
    const u64 now = c.now();
    const uapi::kernel_timespec left = to_timespec(target_ns > now ? target_ns - now : 0);
    TRY(core::write_user(rest, &left, sizeof(left)));
  }
  me.restart_block = {.kind = Task::Restart::Kind::cpu_sleep,
                      .deadline_ns = target_ns,
                      .arguments = {static_cast<u64>(number), rest.value}};
  return restart::block;
}

}  // namespace

bool is_cpu_clock(int clock) {
  return clock < 0 || clock == uapi::clock_process_cputime_id ||
         clock == uapi::clock_thread_cputime_id;
}

Result<CpuClockOf> cpu_clock(Task& me, int clock, bool to_read) {
  if (clock == uapi::clock_process_cputime_id) return CpuClockOf{{me.group, {}}};
  if (clock == uapi::clock_thread_cputime_id) return CpuClockOf{{me.group, Ref<Task>(me)}};
  const auto bits = static_cast<u32>(clock);
  if ((bits & what_bits) > static_cast<u32>(proc::CpuClock::exact)) return Errno::einval;
  const auto what = static_cast<proc::CpuClock>(bits & what_bits);
  const auto number = static_cast<u32>(~(clock >> number_shift));
  if ((bits & thread_bit) != 0) {
    if (number == 0) return CpuClockOf{{me.group, Ref<Task>(me)}, what};
    Result<Ref<Task>> found = proc::find_task(number);
    if (!found.ok()) return Errno::einval;
    Ref<Task> t = found.take();
    if (t->group != me.group) return Errno::einval;
    return CpuClockOf{{me.group, std::move(t)}, what};
  }
  if (number == 0 || (to_read && number == me.tid())) return CpuClockOf{{me.group, {}}, what};
  Result<Ref<proc::Group>> found = proc::find_group(number);
  if (!found.ok()) return Errno::einval;
  return CpuClockOf{{found.take(), {}}, what};
}

Value sleep_on_cpu_clock(Task& me, int clock, bool is_moment, u64 ns, UserAddr rest) {
  const CpuClockOf c = TRY(cpu_clock(me, clock, false));
  // Its own time does not pass while it sleeps.
  if (c.owner.task.get() == &me) return Errno::einval;
  return sleep_until(me, clock, c, is_moment ? ns : c.now() + ns, is_moment, rest);
}

Value go_on_with_cpu_sleep(Task& me, const Task::Restart& r) {
  const auto number = static_cast<int>(r.arguments[0]);
  const CpuClockOf c = TRY(cpu_clock(me, number, false));
  return sleep_until(me, number, c, r.deadline_ns, false, UserAddr(r.arguments[1]));
}

}  // namespace auk::syscall
