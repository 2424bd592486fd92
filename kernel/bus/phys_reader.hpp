// How the parsers of this module reach physical memory, and the search for firmware records in it.
//
// Purpose: the parsers are pure; who calls them decides how memory is mapped.
// Context: as the implementation's; all callers here run on the boot CPU before drivers start.
#pragma once
#include <algorithm>
#include <span>
#include <string_view>

#include "base/types.hpp"
#include "bus/field.hpp"

namespace auk::bus {

class PhysReader {
 public:
  /// Exactly the bytes of [at, at + size), or an empty span when any of them is out of reach. They
  /// stay readable until the next call; no parser here relies on more.
  virtual std::span<const byte> bytes(PhysAddr at, u64 size) = 0;

 protected:
  constexpr PhysReader() = default;
  ~PhysReader() = default;
};

/// Where the BIOS data area says the extended BIOS data area begins; 0 without one.
inline PhysAddr extended_bios_area(PhysReader& reader) {
  constexpr u64 segment_word = 0x40e;
  return PhysAddr(u64{field<u16>(reader.bytes(PhysAddr(segment_word), 2), 0)} << 4);
}

/// Calls `found(PhysAddr)` at each multiple of 16 in `range` that holds `signature`, until it
/// returns true; then the result is true. Unreadable parts are skipped.
template <class F>
bool scan(PhysReader& reader, PhysRange range, std::string_view signature, F found) {
  constexpr u64 step = 16;
  constexpr u64 chunk = 1024;
  for (PhysAddr at = range.start; at < range.end;) {
    const u64 size = std::min(chunk, range.end - at);
    auto bytes = reader.bytes(at, size);
    for (u64 i = 0; i < bytes.size(); i += step) {
      if (!has_text(bytes, i, signature)) continue;
      if (found(at + i)) return true;
      bytes = reader.bytes(at, size);  // `found` read something else in between
    }
    at += size;
  }
  return false;
}

}  // namespace auk::bus
