#include "io/timerfd.hpp"

#include "core/clock.hpp"
#include "generated/uapi/timerfd.hpp"
#include "io/anon_file.hpp"
#include "sched/lock.hpp"
#include "time/timer.hpp"

namespace auk::io {
namespace {

constexpr FileKind kind_of_timerfd{"[timerfd]"};
constexpr u64 last_moment = ~u64{0} / 2;

}  // namespace

class TimerFile final : public AnonFile {
  class Alarm final : public time::Timer {
    TimerFile& file_;

   public:
    explicit Alarm(TimerFile& f) : file_(f) {}
    ~Alarm() = default;
    void fire() override { file_.expire(); }
  };
  struct State {
    u64 target_ns = 0;  ///< when it expires or expired, on the clock it follows
    u64 interval_ns = 0;
    u64 ticks = 0;
    bool has_expired = false;  ///< and was not started again since
    bool is_being_set = false;
    bool follows_real = false;   ///< the target is a moment of the time of day
    bool cancel_on_set = false;  ///< reads learn that the clock was set
    bool is_cancelled = false;
  };
  struct Nothing {};
  Alarm alarm_{*this};
  TimerClock clock_;
  core::Guarded<core::level::timer_file, Nothing, sched::SleepLock> setting_;
  core::Guarded<core::level::event, State, core::SpinIrqOff> state_;
  sched::WaitQueue queue_;
  friend class TimerList;
  ListNode node_;
  void dispose() override;

  static u64 now_of(const State& s) {
    return s.follows_real ? static_cast<u64>(core::real_ns()) : core::clock_ns();
  }
  static u64 left(const State& s) {
    const u64 now = now_of(s);
    return s.target_ns > now ? s.target_ns - now : 0;
  }
  static bool take_cancelled(State& s) {
    return s.cancel_on_set && std::exchange(s.is_cancelled, false);
  }
  /// The expiries that have passed since the one at `target_ns`, which moves behind now.
  static u64 forward(State& s) {
    const u64 now = now_of(s);
    const u64 passed = now < s.target_ns ? 0 : (now - s.target_ns) / s.interval_ns;
    s.target_ns += (passed + 1) * s.interval_ns;
    return passed;
  }
  /// The state's lock is held; the timer does not run.
  void start(const State& s) {
    u64 deadline = s.target_ns;
    if (s.follows_real) {
      const i64 offset = core::real_offset_ns.load_relaxed();
      const i64 at = static_cast<i64>(s.target_ns) - offset;
      deadline = at > 0 ? static_cast<u64>(at) : 0;
    }
    time::start(alarm_, deadline);
  }
  void restart(State& s) {
    if (!s.has_expired || s.interval_ns == 0 || s.is_being_set) return;
    s.has_expired = false;
    s.ticks += forward(s);
    start(s);
  }
  void expire() {
    auto s = state_.lock();
    s->has_expired = true;
    ++s->ticks;
    queue_.wake_all();
  }
  bool is_ready() { return state_.lock()->ticks != 0; }

 public:
  TimerFile(u32 flags, TimerClock clock) : AnonFile(flags), clock_(clock) {}
  ~TimerFile() {
    (void)time::cancel(alarm_);
    // An earlier expiry may still be on its way out of the lock, on another CPU.
    (void)state_.lock();
  }
  TimerClock clock() const { return clock_; }
  const FileKind* kind() const override { return &kind_of_timerfd; }
  Result<usize> read(IoBuf& buf) override;
  Result<u64> ioctl(u32 command, IoctlArg arg) override;
  PollEvents poll(PollTable* table) override;
  Result<TimerSetting> set(const TimerSetting& wanted, bool is_moment, bool cancel_on_set);
  TimerSetting setting();
  void clock_was_set();
};

class TimerList {
  List<TimerFile, &TimerFile::node_> files_;

