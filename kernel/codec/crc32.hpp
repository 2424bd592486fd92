// CRC-32 as gzip and Ethernet use it.
//
// Context: any; pure functions.
// Source: RFC 1952, section 8; the method of eight tables is Kounavis and Berry, 2005.
#pragma once
#include <span>

#include "base/types.hpp"

namespace auk::codec {

/// The sum over `bytes` appended to those whose sum is `before`.
u32 crc32(std::span<const byte> bytes, u32 before = 0);

}  // namespace auk::codec
