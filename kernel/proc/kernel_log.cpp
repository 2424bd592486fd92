#include "proc/kernel_log.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/init_graph.hpp"
#include "core/sysctl.hpp"
#include "sched/softirq.hpp"
#include "vfs/report.hpp"

namespace auk::proc::kernel_log {
namespace {

// syslog(2).
enum Action : int {
  close_log,
  open_log,
  read_log_once,
  read_all,
  read_clear,
  clear,
  console_off,
  console_on,
  console_level,
  size_unread,
  size_buffer
};

constinit Atomic<i64> is_restricted{1};
constinit core::NumberSysctl restrict_variable("kernel/dmesg_restrict", is_restricted, 0, 1);
SYSCTL(restrict_variable);

struct Places {
  Reader unread;
  usize of_record = 0;  ///< bytes of the next record's text that were read already
  unsigned saved_level = 0;
};
constinit core::Guarded<core::level::report, Places, sched::SleepLock> places;
constinit Atomic<u64> cleared{0};
constinit Atomic<u64> unread_position{0};  ///< a copy, for those who cannot wait for the lock

/// kernel.printk: what reaches the consoles, the severity of programs' records, the least and the
/// usual of the former.
class PrintkSysctl final : public core::Sysctl {
  mutable std::array<Atomic<u32>, 3> others_{Atomic<u32>(4), Atomic<u32>(1), Atomic<u32>(7)};

