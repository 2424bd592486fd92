#include "core/log.hpp"

#include <algorithm>

#include "base/atomic.hpp"
#include "base/math.hpp"
#include "core/clock.hpp"
#include "core/config.hpp"
#include "core/percpu.hpp"
#include "machine/isa/cpu.hpp"

namespace auk::core {
namespace {

constexpr usize ring_size = usize{1} << config::log_buf_shift;
constexpr usize granule = 16;
constexpr u64 mark_salt = 0xa5c31d0f6b7e8241;
constexpr u32 nobody = 0xffffffff;

struct alignas(granule) Header {
  Atomic<u64> mark;  ///< position ^ mark_salt once the record is complete
  u64 time_ns;
  u64 number;
  u16 cpu;
  u16 size;
  Level level;
  u8 facility;
};
static_assert(sizeof(Header) == 32);

// Positions only grow; the ring offset is the position modulo the ring size.
alignas(granule) constinit std::array<byte, ring_size> ring{};
constinit Atomic<u64> head{0};
constinit Atomic<u32> console_owner{nobody};
constinit Atomic<Console*> consoles{nullptr};
constinit Atomic<u64> next_number{0};
constinit Atomic<LogListener*> listener{nullptr};
constinit Atomic<u32> shown_level{7};
constinit Atomic<bool> seized{false};

// The header never straddles the end: the ring is a multiple of the granule and positions are
// multiples of it, but a header is two granules, so records may wrap between the two.
byte& at(u64 position) { return ring[position % ring_size]; }

constexpr u64 record_size(usize text) { return align_up(sizeof(Header) + text, granule); }

void copy_in(u64 position, std::span<const byte> from) {
  for (usize done = 0; done < from.size();) {
    const usize offset = (position + done) % ring_size;
    const usize n = std::min(from.size() - done, ring_size - offset);
    std::copy_n(from.begin() + static_cast<isize>(done), n,
                ring.begin() + static_cast<isize>(offset));
    done += n;
  }
}

void copy_out(u64 position, std::span<byte> to) {
  for (usize done = 0; done < to.size();) {
    const usize offset = (position + done) % ring_size;
    const usize n = std::min(to.size() - done, ring_size - offset);
    std::copy_n(ring.begin() + static_cast<isize>(offset), n,
                to.begin() + static_cast<isize>(done));
    done += n;
  }
}

Atomic<u64>& mark_at(u64 position) { return *reinterpret_cast<Atomic<u64>*>(&at(position)); }

bool is_overwritten(u64 position) { return head.load_acquire() - position > ring_size; }

struct Fields {
  u64 time_ns;
  u64 number;
  u16 cpu;
  u16 size;
  Level level;
  u8 facility;
};
static_assert(sizeof(Fields) + sizeof(u64) == sizeof(Header));

void append(Level level, std::string_view text, u8 facility) {
  text = text.substr(0, max_log_text);
  const u64 size = record_size(text.size());
  const machine::IrqFlags flags = machine::irq_save();
  const Fields fields{.time_ns = clock_ns(),
                      .number = next_number.fetch_add_relaxed(1),
                      .cpu = static_cast<u16>(this_cpu_number.read()),
                      .size = static_cast<u16>(text.size()),
                      .level = level,
                      .facility = facility};
  std::array<byte, sizeof(Fields)> raw;
  __builtin_memcpy(raw.data(), &fields, sizeof(fields));
  const u64 position = head.fetch_add_acq_rel(size);
  copy_in(position + 8, raw);
  copy_in(position + sizeof(Header),
          std::span(reinterpret_cast<const byte*>(text.data()), text.size()));
  // What a record says can be anything, but not that another record begins there.
  for (u64 p = position + sizeof(Header); p < position + size; p += granule)
    if (mark_at(p).load_relaxed() == (p ^ mark_salt)) at(p) = byte{'?'};
  if (!is_overwritten(position)) mark_at(position).store_release(position ^ mark_salt);
  machine::irq_restore(flags);
}

usize print_prefix(Writer& out, u64 time_ns) {
  const u64 us = time_ns / 1000;
  format_to(out, "[{:5}.{:06}] ", us / 1'000'000, us % 1'000'000);
  return out.text().size();
}

}  // namespace

u64 log_end() { return head.load_acquire(); }

u64 oldest_log_position() {
  const u64 end = log_end();
  return end > ring_size ? end - ring_size : 0;
}

bool read_log(u64& cursor, std::span<char> buffer, LogRecord& out) {
  for (;;) {
    cursor = std::max(cursor, oldest_log_position());
    const u64 end = head.load_acquire();
    if (cursor >= end) return false;
    if (mark_at(cursor).load_acquire() != (cursor ^ mark_salt)) {
      // Half-written by a context we interrupted, or the middle of an old
      // record. While the machine lives the writer will finish; a panic skips
      // to the next complete record. The ring may have been written anew since
      // the head was read.
      if (is_overwritten(cursor)) continue;
      const bool lost = oldest_log_position() > 0 && cursor == oldest_log_position();
      if (!lost && !seized.load_relaxed()) {
        bool later = false;
        for (u64 p = cursor + granule; p < end && !later; p += granule)
          later = mark_at(p).load_acquire() == (p ^ mark_salt);
        if (!later || cursor + ring_size / 2 > end) return false;
      }
      cursor += granule;
      continue;
    }
    Fields fields;
    std::array<byte, sizeof(Fields)> raw;
    copy_out(cursor + 8, raw);
    __builtin_memcpy(&fields, raw.data(), sizeof(fields));
    const usize size = std::min({usize{fields.size}, buffer.size(), max_log_text});
    copy_out(cursor + sizeof(Header), std::span(reinterpret_cast<byte*>(buffer.data()), size));
    compiler_barrier();
    if (is_overwritten(cursor)) continue;
    // Text can hold anything, marks included; no record of ours is that long.
    if (fields.size > max_log_text) {
      cursor += granule;
      continue;
    }
    out = {.time_ns = fields.time_ns,
           .number = fields.number,
           .facility = fields.facility,
           .level = fields.level,
           .text = std::string_view(buffer.data(), size)};
    cursor += record_size(fields.size);
    return true;
  }
}

/// Walks the registered consoles; apart from registration only the owner of the consoles uses it.
class ConsoleSet {
 public:
  static void add(Console& c) {
    Console* first = consoles.load_acquire();
    do {
      c.next_ = first;
    } while (!consoles.cas_acq_rel(first, &c));
  }
  static void print_pending() {
    std::array<char, max_log_text> text;
    for (Console* c = consoles.load_acquire(); c != nullptr; c = c->next_) {
      LogRecord record;
      while (read_log(c->cursor_, text, record)) {
        if (static_cast<u32>(record.level) >= shown_level.load_relaxed()) continue;
        std::array<char, 32> prefix;
        Writer w(prefix);
        print_prefix(w, record.time_ns);
        for (std::string_view rest = record.text; !rest.empty();) {
          const usize line = std::min(rest.find('\n'), rest.size());
          c->write(w.text());
          c->write(rest.substr(0, line));
          c->write("\n");
          rest.remove_prefix(std::min(line + 1, rest.size()));
        }
      }
    }
  }
  /// True when a finished record waits for a console. Any context may ask.
  static bool is_pending() {
    for (Console* c = consoles.load_acquire(); c != nullptr; c = c->next_) {
      const u64 at = __atomic_load_n(&c->cursor_, __ATOMIC_RELAXED);
      if (head.load_seq_cst() == at) continue;
      if (mark_at(at).load_seq_cst() == (at ^ mark_salt) || oldest_log_position() > at) return true;
    }
    return false;
  }
};

void register_console(Console& console) {
  ConsoleSet::add(console);
  flush_consoles();
}

bool has_console() { return consoles.load_acquire() != nullptr; }

void set_console_level(unsigned level) { shown_level.store_relaxed(level); }
unsigned console_level() { return shown_level.load_relaxed(); }
void set_log_listener(LogListener& l) { listener.store_release(&l); }
usize log_buffer_size() { return ring_size; }

void flush_consoles() {
  do {
    u32 expected = nobody;
    // The thread may go on on another CPU: its mark is where it started.
    const u32 me = this_cpu_number.read();
    if (!console_owner.cas_acq_rel(expected, me)) return;
    ConsoleSet::print_pending();
    // After a panic took over the consoles are not ours to give back.
    expected = me;
    (void)console_owner.cas_acq_rel(expected, nobody);
    // Who finished a record while we held them has left it to us.
  } while (ConsoleSet::is_pending());
}

void seize_consoles() {
  seized.store_relaxed(true);
  console_owner.store_release(this_cpu_number.read() | 0x80000000);
  ConsoleSet::print_pending();
}

void finish_consoles() {
  constexpr u64 patience_ns = 100'000'000;
  const u64 start = clock_ns();
  while (console_owner.load_acquire() != nobody && clock_ns() - start < patience_ns)
    machine::relax();
  // Whoever holds them will not print the rest: it was preempted, or does not run any more.
  if (ConsoleSet::is_pending()) seize_consoles();
}

void log_line(Level level, std::string_view text, u8 facility) {
  append(level, text, facility);
  if (seized.load_relaxed()) {
    if (console_owner.load_acquire() == (this_cpu_number.read() | 0x80000000))
      ConsoleSet::print_pending();
    return;
  }
  flush_consoles();
  if (LogListener* const l = listener.load_acquire()) l->record_added();
}

void vlog(Level level, std::string_view format, std::span<const FormatArg> args) {
  std::array<char, max_log_text> text;
  Writer out(text);
  vformat(out, format, args);
  log_line(level, out.text());
}

}  // namespace auk::core
