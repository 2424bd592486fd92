// Device numbers, in the encoding of <sys/sysmacros.h>.
#pragma once
#include "base/types.hpp"

namespace auk::dev {

constexpr u64 make_number(u32 major, u32 minor) {
  return (u64{minor} & 0xff) | ((u64{major} & 0xfff) << 8) | ((u64{minor} & ~u64{0xff}) << 12) |
         ((u64{major} & ~u64{0xfff}) << 32);
}
constexpr u32 major_of(u64 number) {
  return static_cast<u32>(((number >> 8) & 0xfff) | ((number >> 32) & ~u64{0xfff}));
}
constexpr u32 minor_of(u64 number) {
  return static_cast<u32>((number & 0xff) | ((number >> 12) & 0xffffff00));
}

}  // namespace auk::dev