 public:
  constexpr PrintkSysctl() : Sysctl("kernel/printk", true) {}
  core::Level default_level() const {
    return static_cast<core::Level>(others_[0].load_relaxed() & 7);
  }
  unsigned least() const { return others_[1].load_relaxed(); }
  void show(Writer& out) const override {
    format_to(out, "{}", core::console_level());
    for (const Atomic<u32>& n : others_) format_to(out, "\t{}", n.load_relaxed());
  }
  Result<void> store(std::string_view text) override {
    for (usize i = 0; i <= others_.size(); ++i) {
      while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
      if (text.empty()) return i == 0 ? Errno::einval : Result<void>();
      std::string_view rest;
      const std::optional<u64> n = parse_number(text, rest);
      if (!n || *n > ~u32{0}) return Errno::einval;
      text = rest;
      if (i == 0)
        core::set_console_level(static_cast<unsigned>(*n));
      else
        others_[i - 1].store_relaxed(static_cast<u32>(*n));
    }
    return {};
  }
};
constinit PrintkSysctl printk_variable;
SYSCTL(printk_variable);

// --- waking --------------------------------------------------------------------------------------

constinit sched::WaitQueue grew;
/// Somebody is, or was, interested: until then nobody has to be woken.
constinit Atomic<bool> is_watched{false};

class Waker final : public core::LogListener, public sched::SoftirqHandler {
 public:
  void record_added() override {
    if (is_watched.load_seq_cst()) sched::raise_softirq(sched::Softirq::tasklet);
  }
  void run() override { grew.wake_all(); }
};
constinit Waker waker;

void setup() {
  sched::set_softirq_handler(sched::Softirq::tasklet, waker);
  core::set_log_listener(waker);
}
INIT_TASK(kernel_log, "", "kernel_log", setup);

// --- text ----------------------------------------------------------------------------------------

/// Every line with what stands before it in syslog(2).
void print(const core::LogRecord& r, mem::Text& out) {
  const u64 us = r.time_ns / 1000;
  std::string_view rest = r.text;
  do {
    const usize line = std::min(rest.find('\n'), rest.size());
    out.print("<{}>[{:5}.{:06}] {}\n", u32{r.facility} * 8 + static_cast<u32>(r.level),
              us / 1'000'000, us % 1'000'000, rest.substr(0, line));
    rest.remove_prefix(std::min(line + 1, rest.size()));
  } while (!rest.empty());
}

/// f(text) for each record from a position on, until it says false.
template <class F> Result<void> each_text(u64 position, F f) {
  Reader r;
  r.go_to(position);
  Buffer memory;
  core::LogRecord record;
  mem::Text text;
  while (r.next(memory, record)) {
    text.clear();
    print(record, text);
    if (text.failed()) return Errno::enomem;
    if (!TRY(f(text.text()))) break;
  }
  return {};
}

Result<usize> size_from(u64 position) {
  usize sum = 0;
  TRY(each_text(position, [&](std::string_view text) -> Result<bool> {
    sum += text.size();
    return true;
  }));
  return sum;
}

/// The newest records that fit, whole.
Result<usize> copy_last(UserAddr to, usize size) {
  const u64 start = cleared.load_acquire();
  usize surplus = TRY(size_from(start));
  usize done = 0;
  TRY(each_text(start, [&](std::string_view text) -> Result<bool> {
    if (surplus > size) {
      surplus -= std::min(text.size(), surplus);
      return true;
    }
    // Records that came meanwhile.
    if (done + text.size() > size) return false;
    TRY(core::write_user(to + done, text.data(), text.size()));
    done += text.size();
    return true;
  }));
  return done;
}

Result<void> check(Task& me) {
  if (me.cred().has(ident::Cap::syslog) || me.cred().has(ident::Cap::sys_admin)) return {};
  return Errno::eperm;
}

}  // namespace

core::Level default_level() { return printk_variable.default_level(); }

Result<void> may_read_all(Task& me) {
  return is_restricted.load_relaxed() != 0 ? check(me) : Result<void>();
}
Result<void> may_control(Task& me) { return check(me); }

bool Reader::next(Buffer& memory, core::LogRecord& out) {
  const u64 expected = position_;
  if (!core::read_log(position_, memory, out)) return false;
  const bool is_next = is_numbered_ && expected >= core::oldest_log_position();
  number_ = is_next ? number_ + 1 : out.number;
  is_numbered_ = true;
  out.number = number_;
  return true;
}

bool Reader::has_lost() {
  const u64 oldest = core::oldest_log_position();
  if (position_ == 0 || position_ >= oldest) return false;
  go_to(oldest);
  return true;
}

bool has_more(u64 position) {
  Buffer memory;
  core::LogRecord record;
  return core::read_log(position, memory, record);
}

Result<void> wait_for_more(u64 position) {
  is_watched.store_seq_cst(true);
  const auto ready = [&] { return has_more(position); };
  if (sched::wait_interruptible(grew, ready) == sched::WaitResult::interrupted) return restart::sys;
  return {};
}

void watch(io::PollTable& table) {
  is_watched.store_seq_cst(true);
  table.watch(grew);
}

u64 cleared_position() { return cleared.load_acquire(); }

bool has_unread() { return has_more(unread_position.load_acquire()); }

Result<usize> read_once(io::IoBuf& buf, bool nonblocking) {
  usize done = 0;
  mem::Text text;
  while (buf.left() > 0) {
    Reader place;
    {
      auto p = places.lock();
      place = p->unread;
      Buffer memory;
      core::LogRecord record;
      if (p->unread.next(memory, record)) {
        text.clear();
        print(record, text);
        if (text.failed()) {
          p->unread = place;
          return done > 0 ? Result<usize>(done) : Errno::enomem;
        }
        std::string_view left = text.text().substr(std::min(p->of_record, text.text().size()));
        const usize n = std::min<u64>(left.size(), buf.left());
        if (buf.put_text(left.substr(0, n)) < n) {
          p->unread = place;
          return done > 0 ? Result<usize>(done) : Errno::efault;
        }
        done += n;
        p->of_record = n < left.size() ? p->of_record + n : 0;
        if (n < left.size()) p->unread = place;
        unread_position.store_release(p->unread.position());
        continue;
      }
    }
    if (done > 0) break;
    if (nonblocking) return Errno::eagain;
    TRY(wait_for_more(place.position()));
  }
  return done;
}

Result<u64> control(Task& me, int action, UserAddr buffer, int size) {
  const bool reads_all = action == read_all || action == size_buffer;
  TRY(reads_all ? may_read_all(me) : may_control(me));
  switch (action) {
    case close_log:
    case open_log: return u64{0};
    case read_all:
    case read_clear: {
      if (buffer.value == 0 || size < 0) return Errno::einval;
      if (size == 0) return u64{0};
      if (!core::is_user_range(buffer, static_cast<u64>(size))) return Errno::efault;
      const usize n = TRY(copy_last(buffer, static_cast<usize>(size)));
      if (action == read_clear) return TRY(control(me, clear, {}, 0)), u64{n};
      return u64{n};
    }
    case clear: cleared.store_release(core::log_end()); return u64{0};
    case console_off: {
      auto p = places.lock();
      if (p->saved_level == 0) p->saved_level = core::console_level();
      core::set_console_level(printk_variable.least());
      return u64{0};
    }
    case console_on: {
      auto p = places.lock();
      if (p->saved_level != 0) core::set_console_level(std::exchange(p->saved_level, 0));
      return u64{0};
    }
    case console_level: {
      constexpr int least = 1, most = 8;
      if (size < least || size > most) return Errno::einval;
      auto p = places.lock();
      core::set_console_level(std::max(static_cast<unsigned>(size), printk_variable.least()));
      p->saved_level = 0;
      return u64{0};
    }
    case size_unread: {
      auto p = places.lock();
      const usize all = TRY(size_from(p->unread.position()));
      return u64{all - std::min(all, p->of_record)};
    }
    case size_buffer: return u64{core::log_buffer_size()};
    default: return Errno::einval;
  }
}

}  // namespace auk::proc::kernel_log
