#include "drivers/tty/pty.hpp"

#include <algorithm>
#include <array>

#include "generated/uapi/ioctl.hpp"
#include "generated/uapi/signal.hpp"
#include "generated/uapi/termios.hpp"
#include "proc/jobs.hpp"

namespace auk::drivers::tty {
namespace {

uapi::termios2 pty_settings() {
  uapi::termios2 t = default_settings();
  t.c_cflag = uapi::b38400 | uapi::cs8 | uapi::cread;
  t.c_ispeed = t.c_ospeed = 38400;
  return t;
}

ByteQueue& queue_of(ByteQueue& q) { return q; }
template <class T> ByteQueue& queue_of(T& t) { return t.bytes; }

/// A page more for a queue that is short of room. ENOMEM.
template <class G> Result<void> grow(G& guarded) {
  {
    auto q = guarded.lock();
    if (!queue_of(*q).wants_page()) return {};
  }
  char* page = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, page_size)));
  {
    auto q = guarded.lock();
    if (queue_of(*q).wants_page()) queue_of(*q).add_page(std::exchange(page, nullptr));
  }
  mem::free(page);
  return {};
}

}  // namespace

Pty::Pty(u32 index, u64 device) : Tty(*this, device, pty_settings()), index_(index) {}

Result<void> Pty::begin_open() {
  if (master_is_gone_.load_acquire() || is_locked_.load_acquire()) return Errno::eio;
  TRY(check_exclusive());
  (void)open_files_.fetch_add_acq_rel(1);
  (void)open_files_.fetch_or_acq_rel(was_open);
  return {};
}

void Pty::end_open() {
  (void)open_files_.fetch_sub_acq_rel(1);
  master_readable_.wake_all();
  master_writable_.wake_all();
}

// --- the terminal's port -----------------------------------------------------------------------

usize Pty::put(std::string_view text) { return output_.lock()->bytes.push(text); }
usize Pty::room() const { return output_.lock()->bytes.room(); }
usize Pty::possible_room() const { return output_.lock()->bytes.possible_room(); }
Result<void> Pty::make_room() { return grow(output_); }

/// What the next read in packets tells first.
void Pty::note(u8 status) {
  {
    auto out = output_.lock();
    if (!out->in_packets) return;
    // The last word counts.
    const auto opposite = [&](u8 a, u8 b) {
      if (status == a) out->status &= static_cast<u8>(~b);
      if (status == b) out->status &= static_cast<u8>(~a);
    };
    opposite(uapi::tiocpkt_stop, uapi::tiocpkt_start);
    opposite(uapi::tiocpkt_dostop, uapi::tiocpkt_nostop);
    out->status |= status;
  }
  master_readable_.wake_all();
}

void Pty::configure(const uapi::termios2& s) {
  constexpr u8 usual_stop = 19, usual_start = 17;
  const bool stops = (s.c_iflag & uapi::ixon) != 0 && s.c_cc[uapi::vstop] == usual_stop &&
                     s.c_cc[uapi::vstart] == usual_start;
  if (std::exchange(does_stop_, stops) != stops)
    note(stops ? uapi::tiocpkt_dostop : uapi::tiocpkt_nostop);
}

void Pty::drop() {
  auto out = output_.lock();
  out->bytes.clear();
  if (out->in_packets) out->status |= uapi::tiocpkt_flushwrite;
}

void Pty::flush_output() {
  drop();
  master_readable_.wake_all();
}

void Pty::drop_input() {
  input_.lock()->clear();
  master_writable_.wake_all();
}

void Pty::input_flushed() { note(uapi::tiocpkt_flushread); }
void Pty::output_stopped(bool is_stopped) {
  note(is_stopped ? uapi::tiocpkt_stop : uapi::tiocpkt_start);
}
void Pty::input_taken() {
  if (input_.lock()->size() != 0) pump();
}

/// Characters go to the line in the order in which they came: they leave the queue under its lock.
void Pty::pump() {
  constexpr usize most = 64;
  for (;;) {
    // An echo that finds no room is lost.
    (void)make_room();
    std::array<char, most> batch;
    Fed fed;
    usize n = 0;
    {
      auto line = line_.lock();
      n = input_.lock()->pop(
          std::span(batch).first(std::min({most, line->batch(), line->input_room()})));
      feed(*line, {batch.data(), n}, fed);
    }
    if (n == 0) return;
    after_feeding(fed);
    master_writable_.wake_all();
  }
}

// --- the master ----------------------------------------------------------------------------------

usize Pty::take_output(std::span<char> to) {
  auto out = output_.lock();
  if (!out->in_packets) return out->bytes.pop(to);
  if (out->status != 0) {
    to.front() = static_cast<char>(std::exchange(out->status, u8{0}));
    return 1;
  }
  if (out->bytes.size() == 0) return 0;
  to.front() = uapi::tiocpkt_data;
  return 1 + out->bytes.pop(to.subspan(1));
}

Result<usize> Pty::read_master(io::IoBuf& buf, bool nonblocking) {
  if (buf.left() == 0) return usize{0};
  TRY(master_reading_.take(nonblocking));
  const OwnTurn turn(master_reading_);
  Result<usize> n = read_output(buf, nonblocking);
  writable_.wake_all();
  return n;
}

