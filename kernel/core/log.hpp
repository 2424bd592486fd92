// The kernel log: a lock-free ring of records and the consoles that read it.
//
// Purpose: any context may log, NMI included, and nothing that was logged waits for a lock.
// Data model: one ring of bytes. A writer reserves [head, head + n) with one atomic addition, fills
// the record and publishes it by its mark, which is derived from the position: a reader knows a
// complete record from an old or half-written one by the mark alone, and can find the next record
// by scanning 16-byte steps. Old records are overwritten.
// Locking: none. Consoles are owned by one context at a time; whoever logs while another one owns
// them leaves the record to the owner, which looks again after letting go. A panic takes ownership.
// Context: any. Interrupts are off only while a finished line is copied into the ring.
// Records are numbered; two that are made at once may stand in the ring the other way round.
// Differences from Linux: one ring instead of a descriptor ring with states; a line is formatted on
// the caller's stack (at most 480 bytes), there is no continuation line.
#pragma once
#include <span>
#include <string_view>

#include "base/fmt.hpp"
#include "base/types.hpp"

namespace auk::core {

/// syslog(2) severities.
enum class Level : u8 { emerg, alert, crit, err, warn, notice, info, debug };

/// Where log lines go. One object per device, alive for ever once registered.
/// Context of write(): any, one caller at a time (the console owner); a panic may re-enter it, so a
/// device that can be half-way through something resets itself first. No lock may be taken.
class Console {
  friend class ConsoleSet;
  Console* next_ = nullptr;
  u64 cursor_ = 0;

 public:
  virtual void write(std::string_view text) = 0;

 protected:
  constexpr Console() = default;
  ~Console() = default;
};

/// Adds a console and prints what the ring still holds.
void register_console(Console& console);

/// Prints what no console has shown yet, if nobody else is at it.
void flush_consoles();

/// Before the machine ends: waits a little for whoever prints, then prints what is left.
void finish_consoles();

/// For the panicking CPU only: takes the consoles from whoever owns them and prints the rest.
void seize_consoles();

/// True when at least one console is registered.
bool has_console();

/// Severities below this number reach the consoles; all reach the ring.
void set_console_level(unsigned level);
unsigned console_level();

/// Is told of new records, from any context but NMI and with any lock held: it must only remember.
class LogListener {
 public:
  virtual void record_added() = 0;

 protected:
  constexpr LogListener() = default;
  ~LogListener() = default;
};
/// Once, at boot.
void set_log_listener(LogListener& l);
/// Bytes that the ring holds.
usize log_buffer_size();

/// No record's text is longer.
inline constexpr usize max_log_text = 480;

/// Copies the record at or after `cursor` into `text` and advances the cursor behind it.
struct LogRecord {
  u64 time_ns;
  u64 number;
  u8 facility;  ///< syslog(3); 0 is the kernel
  Level level;
  std::string_view text;
};
bool read_log(u64& cursor, std::span<char> buffer, LogRecord& out);
/// Position of the oldest record that is certainly still there.
u64 oldest_log_position();
/// Position behind the newest one.
u64 log_end();

void log_line(Level level, std::string_view text, u8 facility = 0);
void vlog(Level level, std::string_view format, std::span<const FormatArg> args);

template <Formattable... Args>
void log(Level level, FormatString<std::type_identity_t<Args>...> format, const Args&... args) {
  const std::array<FormatArg, sizeof...(Args)> erased{format_arg(args)...};
  vlog(level, format.text, erased);
}

#define AUK_LOG_LEVEL(name, level)                                                                 \
  template <Formattable... Args>                                                                   \
  void name(FormatString<std::type_identity_t<Args>...> format, const Args&... args) {             \
    log(level, format, args...);                                                                   \
  }
AUK_LOG_LEVEL(log_emerg, Level::emerg)
AUK_LOG_LEVEL(log_err, Level::err)
AUK_LOG_LEVEL(log_warn, Level::warn)
AUK_LOG_LEVEL(log_notice, Level::notice)
AUK_LOG_LEVEL(log_info, Level::info)
AUK_LOG_LEVEL(log_debug, Level::debug)
#undef AUK_LOG_LEVEL

}  // namespace auk::core
