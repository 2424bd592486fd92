// Segments on the host: there are none.
#pragma once
#include <span>

#include "base/types.hpp"

namespace auk::machine {

inline void load_own_segments(std::span<const u64>) {}
inline void reload_own_ds_es() {}

}  // namespace auk::machine
