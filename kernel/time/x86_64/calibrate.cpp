#include "time/calibrate.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/port.hpp"

namespace auk::time {
namespace {

constexpr u64 khz_per_mhz = 1000;
constexpr u32 pm_timer_hz = 3'579'545;
constexpr u32 pit_hz = 1'193'182;
constexpr u64 measure_ms = 5;

/// kHz from CPUID 0x15 (crystal ratio) or the hypervisors' timing leaf.
std::optional<u64> from_cpuid() {
  namespace x86 = machine::x86;
  constexpr u32 hypervisor_bit = 1U << 31, timing_leaf = 0x40000010;
  if (x86::cpuid(0).a >= 0x15) {
    const auto r = x86::cpuid(0x15);
    if (r.a != 0 && r.b != 0 && r.c != 0) return u64{r.c} * r.b / r.a / 1000;
  }
  if ((x86::cpuid(1).c & hypervisor_bit) != 0 && x86::cpuid(0x40000000).a >= timing_leaf) {
    const u32 khz = x86::cpuid(timing_leaf).a;
    if (khz != 0) return khz;
  }
  return std::nullopt;
}

std::optional<u64> khz_over(u64 cycles, u64 ticks, u32 ticks_per_second) {
  if (ticks == 0) return std::nullopt;
  return cycles * (ticks_per_second / 100) / ticks / 10;
}

std::optional<u64> from_pm_timer(u16 port, unsigned bits) {
  if (port == 0) return std::nullopt;
  const u32 mask = bits == 32 ? 0xffffffff : 0xffffff;
  const u32 wanted = static_cast<u32>(pm_timer_hz * measure_ms / 1000);
  const auto read = [&] { return machine::port_in32(port) & mask; };
  const u32 first = read();
  const u64 start = machine::timestamp();
  u32 ticks = 0;
  // A timer that stands still must not hang the boot.
  for (u32 polls = 0; ticks < wanted && polls < 2'000'000; ++polls) ticks = (read() - first) & mask;
  const u64 cycles = machine::timestamp() - start;
  return ticks < wanted ? std::nullopt : khz_over(cycles, ticks, pm_timer_hz);
}

/// Channel 0 counts down from 65536 round and round; nobody uses its interrupt. (Channel 2 needs
/// the speaker port, which micro VMs lack.)
std::optional<u64> from_pit() {
  constexpr u16 channel0 = 0x40, command = 0x43;
  constexpr u8 rate_generator = 0x34, latch = 0x00;
  const auto read = [&] {
    machine::port_out8(command, latch);
    const u8 low = machine::port_in8(channel0);
    return static_cast<u16>(low | (machine::port_in8(channel0) << 8));
  };
  machine::port_out8(command, rate_generator);
  machine::port_out8(channel0, 0);
  machine::port_out8(channel0, 0);
  const u16 wanted = static_cast<u16>(pit_hz * measure_ms / 1000);
  const u16 first = read();
  const u64 start = machine::timestamp();
  u16 ticks = 0;
  for (u32 polls = 0; ticks < wanted && polls < 200'000; ++polls)
    ticks = static_cast<u16>(first - read());
  const u64 cycles = machine::timestamp() - start;
  return ticks < wanted ? std::nullopt : khz_over(cycles, ticks, pit_hz);
}

template <class F> std::optional<u64> three_times(F measure) {
  for (int tries = 0; tries < 3; ++tries) {
    std::array<u64, 3> khz{};
    for (u64& k : khz) {
      const auto v = measure();
      if (!v) return std::nullopt;
      k = *v;
    }
    const auto [low, high] = std::minmax_element(khz.begin(), khz.end());
    if ((*high - *low) * 1000 <= *low) return khz[1];
  }
  return std::nullopt;
}

}  // namespace

void calibrate(u16 pm_timer_port, unsigned pm_timer_bits) {
  std::string_view source = "CPUID";
  std::optional<u64> khz = from_cpuid();
  if (!khz) {
    source = "PM timer";
    khz = three_times([&] { return from_pm_timer(pm_timer_port, pm_timer_bits); });
  }
  if (!khz) {
    source = "PIT";
    khz = three_times(from_pit);
  }
  if (!khz) {
    // No reference, or one too noisy to trust: take a single reading, else a guess, and say so.
    source = "a single reading";
    khz = from_pm_timer(pm_timer_port, pm_timer_bits);
    if (!khz) khz = from_pit();
    if (!khz) {
      source = "a guess";
      khz = 1'000'000;
    }
    core::log_warn("tsc: no reference clock agrees with itself; the rate is {}", source);
  }
  core::start_clock(*khz);
  core::log_info("tsc: {}.{:03} MHz by {}", *khz / khz_per_mhz, *khz % khz_per_mhz, source);
}

}  // namespace auk::time
