// Memory reads that may fault: the exception table sends the fault to a label instead of an oops.
//
// Data model: section ex_table, rows of two self-relative offsets {instruction, fix-up}, sorted by
// the build.
// Context: any, NMI included.
#pragma once
#include <optional>

#include "base/types.hpp"

namespace auk::machine {

/// A word of kernel memory, or nothing if it cannot be read.
inline std::optional<u64> try_read(uptr address) {
  u64 v;
  asm goto("1: movq (%1), %0\n"
           ".pushsection ex_table, \"a?\", @progbits\n"
           ".long 1b - .\n"
           ".long %l[fault] - .\n"
           ".popsection\n"
           : "=r"(v)
           : "r"(address)
           :
           : fault);
  return v;
fault:
  return std::nullopt;
}

/// One byte of kernel memory, or nothing if it cannot be read.
inline std::optional<u8> try_read_byte(uptr address) {
  u64 v;
  asm goto("1: movzbl (%1), %k0\n"
           ".pushsection ex_table, \"a?\", @progbits\n"
           ".long 1b - .\n"
           ".long %l[fault] - .\n"
           ".popsection\n"
           : "=r"(v)
           : "r"(address)
           :
           : fault);
  return static_cast<u8>(v);
fault:
  return std::nullopt;
}

}  // namespace auk::machine
