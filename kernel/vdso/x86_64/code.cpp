// Code of the kernel that runs in programs: clocks and the number of the CPU without a system call.
//
// Data model: vdso::Data on the page in front of the code. No variables, no relocations, no calls
// out. Context: user mode, any thread, handlers of signals included. Source: vdso(7); the names and
// their version are those of Linux.
#include "generated/uapi/errno.hpp"
#include "generated/uapi/syscall_nr.hpp"
#include "generated/uapi/time.hpp"
#include "uapi/time.hpp"
#include "vdso/data.hpp"

using namespace auk;

extern "C" [[gnu::visibility("hidden")]] const vdso::Data __ld_vdso_data;

namespace {

constexpr u64 ns_per_s = 1'000'000'000;
constexpr u64 ns_per_us = 1000;
constexpr long coarse_resolution_ns = 4'000'000;

long system_call(long number, long a, long b) {
  long result = 0;
  asm volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
  return result;
}

/// Nothing that comes later reads the counter earlier.
u64 cycles() {
  u32 low = 0;
  u32 high = 0;
  asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
  return u64{high} << 32 | low;
}

u64 steady_ns() { return __ld_vdso_data.steady.now(cycles); }

u64 raw_ns() {
  const vdso::Data& d = __ld_vdso_data;
  return vdso::scaled(cycles() - d.raw_base_cycles, d.raw_rate);
}

u64 ahead_of_steady(const Atomic<i64>& offset_ns) {
  return steady_ns() + static_cast<u64>(offset_ns.load_relaxed());
}

u64 real_ns() { return ahead_of_steady(__ld_vdso_data.real_offset_ns); }

/// False: only the kernel knows this clock.
bool read(int clock, u64& ns) {
  switch (clock) {
    case uapi::clock_realtime:
    case uapi::clock_realtime_coarse: ns = real_ns(); return true;
    case uapi::clock_tai: ns = ahead_of_steady(__ld_vdso_data.tai_offset_ns); return true;
    case uapi::clock_monotonic_raw: ns = raw_ns(); return true;
    case uapi::clock_monotonic:
    case uapi::clock_monotonic_coarse:
    case uapi::clock_boottime: ns = steady_ns(); return true;
    default: return false;
  }
}

}  // namespace

extern "C" {

int __vdso_clock_gettime(int clock, uapi::kernel_timespec* out) {
  u64 ns = 0;
  if (!read(clock, ns))
    return static_cast<int>(
        system_call(uapi::nr::clock_gettime, clock, reinterpret_cast<long>(out)));
  out->tv_sec = static_cast<i64>(ns / ns_per_s);
  out->tv_nsec = static_cast<i64>(ns % ns_per_s);
  return 0;
}

int __vdso_clock_getres(int clock, uapi::kernel_timespec* out) {
  switch (clock) {
    case uapi::clock_realtime:
    case uapi::clock_tai:
    case uapi::clock_monotonic:
    case uapi::clock_monotonic_raw:
    case uapi::clock_boottime:
      if (out != nullptr) *out = {0, 1};
      return 0;
    case uapi::clock_realtime_coarse:
    case uapi::clock_monotonic_coarse:
      if (out != nullptr) *out = {0, coarse_resolution_ns};
      return 0;
    default:
      return static_cast<int>(
          system_call(uapi::nr::clock_getres, clock, reinterpret_cast<long>(out)));
  }
}

int __vdso_gettimeofday(uapi::timeval* time, uapi::timezone* zone) {
  if (time != nullptr) {
    const u64 ns = real_ns();
    time->tv_sec = static_cast<i64>(ns / ns_per_s);
    time->tv_usec = static_cast<i64>(ns % ns_per_s / ns_per_us);
  }
  const vdso::Data& d = __ld_vdso_data;
  if (zone != nullptr) *zone = {d.minutes_west.load_relaxed(), d.dst.load_relaxed()};
  return 0;
}

i64 __vdso_time(i64* out) {
  const auto now = static_cast<i64>(real_ns() / ns_per_s);
  if (out != nullptr) *out = now;
  return now;
}

long __vdso_getcpu(u32* cpu, u32* node, void*) {
  // The limit of a segment that each CPU has for this: readable in user mode, and one instruction.
  constexpr u32 selector = 0x53;
  constexpr u32 cpu_bits = 12;
  u32 limit = 0;
  asm volatile("lsl %1, %0" : "=r"(limit) : "r"(selector));
  if (cpu != nullptr) *cpu = limit & ((1U << cpu_bits) - 1);
  if (node != nullptr) *node = limit >> cpu_bits;
  return 0;
}

[[gnu::weak, gnu::alias("__vdso_clock_gettime")]] int clock_gettime(int, uapi::kernel_timespec*);
[[gnu::weak, gnu::alias("__vdso_clock_getres")]] int clock_getres(int, uapi::kernel_timespec*);
[[gnu::weak, gnu::alias("__vdso_gettimeofday")]] int gettimeofday(uapi::timeval*, uapi::timezone*);
[[gnu::weak, gnu::alias("__vdso_time")]] i64 time(i64*);
[[gnu::weak, gnu::alias("__vdso_getcpu")]] long getcpu(u32*, u32*, void*);
}
