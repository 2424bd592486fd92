// Switch points exist only in the simulation; on hardware they are nothing.
#pragma once

namespace auk {
constexpr void sim_point() {}
}  // namespace auk
