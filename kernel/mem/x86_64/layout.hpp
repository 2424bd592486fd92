// The kernel half of the address space (decision D10), 4-level paging.
//
//   0xffff800000000000  108 TiB  direct map, page words, vmalloc: bases random, in this order
//   0xffffec0000000000   16 TiB  KASAN shadow (fixed: the compiler knows it)
//   0xfffffc0000000000    4 GiB  early window: low memory, until the direct map stands
//   0xfffffe0000000000  512 GiB  CPU entry areas
//   0xffffffff80000000    1 GiB  kernel image at a random address
//   0xffffffffc0000000           modules
//   0xffffffffff000000           fixed mappings
#pragma once
#include "base/types.hpp"

namespace auk::mem::layout {

inline constexpr VirtAddr random_start{0xffff800000000000};
inline constexpr VirtAddr random_end{0xffffec0000000000};
inline constexpr VirtAddr kasan_shadow_start{0xffffec0000000000};
inline constexpr VirtAddr kasan_shadow_end{0xfffffc0000000000};
inline constexpr VirtAddr early_window{0xfffffc0000000000};
inline constexpr u64 early_window_size = 4 * gib;
inline constexpr VirtAddr image_window_start{0xffffffff80000000};
inline constexpr VirtAddr image_window_end{0xffffffffc0000000};
inline constexpr VirtAddr user_end{0x00007ffffffff000};

/// Granule of the random bases: one entry of the level above the largest page.
inline constexpr u64 base_granule = 1 * gib;
inline constexpr u64 vmalloc_size = 1 * tib;
inline constexpr u64 physical_limit = 64 * tib;

constexpr bool is_kernel_address(VirtAddr va) { return va >= random_start; }

}  // namespace auk::mem::layout
