// The kernel half of a host process: addresses that neither the host nor its sanitizers use.
//
//   0x7a0000000000    4 GiB  early window: low memory, until the direct map stands
//   0x7b0000000000    1 TiB  direct map, page words, vmalloc: bases random, in this order
//
// The vmalloc region has no memory behind it: its mappings exist in the page tables alone. It is
// small so that tests can use it up.
#pragma once
#include "base/types.hpp"

namespace auk::mem::layout {

inline constexpr VirtAddr random_start{0x7b0000000000};
inline constexpr VirtAddr random_end{0x7c0000000000};
inline constexpr VirtAddr kasan_shadow_start{0};
inline constexpr VirtAddr kasan_shadow_end{0};
inline constexpr VirtAddr early_window{0x7a0000000000};
inline constexpr u64 early_window_size = 4 * gib;

inline constexpr u64 base_granule = 1 * gib;
inline constexpr u64 vmalloc_size = 1 * gib;
inline constexpr u64 physical_limit = 64 * gib;

}  // namespace auk::mem::layout
