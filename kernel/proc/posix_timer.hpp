// POSIX timers: those of a process that send signals, timer_create(2).
//
// Data model: PosixTimers, in each Group, finds PosixTimer by number; numbers are not used again
// soon. A timer is the source of one signal, which is pending at most once: a periodic one runs on
// when its signal is taken, and what it missed meanwhile is its overrun. What it counts is its
// engine's: moments (io/interval_timer.hpp) or CPU time (cpu_timers.hpp).
// Life: from create() to remove() or the end of the program; a pending signal keeps the object.
// Locking: cred for the numbers; for the rest see the engines. Context: threads; expiries in
// interrupts.
#pragma once
#include <optional>

#include "base/tree.hpp"
#include "core/spin.hpp"
#include "io/interval_timer.hpp"
#include "proc/cpu_timers.hpp"
#include "proc/signal.hpp"

namespace auk::proc {

class PosixTimer : public SignalSource {
 public:
  enum class Tells : u8 { nobody, process, thread };
  struct Wanted {
    Tells tells = Tells::process;
    u32 signal = 0;
    /// None: the timer's own number.
    std::optional<uapi::sigval> value;
    Ref<ident::Pid> thread;
  };

 private:
  friend class PosixTimers;
  TreeHook hook_;
  u32 id_ = 0;
  Group& group_;
  const Wanted wanted_;
  Atomic<u32> last_overrun_{0};

  void taken(uapi::siginfo& info) override;
  void dropped() override;
  void set_number(u32 id);

 protected:
  PosixTimer(Group& g, const Wanted& w) : group_(g), wanted_(w) {}
  ~PosixTimer() = default;
  /// It has expired: sends the signal.
  void tell();
  /// Runs on if it is periodic and has expired, to expire in `pause_ns` at the earliest. The
  /// expiries since it was last asked.
  virtual u64 go_on(u64 pause_ns) = 0;
  virtual Result<io::TimerSetting> replace(const io::TimerSetting& wanted, bool is_moment) = 0;
  /// Before anybody finds it; and so that it does not expire any more.
  virtual void begin() {}
  virtual void retire() = 0;

 public:
  u32 id() const { return id_; }
  /// Replaces the setting and returns the one before. `is_moment`: the value is a moment of its
  /// clock.
  Result<io::TimerSetting> arm(const io::TimerSetting& wanted, bool is_moment);
  virtual io::TimerSetting current_setting() = 0;
  /// The expiries that the signal taken last stood for, but for its own.
  u32 overrun() const { return last_overrun_.load_relaxed(); }
};

class PosixTimers {
  struct ById {
    bool operator()(const PosixTimer& a, const PosixTimer& b) const { return a.id_ < b.id_; }
    bool operator()(u32 a, const PosixTimer& b) const { return a < b.id_; }
    bool operator()(const PosixTimer& a, u32 b) const { return a.id_ < b; }
  };
  struct Table {
    Tree<PosixTimer, &PosixTimer::hook_, ById> timers;
    u32 next_id = 0;
  };
  core::Guarded<core::level::cred, Table, core::SpinPreemptOff> table_;

  Ref<PosixTimer> enter(Ref<PosixTimer> t, ident::SignalCharge charge);

 public:
  /// EAGAIN: no memory. On a clock of moments, or on somebody's CPU time.
  Result<Ref<PosixTimer>> create(Group& g, io::TimerClock clock, const PosixTimer::Wanted& w,
                                 ident::SignalCharge charge);
  Result<Ref<PosixTimer>> create(Group& g, CpuOwner owner, CpuClock clock,
                                 const PosixTimer::Wanted& w, ident::SignalCharge charge);
  /// EINVAL.
  Result<Ref<PosixTimer>> find(u32 id);
  Result<void> remove(u32 id);
  /// At the end of the program.
  void remove_all();
};

}  // namespace auk::proc
