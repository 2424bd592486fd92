// Per-CPU storage: a template in the image, one copy for each CPU, reached through %gs.
//
// Data model: gs base = address of this CPU's copy minus run-time address of the template, so a
// per-CPU variable is one %gs-relative, RIP-relative operand, the same before and after relocation.
#pragma once
#include <type_traits>

#include "base/types.hpp"
#include "machine/isa/x86.hpp"

/// Puts a variable into the per-CPU template.
#define AUK_PER_CPU [[gnu::section("percpu")]] constinit

namespace auk::machine {

template <class T> struct PerCpuSlot {
  T v{};

  template <class U> using Gs = U __attribute__((address_space(256)))*;
  Gs<T> gs() { return (Gs<T>)(reinterpret_cast<uptr>(&v)); }
  Gs<const volatile T> gs() const { return (Gs<const volatile T>)(reinterpret_cast<uptr>(&v)); }

  // Scalars: one instruction, atomic against interrupts on this CPU.
  T read() const { return *gs(); }
  void write(T n) { *gs() = n; }
  void add(T n) {
    if constexpr (sizeof(T) == 8)
      asm volatile("addq %1, %%gs:%0" : "+m"(v) : "re"(static_cast<u64>(n)) : "cc");
    else
      asm volatile("addl %1, %%gs:%0" : "+m"(v) : "ri"(static_cast<u32>(n)) : "cc");
  }
  /// Subtracts one and tells whether that made it zero.
  bool dec_is_zero() {
    bool zero;
    static_assert(sizeof(T) == 4);
    asm volatile("decl %%gs:%0" : "+m"(v), "=@ccz"(zero));
    return zero;
  }
  T& at(uptr area_offset) {
    return *reinterpret_cast<T*>(reinterpret_cast<uptr>(&v) + area_offset);
  }
};

inline void set_percpu_offset(uptr offset) { x86::wrmsr(x86::msr::gs_base, offset); }

}  // namespace auk::machine