 public:
  constexpr TimerList() = default;
  void add(TimerFile& t) { files_.push_back(t); }
  void remove(TimerFile& t) { files_.remove(t); }
  void clock_was_set() {
    for (TimerFile& t : files_) t.clock_was_set();
  }
};

namespace {
/// All of the time of day's clock: walked when that is set.
constinit core::Guarded<core::level::timer_list, TimerList, sched::SleepLock> real_timers;
}  // namespace

void TimerFile::dispose() {
  if (clock_ == TimerClock::real) real_timers.lock()->remove(*this);
  mem::destroy(this);
}

Result<usize> TimerFile::read(IoBuf& buf) {
  if (buf.left() < sizeof(u64)) return Errno::einval;
  u64 ticks = 0;
  while (ticks == 0) {
    if (!is_ready()) {
      if (is_nonblocking()) return Errno::eagain;
      const auto ready = [&] { return is_ready(); };
      if (sched::wait_interruptible(queue_, ready) == sched::WaitResult::interrupted)
        return restart::sys;
    }
    auto s = state_.lock();
    if (take_cancelled(*s)) {
      // The program has to look at the clock anew: neither counted nor started again.
      s->ticks = 0;
      s->has_expired = false;
      return Errno::ecanceled;
    }
    if (s->ticks == 0) continue;
    restart(*s);
    s->has_expired = false;
    ticks = std::exchange(s->ticks, 0);
  }
  const std::span bytes(reinterpret_cast<const byte*>(&ticks), sizeof(ticks));
  if (buf.put(bytes) != sizeof(ticks)) return Errno::efault;
  return sizeof(ticks);
}

Result<u64> TimerFile::ioctl(u32 command, IoctlArg arg) {
  if (command != uapi::tfd_ioc_set_ticks) return Errno::enotty;
  const u64 ticks = TRY(core::UserIn<u64>(arg.address()).load());
  if (ticks == 0) return Errno::einval;
  auto s = state_.lock();
  if (take_cancelled(*s)) return Errno::ecanceled;
  s->ticks = ticks;
  queue_.wake_all();
  return u64{0};
}

PollEvents TimerFile::poll(PollTable* table) {
  if (table != nullptr) table->watch(queue_, PollEvent::in);
  return is_ready() ? PollEvents(PollEvent::in) : PollEvents();
}

Result<TimerSetting> TimerFile::set(const TimerSetting& wanted, bool is_moment,
                                    bool cancel_on_set) {
  auto alone = setting_.lock();
  state_.lock()->is_being_set = true;
  (void)time::cancel(alarm_);
  auto s = state_.lock();
  s->is_being_set = false;
  if (s->has_expired && s->interval_ns != 0) (void)forward(*s);
  const TimerSetting before{left(*s), s->interval_ns};
  s->follows_real = is_moment && clock_ == TimerClock::real;
  s->cancel_on_set = cancel_on_set && s->follows_real;
  s->interval_ns = wanted.interval_ns;
  s->ticks = 0;
  s->has_expired = false;
  s->target_ns = 0;
  if (wanted.value_ns != 0) {
    const u64 now = is_moment ? 0 : core::clock_ns();
    s->target_ns = wanted.value_ns < last_moment - now ? now + wanted.value_ns : last_moment;
    start(*s);
  }
  if (take_cancelled(*s)) return Errno::ecanceled;
  return before;
}

TimerSetting TimerFile::setting() {
  auto s = state_.lock();
  restart(*s);
  return {left(*s), s->interval_ns};
}

void TimerFile::clock_was_set() {
  auto alone = setting_.lock();
  {
    auto s = state_.lock();
    if (!s->follows_real) return;
    s->is_being_set = true;
  }
  const bool was_running = time::cancel(alarm_);
  auto s = state_.lock();
  s->is_being_set = false;
  if (was_running) start(*s);
  if (!s->cancel_on_set) return;
  s->is_cancelled = true;
  ++s->ticks;
  queue_.wake_all();
}

Result<Ref<File>> make_timerfd(TimerClock clock, u32 flags) {
  constexpr u32 read_write = 2;
  Ref<TimerFile> t = TRY(mem::make_ref<TimerFile>(ALLOC_SITE, flags | read_write, clock));
  if (clock == TimerClock::real) real_timers.lock()->add(*t);
  return Ref<File>(std::move(t));
}

Result<TimerFile*> timer_of(File& f) {
  if (f.kind() != &kind_of_timerfd) return Errno::einval;
  return static_cast<TimerFile*>(&f);
}

Result<TimerSetting> set_timer(TimerFile& t, const TimerSetting& wanted, bool is_moment,
                               bool cancel_on_set) {
  return t.set(wanted, is_moment, cancel_on_set);
}

TimerSetting timer_setting(TimerFile& t) { return t.setting(); }

void clock_was_set() { real_timers.lock()->clock_was_set(); }

}  // namespace auk::io
