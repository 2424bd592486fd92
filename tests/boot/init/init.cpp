// The first program of the boot tests: says what it sees of the machine, and switches it off.
//
// No library: the program is one page, so that it boots in 24 MiB like in 4 GiB.
// Source of numbers and structures: x86-64 system calls of Linux.

using u8 = unsigned char;
using u32 = unsigned int;
using u64 = unsigned long;
using i64 = long;

namespace {

i64 call(u64 number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0) {
  i64 result;
  register u64 r10 asm("r10") = d;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
               : "rcx", "r11", "memory");
  return result;
}

constexpr u64 write_call = 1, sysinfo_call = 99, reboot_call = 169, affinity_call = 204;

u64 number_of(const void* p) { return reinterpret_cast<u64>(p); }

struct Line {
  char text[128];
  u64 size = 0;

  Line& put(const char* s) {
    while (*s != '\0') text[size++] = *s++;
    return *this;
  }
  Line& put(u64 v) {
    char digits[20];
    u64 n = 0;
    do digits[n++] = static_cast<char>('0' + v % 10);
    while ((v /= 10) != 0);
    while (n > 0) text[size++] = digits[--n];
    return *this;
  }
};

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

// The compiler asks for it by name.
extern "C" void* memset(void* to, int value, u64 size) {
  void* at = to;
  asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
  return to;
}

extern "C" [[noreturn]] void _start() {
  Sysinfo info = {};
  (void)call(sysinfo_call, number_of(&info));
  Line line;
  line.put("init: running, ").put(count_cpus()).put(" CPUs, ");
  line.put(info.total / 1024).put(" KiB, ").put(info.free / 1024).put(" KiB free\n");
  (void)call(write_call, 1, number_of(line.text), line.size);
  constexpr u64 magic1 = 0xfee1dead, magic2 = 672274793, power_off = 0x4321fedc;
  for (;;) (void)call(reboot_call, magic1, magic2, power_off);
}
