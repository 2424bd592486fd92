// Flags<E>: a set of the enumerators of a flag enum, so that sets of different kinds never mix.
#pragma once
#include <type_traits>

#include "base/types.hpp"

namespace auk {

template <class E>
  requires std::is_enum_v<E>
struct Flags {
  using rep = std::underlying_type_t<E>;
  rep bits{};

  constexpr Flags() = default;
  constexpr Flags(E e) : bits(static_cast<rep>(e)) {}
  static constexpr Flags from_bits(rep b) {
    Flags f;
    f.bits = b;
    return f;
  }

  constexpr bool has(E e) const { return (bits & static_cast<rep>(e)) == static_cast<rep>(e); }
  constexpr bool any(Flags f) const { return (bits & f.bits) != 0; }
  constexpr Flags operator|(Flags f) const { return from_bits(bits | f.bits); }
  constexpr Flags operator&(Flags f) const { return from_bits(bits & f.bits); }
  constexpr Flags without(Flags f) const { return from_bits(bits & static_cast<rep>(~f.bits)); }
  constexpr Flags& operator|=(Flags f) { return bits |= f.bits, *this; }
  constexpr bool operator==(const Flags&) const = default;
};

}  // namespace auk
