// Boot records of both protocols, and the lists they point to.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "boot/isa/protocol.hpp"

using namespace auk;

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  if (size == 0) return 0;
  // An exact copy of what the first byte chose, so that reading past the end shows.
  const auto copy = std::make_unique<byte[]>(size - 1);
  std::memcpy(copy.get(), data + 1, size - 1);
  const std::span<const byte> bytes(copy.get(), size - 1);
  const auto out = std::make_unique<core::HandOver>();
  boot::BootPointers pointers;
  switch (data[0] % 5) {
    case 0: (void)boot::parse_boot_params(bytes, *out); break;
    case 1: (void)boot::parse_pvh(bytes, *out, pointers); break;
    case 2: boot::parse_pvh_memory_map(bytes, *out); break;
    case 3: boot::parse_pvh_modules(bytes, *out); break;
    default: boot::parse_e820(bytes, *out); break;
  }
  for (const core::MemoryEntry& e : out->memory())
    if (e.range.end < e.range.start) std::abort();
  if (out->initrd.end < out->initrd.start) std::abort();
  return 0;
}