Result<usize> Pty::read_output(io::IoBuf& buf, bool nonblocking) {
  usize done = 0;
  while (buf.left() > 0) {
    Chunk chunk;
    const bool was_gone = terminal_is_gone();
    const usize n = take_output(std::span(chunk).first(std::min(buf.left(), u64{chunk_size})));
    if (n > 0) {
      if (buf.put_text({chunk.data(), n}) < n)
        return done > 0 ? Result<usize>(done) : Errno::efault;
      done += n;
      if (output_.lock()->in_packets) break;
      continue;
    }
    if (done > 0) break;
    if (was_gone) return Errno::eio;
    if (nonblocking) return Errno::eagain;
    const auto ready = [&] {
      auto out = output_.lock();
      return out->bytes.size() != 0 || (out->in_packets && out->status != 0) || terminal_is_gone();
    };
    if (sched::wait_interruptible(master_readable_, ready) == sched::WaitResult::interrupted)
      return restart::sys;
  }
  return done;
}

Result<usize> Pty::write_master(io::IoBuf& buf, bool nonblocking) {
  TRY(master_writing_.take(nonblocking));
  const OwnTurn turn(master_writing_);
  usize done = 0;
  const auto or_done = [&](Errno e) { return done > 0 ? Result<usize>(done) : e; };
  while (buf.left() > 0) {
    // What is dropped never has to be waited for.
    if (sched::current().has_work(sched::Interruptible::any)) return or_done(restart::sys);
    Chunk chunk;
    const usize n = buf.get_text(std::span(chunk).first(std::min(buf.left(), u64{chunk_size})));
    if (n == 0) return or_done(Errno::efault);
    for (std::string_view text(chunk.data(), n); !text.empty();) {
      if (const Result<void> r = grow(input_); !r.ok()) return or_done(r.error());
      const usize put = input_.lock()->push(text);
      text.remove_prefix(put);
      done += put;
      pump();
      if (put > 0) continue;
      if (nonblocking) return or_done(Errno::eagain);
      const auto ready = [&] { return input_.lock()->possible_room() != 0; };
      if (sched::wait_interruptible(master_writable_, ready) == sched::WaitResult::interrupted)
        return or_done(restart::sys);
    }
  }
  return done;
}

io::PollEvents Pty::poll_master(io::PollTable* table) {
  using io::PollEvent;
  if (table != nullptr) {
    table->watch(master_readable_);
    table->watch(master_writable_);
  }
  io::PollEvents e;
  {
    auto out = output_.lock();
    const bool has_status = out->in_packets && out->status != 0;
    if (out->bytes.size() != 0 || has_status) e = e | PollEvent::in | PollEvent::read_normal;
    if (has_status) e = e | PollEvent::pri;
  }
  if (terminal_is_gone()) e = e | PollEvent::hang_up;
  if (input_.lock()->possible_room() != 0) e = e | PollEvent::out | PollEvent::write_normal;
  return e;
}

Result<u64> Pty::ioctl_master(u32 command, io::IoctlArg arg) {
  const core::UserOut<u32> number(arg.address());
  const auto given = [&] { return core::UserIn<u32>(arg.address()).load(); };
  switch (command) {
    case uapi::tiocsptlck: is_locked_.store_release(TRY(given()) != 0); break;
    case uapi::tiocgptlck: TRY(number.store(is_locked_.load_acquire() ? 1 : 0)); break;
    case uapi::tiocgptn: TRY(number.store(index_)); break;
    case uapi::tiocpkt: {
      const bool wanted = TRY(given()) != 0;
      auto out = output_.lock();
      if (wanted && !out->in_packets) out->status = 0;
      out->in_packets = wanted;
      break;
    }
    case uapi::tiocgpkt: {
      const bool is = output_.lock()->in_packets;
      TRY(number.store(is ? 1 : 0));
      break;
    }
    case uapi::tiocsig: {
      const auto signal = static_cast<u32>(arg.value);
      if (signal != uapi::sigint && signal != uapi::sigquit && signal != uapi::sigtstp)
        return Errno::einval;
      signal_foreground(signal);
      break;
    }
    case uapi::fionread: {
      const usize n = output_.lock()->bytes.size();
      TRY(number.store(static_cast<u32>(n)));
      break;
    }
    case uapi::tiocoutq: TRY(number.store(0)); break;
    case uapi::tiocexcl: master_is_exclusive_.store_relaxed(true); break;
    case uapi::tiocnxcl: master_is_exclusive_.store_relaxed(false); break;
    case uapi::tiocgexcl: TRY(number.store(master_is_exclusive_.load_relaxed() ? 1 : 0)); break;
    case uapi::tcsbrk:
    case uapi::tcsbrkp: break;
    case uapi::tcflsh:
      // Seen from here, input is what the terminal's programs wrote.
      if (arg.value > 2) return Errno::einval;
      if (arg.value != 1) {
        output_.lock()->bytes.clear();
        writable_.wake_all();
      }
      if (arg.value != 0) {
        drop_input();
      }
      break;
    default: return ioctl_of_both(command, arg, nullptr);
  }
  return u64{0};
}

void Pty::close_master() {
  master_is_gone_.store_release(true);
  hang_up(false);
}

}  // namespace auk::drivers::tty
