// Purpose: filling memory. Freestanding, the compiler leaves a loop over bytes a loop: std::fill()
// takes several instructions for each of them.
#pragma once
#include <span>
#include <string_view>

#include "base/types.hpp"

namespace auk {

inline void fill_bytes(std::span<byte> bytes, byte with = 0) {
  __builtin_memset(bytes.data(), with, bytes.size());
}

inline std::span<const byte> text_bytes(std::string_view s) {
  return {reinterpret_cast<const byte*>(s.data()), s.size()};
}

/// An object as it lies in memory.
template <class T> std::span<const byte> object_bytes(const T& v) {
  static_assert(__has_unique_object_representations(T));
  return {reinterpret_cast<const byte*>(&v), sizeof(T)};
}

}  // namespace auk
