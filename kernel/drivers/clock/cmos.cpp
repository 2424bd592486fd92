// The time of day at boot, from the CMOS clock of PCs.
//
// Context: once, in the init graph. Source: Motorola MC146818 data sheet; rtc(4).
// Differences from Linux: read once, in UTC; never written.
#include <optional>

#include "core/clock.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "machine/isa/port.hpp"
#include "time/wall_clock.hpp"

namespace auk::drivers::clock {
namespace {

constexpr u16 index_port = 0x70, data_port = 0x71;
constexpr u8 seconds = 0, minutes = 2, hours = 4, day = 7, month = 8, year = 9, status_a = 10,
             status_b = 11;
constexpr u8 updating = 0x80, is_binary = 4, is_24_hours = 2, afternoon = 0x80;

u8 read(u8 reg) {
  machine::port_out8(index_port, reg);
  return machine::port_in8(data_port);
}

struct Reading {
  u32 second, minute, hour, day, month, year;
  bool operator==(const Reading&) const = default;
};

Reading read_all() {
  const u8 mode = read(status_b);
  const auto number = [&](u8 v) -> u32 {
    return (mode & is_binary) != 0 ? v : u32{v & 15U} + u32{v} / 16 * 10;
  };
  const u8 raw_hour = read(hours);
  u32 hour = number(raw_hour & static_cast<u8>(~afternoon));
  if ((mode & is_24_hours) == 0) hour = hour % 12 + ((raw_hour & afternoon) != 0 ? 12 : 0);
  return {number(read(seconds)), number(read(minutes)), hour,
          number(read(day)),     number(read(month)),   number(read(year))};
}

/// Two equal readings outside of an update; nothing if the chip is not there.
std::optional<Reading> read_stable() {
  constexpr unsigned tries = 100'000;
  Reading last{};
  for (unsigned i = 0; i < tries; ++i) {
    if ((read(status_a) & updating) != 0) continue;
    const Reading now = read_all();
    if (now == last) {
      const bool valid = now.second < 60 && now.minute < 60 && now.hour < 24 && now.day >= 1 &&
                         now.day <= 31 && now.month >= 1 && now.month <= 12 && now.year < 100;
      return valid ? std::optional(now) : std::nullopt;
    }
    last = now;
  }
  return std::nullopt;
}

/// Days since 1970 of a date of the Gregorian calendar.
i64 days_since_1970(i64 y, u32 m, u32 d) {
  // Years from March on: the leap day comes last.
  y -= m <= 2 ? 1 : 0;
  const i64 era = y / 400;
  const i64 of_era = y - era * 400;
  const i64 day_of_year = (153 * i64{m > 2 ? m - 3 : m + 9} + 2) / 5 + d - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719468;
}

void setup() {
  const auto r = read_stable();
  if (!r) return core::log_info("rtc: no CMOS clock");
  // A chip that knows two digits: 1970 to 2069.
  const u32 full_year = r->year + (r->year < 70 ? 2000 : 1900);
  const i64 now = (days_since_1970(full_year, r->month, r->day) * 24 + r->hour) * 3600 +
                  i64{r->minute} * 60 + r->second;
  constexpr i64 second_ns = 1'000'000'000;
  if (!time::set_real_time(now * second_ns).ok())
    return core::log_warn("rtc: the time {} cannot be set", now);
  core::log_info("rtc: setting system clock to {}-{:02}-{:02}T{:02}:{:02}:{:02} UTC ({})",
                 full_year, r->month, r->day, r->hour, r->minute, r->second, now);
}
INIT_TASK(cmos_clock, "", "time_of_day", setup);

}  // namespace
}  // namespace auk::drivers::clock
