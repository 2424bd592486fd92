#include "io/timerfd.hpp"

#include "generated/uapi/timerfd.hpp"
#include "io/anon_file.hpp"

namespace auk::io {
namespace {

constexpr FileKind kind_of_timerfd{"[timerfd]"};

}  // namespace

class TimerFile final : public AnonFile, public IntervalTimer {
  sched::WaitQueue queue_;
  void dispose() override;
  void fire() override {
    auto s = state_.lock();
    note_expiry(*s);
    queue_.wake_all();
  }
  void cancelled() override { queue_.wake_all(); }
  bool is_ready() { return state_.lock()->ticks != 0; }

 public:
  TimerFile(u32 flags, TimerClock clock) : AnonFile(flags), IntervalTimer(clock) { enlist(); }
  ~TimerFile() = default;
  const FileKind* kind() const override { return &kind_of_timerfd; }
  Result<usize> read(IoBuf& buf) override;
  Result<u64> ioctl(u32 command, IoctlArg arg) override;
  PollEvents poll(PollTable* table) override;
  WaysOf ways_of_reading() const override { return WaysOf::no_wait; }
};

void TimerFile::dispose() {
  delist();
  stop();
  destroy_late(this);
}

Result<usize> TimerFile::read(IoBuf& buf) {
  if (buf.left() < sizeof(u64)) return Errno::einval;
  u64 ticks = 0;
  while (ticks == 0) {
    if (!is_ready()) {
      if (!may_wait(buf)) return Errno::eagain;
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
  if (buf.put(object_bytes(ticks)) != sizeof(ticks)) return Errno::efault;
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

Result<Ref<File>> make_timerfd(TimerClock clock, u32 flags) {
  constexpr u32 read_write = 2;
  return Ref<File>(TRY(mem::make_ref<TimerFile>(ALLOC_SITE, flags | read_write, clock)));
}

Result<IntervalTimer*> timer_of(File& f) {
  if (f.kind() != &kind_of_timerfd) return Errno::einval;
  return static_cast<TimerFile*>(&f);
}

}  // namespace auk::io
