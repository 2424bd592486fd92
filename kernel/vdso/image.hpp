// The code that the kernel lends to programs, as a shared object: see vdso(7).
#pragma once
#include <span>

#include "base/types.hpp"

namespace auk::vdso {

/// An ELF file whose one segment is the file itself, from its start. A whole number of pages.
std::span<const byte> image();

}  // namespace auk::vdso
