// What the first programs of the boot tests share: system calls without a library.
// Source of numbers: x86-64 system calls of Linux.
#pragma once

using u8 = unsigned char;
using u32 = unsigned int;
using u64 = unsigned long;
using i64 = long;

namespace {

[[maybe_unused]] i64 call(u64 number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0) {
  i64 result;
  register u64 r10 asm("r10") = d;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
               : "rcx", "r11", "memory");
  return result;
}

constexpr u64 write_call = 1, fork_call = 57, exec_call = 59, exit_call = 60, wait_call = 61,
              sysinfo_call = 99, reboot_call = 169, affinity_call = 204;

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

[[noreturn, maybe_unused]] void power_off() {
  constexpr u64 magic1 = 0xfee1dead, magic2 = 672274793, command = 0x4321fedc;
  for (;;) (void)call(reboot_call, magic1, magic2, command);
}

}  // namespace

// The compiler asks for it by name.
extern "C" void* memset(void* to, int value, u64 size) {
  void* at = to;
  asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
  return to;
}
