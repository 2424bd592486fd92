// The first program of the boot tests: says what it sees of the machine, and switches it off.
//
// No library: the program is one page, so that it boots in 24 MiB like in 4 GiB.

#include "calls.hpp"

namespace {

struct Sysinfo {
  i64 uptime;
  u64 loads[3];
  u64 total, free, shared, buffers, total_swap, free_swap;
  u64 processes;
  u64 total_high, free_high;
  u32 unit;
  u32 padding[3];
};

u64 count_cpus() {
  u64 mask[128] = {};
  const i64 bytes = call(affinity_call, 0, sizeof(mask), number_of(mask));
  u64 cpus = 0;
  for (i64 i = 0; i < bytes / 8; ++i) cpus += static_cast<u64>(__builtin_popcountl(mask[i]));
  return cpus;
}

}  // namespace

extern "C" [[noreturn]] void _start() {
  Sysinfo info = {};
  (void)call(sysinfo_call, number_of(&info));
  Line line;
  line.put("init: running, ").put(count_cpus()).put(" CPUs, ");
  line.put(info.total / 1024).put(" KiB, ").put(info.free / 1024).put(" KiB free\n");
  (void)call(write_call, 1, number_of(line.text), line.size);
  power_off();
}
