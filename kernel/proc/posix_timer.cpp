#include "proc/posix_timer.hpp"

#include <algorithm>
#include <limits>

#include "proc/task.hpp"
#include "time/interval.hpp"

namespace auk::proc {
namespace {

constexpr u32 most = std::numeric_limits<i32>::max();
/// A timer whose signal is ignored goes on no faster than this.
constexpr u64 ignored_pause_ns = 4'000'000;

/// On a clock of moments.
class MomentTimer final : public PosixTimer, public io::IntervalTimer {
  void fire() override {
    // Whoever takes the signal may remove the timer while this is still on its way out.
    const Ref<MomentTimer> alive(*this);
    note_expiry(*state_.lock());
    tell();
  }
  u64 go_on(u64 pause_ns) override {
    auto s = state_.lock();
    restart(*s, pause_ns);
    return std::exchange(s->ticks, 0);
  }
  Result<io::TimerSetting> replace(const io::TimerSetting& wanted, bool is_moment) override {
    return set(wanted, is_moment, false);
  }
  void begin() override { enlist(); }
  void retire() override {
    delist();
    stop();
  }
  void dispose() override { mem::destroy(this); }

 public:
  MomentTimer(Group& g, io::TimerClock clock, const Wanted& w)
      : PosixTimer(g, w),
        IntervalTimer(clock) {}
  ~MomentTimer() = default;
  io::TimerSetting current_setting() override { return setting(); }
};

/// On the CPU time of a process or a thread.
class CpuTimeTimer final : public PosixTimer, public CpuTimer {
  const CpuOwner owner_;
  CpuTimers& list_;
  u64 ticks_ = 0;
  bool has_expired_ = false;
  bool is_retired_ = false;

  void expire(CpuTimers&, u64) override {
    ++ticks_;
    has_expired_ = true;
    (void)Ref<CpuTimeTimer>(*this).release();
  }
  void tell() override {
    const auto alive = Ref<CpuTimeTimer>::adopt(this);
    PosixTimer::tell();
  }
  /// Moves behind `now`. Locked.
  void forward(u64 now) { ticks_ += time::step_past(target_ns_, interval_ns_, now); }
  void run_on(u64 now) {
    if (!has_expired_ || interval_ns_ == 0 || is_retired_) return;
    has_expired_ = false;
    forward(now);
    list_.add(*this);
  }
  u64 go_on(u64 pause_ns) override {
    const u64 now = owner_.now(clock_) + pause_ns;
    return list_.locked([&] {
      run_on(now);
      return std::exchange(ticks_, 0);
    });
  }
  io::TimerSetting shown(u64 now) const {
    if (target_ns_ == 0 || (has_expired_ && interval_ns_ == 0)) return {0, interval_ns_};
    // Due: it expires with the next sample.
    return {target_ns_ > now ? target_ns_ - now : 1, interval_ns_};
  }
  Result<io::TimerSetting> replace(const io::TimerSetting& wanted, bool is_moment) override {
    const u64 now = owner_.now(clock_);
    return list_.locked([&] {
      run_on(now);
      const io::TimerSetting before = shown(now);
      list_.remove(*this);
      ticks_ = 0;
      has_expired_ = false;
      interval_ns_ = wanted.interval_ns;
      target_ns_ = wanted.value_ns == 0 ? 0 : wanted.value_ns + (is_moment ? 0 : now);
      if (target_ns_ != 0) list_.add(*this);
      return before;
    });
  }
  void retire() override {
    list_.locked([&] {
      is_retired_ = true;
      list_.remove(*this);
    });
  }
  void dispose() override { mem::destroy(this); }

