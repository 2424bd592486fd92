// Segments on the host: there are none.
#pragma once
#include <span>

#include "base/types.hpp"

namespace auk::machine {

inline void load_own_segments(std::span<const u64>) {}
inline void refresh_own_selectors() {}

}  // namespace auk::machine
