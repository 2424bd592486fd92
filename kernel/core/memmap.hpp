// memmap=SIZE!START and memmap=SIZE$START: memory that the kernel is not to use as its own.
//
// Data model: the command line is read each time; what is stored is which of its words count.
// Context: any; accept_memmaps() on the boot CPU.
// Source: Linux Documentation/admin-guide/kernel-parameters.txt.
#pragma once
#include "base/text.hpp"
#include "core/log.hpp"
#include "core/param.hpp"

namespace auk::core {

struct MemmapEntry {
  enum class Kind : u8 { reserved, persistent };
  PhysRange range;
  Kind kind = Kind::reserved;
};

/// One value of the parameter; nothing if it is not understood.
std::optional<MemmapEntry> parse_memmap(std::string_view value);

/// Calls `f` for each that the command line names.
template <class F> void each_named_memmap(F f) {
  std::string_view line = command_line();
  ParamWord word;
  // Behind "--" stands what is for the first program.
  while (next_param(line, word) && word.name != "--")
    if (same_param_name(word.name, "memmap"))
      if (const std::optional<MemmapEntry> e = parse_memmap(word.value)) f(*e);
}

/// Which of them count, the first one in the lowest bit.
inline constinit u64 accepted_memmaps = 0;

/// Before memory is given to anybody, once: decides which of them count.
template <class F> void accept_memmaps(F may_take) {
  u32 n = 0;
  each_named_memmap([&](const MemmapEntry& e) {
    constexpr u32 most = 64;
    if (n < most && may_take(e))
      accepted_memmaps |= u64{1} << n;
    else
      log_warn("memmap: [mem {:#016x}-{:#016x}] is not free memory", e.range.start.value,
               e.range.end.value - 1);
    ++n;
  });
}
/// Calls `f` for each that counts.
template <class F> void each_memmap(F f) {
  u32 n = 0;
  each_named_memmap([&](const MemmapEntry& e) {
    if ((accepted_memmaps >> n++ & 1) != 0) f(e);
  });
}

}  // namespace auk::core
