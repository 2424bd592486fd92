// Panic: the end of the machine, said clearly and once.
//
// Data model: the first CPU that panics wins; a second panic on it goes straight to the reset.
// Locking: none, nothing is allocated; consoles are seized.
// Context: any, NMI included.
// Differences from Linux: other CPUs are stopped before the message is printed, so its lines are
// never interleaved; `panic=` has Linux's meaning (negative: reboot at once, 0: stay, n: seconds).
#pragma once
#include <span>
#include <string_view>

#include "base/fmt.hpp"

namespace auk::core {

/// What the panicking CPU needs from above. Context: any, interrupts off in a panic; no lock may be
/// taken.
class PanicSupport {
 public:
  /// Stops all other CPUs, by NMI where needed; waits a bounded time.
  virtual void stop_other_cpus() = 0;
  /// The stack of the panicking context, into the log.
  virtual void dump_stack() = 0;

 protected:
  constexpr PanicSupport() = default;
  ~PanicSupport() = default;
};

/// The caller's stack, into the log; nothing before set_panic_support().
void log_stack();

/// The ways out of the machine; a driver's job. Neither method returns if it succeeds.
class PowerControl {
 public:
  virtual void power_off() = 0;
  virtual void restart() = 0;

 protected:
  constexpr PowerControl() = default;
  ~PowerControl() = default;
};

void set_panic_support(PanicSupport& support);
void set_power_control(PowerControl& control);
/// The console to fall back to when a panic comes before any console is registered.
class Console;
void set_emergency_console(Console& console);

[[noreturn]] void power_off();
[[noreturn]] void restart();
/// Stops without turning anything off.
[[noreturn]] void halt();

[[noreturn]] void vpanic(std::string_view format, std::span<const FormatArg> args);
template <Formattable... Args>
[[noreturn]] void panic(FormatString<std::type_identity_t<Args>...> format, const Args&... args) {
  const std::array<FormatArg, sizeof...(Args)> erased{format_arg(args)...};
  vpanic(format.text, erased);
}
bool is_panicking();

}  // namespace auk::core
