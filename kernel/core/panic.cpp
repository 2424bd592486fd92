#include "core/panic.hpp"

#include <algorithm>

#include "base/atomic.hpp"
#include "base/text.hpp"
#include "core/clock.hpp"
#include "core/config.hpp"
#include "core/log.hpp"
#include "core/param.hpp"
#include "core/percpu.hpp"
#include "core/sysctl.hpp"
#include "machine/isa/cpu.hpp"

namespace auk::core {
namespace {

constexpr u32 nobody = 0xffffffff;
constinit Atomic<u32> panic_cpu{nobody};
constinit PanicSupport* support = nullptr;
constinit PowerControl* power = nullptr;
constinit Console* emergency = nullptr;
constinit Atomic<i64> timeout_seconds{config::panic_timeout};
constinit NumberSysctl panic_seconds("kernel/panic", timeout_seconds, -0x80000000LL, 0x7fffffff);
SYSCTL(panic_seconds);

bool set_panic_timeout(std::string_view v) {
  const auto n = parse_i64(v);
  constexpr i64 longest = i64{24} * 3600;
  if (n) timeout_seconds.store_relaxed(std::clamp(*n, i64{-1}, longest));
  return n.has_value();
}
PARAM("panic", set_panic_timeout);

}  // namespace

void set_panic_support(PanicSupport& s) { support = &s; }
void set_power_control(PowerControl& c) { power = &c; }
void set_emergency_console(Console& c) { emergency = &c; }
void log_stack() {
  if (support != nullptr) support->dump_stack();
}
bool is_panicking() { return panic_cpu.load_relaxed() != nobody; }

void power_off() {
  machine::irq_disable();
  log_line(Level::emerg, "reboot: Power down");
  finish_consoles();
  if (power != nullptr) power->power_off();
  machine::halt_forever();
}

void restart() {
  machine::irq_disable();
  log_line(Level::emerg, "reboot: Restarting system");
  finish_consoles();
  if (power != nullptr) power->restart();
  machine::halt_forever();
}

void halt() {
  machine::irq_disable();
  log_line(Level::emerg, "reboot: System halted");
  finish_consoles();
  if (support != nullptr) support->stop_other_cpus();
  machine::halt_forever();
}

void vpanic(std::string_view format, std::span<const FormatArg> args) {
  machine::irq_disable();
  u32 expected = nobody;
  const u32 me = this_cpu_number.read();
  if (!panic_cpu.cas_acq_rel(expected, me)) {
    // A panic inside the panic: say nothing more, try to get out.
    if (expected == me && power != nullptr && timeout_seconds.load_relaxed() != 0) power->restart();
    machine::halt_forever();
  }
  if (support != nullptr) support->stop_other_cpus();
  set_console_level(8);
  if (!has_console() && emergency != nullptr) register_console(*emergency);
  seize_consoles();
  std::array<char, 256> text;
  Writer out(text);
  vformat(out, format, args);
  log_emerg("Kernel panic - not syncing: {}", out.text());
  log_stack();
  log_emerg("---[ end Kernel panic - not syncing: {} ]---", out.text());
  const i64 seconds = timeout_seconds.load_relaxed();
  if (seconds > 0) spin_delay(static_cast<u64>(seconds) * 1'000'000'000);
  if (seconds != 0 && power != nullptr) power->restart();
  machine::halt_forever();
}

}  // namespace auk::core