 public:
  CpuTimeTimer(Group& g, CpuOwner owner, CpuClock clock, const Wanted& w)
      : PosixTimer(g, w),
        owner_(std::move(owner)),
        list_(owner_.task ? owner_.task->cpu_timers : owner_.group->cpu_timers) {
    clock_ = clock;
  }
  ~CpuTimeTimer() = default;
  io::TimerSetting current_setting() override {
    const u64 now = owner_.now(clock_);
    return list_.locked([&] {
      run_on(now);
      return shown(now);
    });
  }
};

}  // namespace

void PosixTimer::set_number(u32 id) {
  id_ = id;
  uapi::siginfo& info = queued.info;
  info.signo = static_cast<i32>(wanted_.signal);
  info.code = uapi::si_timer;
  info.fields.timer.tid = static_cast<i32>(id);
  if (wanted_.value)
    info.fields.timer.value = *wanted_.value;
  else
    info.fields.timer.value.sival_int = static_cast<i32>(id);
}

void PosixTimer::tell() {
  if (wanted_.tells == Tells::nobody) return;
  const ident::Pid* const only = wanted_.tells == Tells::thread ? wanted_.thread.get() : nullptr;
  if (send_from(*this, group_, only) == Sent::dropped) dropped();
}

void PosixTimer::taken(uapi::siginfo& info) {
  const u64 expiries = go_on(0);
  const auto overrun = static_cast<u32>(std::min<u64>(expiries == 0 ? 0 : expiries - 1, most));
  last_overrun_.store_relaxed(overrun);
  info.fields.timer.overrun = static_cast<i32>(overrun);
}

void PosixTimer::dropped() { (void)go_on(ignored_pause_ns); }

Result<io::TimerSetting> PosixTimer::arm(const io::TimerSetting& wanted, bool is_moment) {
  const io::TimerSetting before = TRY(replace(wanted, is_moment));
  last_overrun_.store_relaxed(0);
  return before;
}

Result<Ref<PosixTimer>> PosixTimers::create(Group& g, io::TimerClock clock,
                                            const PosixTimer::Wanted& w,
                                            ident::SignalCharge charge) {
  Result<Ref<MomentTimer>> made = mem::make_ref<MomentTimer>(ALLOC_SITE, g, clock, w);
  if (!made.ok()) return Errno::eagain;
  return enter(made.take(), std::move(charge));
}

Result<Ref<PosixTimer>> PosixTimers::create(Group& g, CpuOwner owner, CpuClock clock,
                                            const PosixTimer::Wanted& w,
                                            ident::SignalCharge charge) {
  Result<Ref<CpuTimeTimer>> made =
      mem::make_ref<CpuTimeTimer>(ALLOC_SITE, g, std::move(owner), clock, w);
  if (!made.ok()) return Errno::eagain;
  return enter(made.take(), std::move(charge));
}

Ref<PosixTimer> PosixTimers::enter(Ref<PosixTimer> t, ident::SignalCharge charge) {
  t->queued.charge = std::move(charge);
  t->begin();
  auto table = table_.lock();
  u32 id = table->next_id;
  const auto used = [&] { return table->timers.find(id, ById()) != table->timers.end(); };
  while (used()) id = id == most ? 0 : id + 1;
  table->next_id = id == most ? 0 : id + 1;
  t->set_number(id);
  table->timers.insert_equal(*t);
  // The table's own reference.
  (void)Ref<PosixTimer>(t).release();
  return t;
}

Result<Ref<PosixTimer>> PosixTimers::find(u32 id) {
  auto table = table_.lock();
  const auto it = table->timers.find(id, ById());
  if (it == table->timers.end()) return Errno::einval;
  return Ref<PosixTimer>(*it);
}

Result<void> PosixTimers::remove(u32 id) {
  const Ref<PosixTimer> t = TRY(find(id));
  {
    auto table = table_.lock();
    // Another thread was quicker.
    if (!t->hook_.is_linked()) return Errno::einval;
    table->timers.erase(table->timers.iterator_to(*t));
  }
  t->retire();
  (void)Ref<PosixTimer>::adopt(t.get());
  return {};
}

void PosixTimers::remove_all() {
  for (;;) {
    Ref<PosixTimer> t;
    {
      auto table = table_.lock();
      if (table->timers.empty()) return;
      t = Ref<PosixTimer>::adopt(&*table->timers.begin());
      table->timers.erase(table->timers.begin());
    }
    t->retire();
  }
}

}  // namespace auk::proc
