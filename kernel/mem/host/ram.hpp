// RAM of a simulated machine: what the boot path and the memory bus give on a real one.
//
// Purpose: the floors from mem up run in a host process, on the real page tables and allocators.
// Data model: one file without a name plays physical memory; it is mapped in the early window and
// in the direct map. Frame words lie in memory of their own behind the addresses that the page
// tables map, so the pages that should hold them are taken but never touched.
// Context: once for a process, before any other use of mem.
#pragma once
#include <span>

#include "base/types.hpp"

namespace auk::mem::host {

/// The image lies in the first MiB above 1 MiB; that MiB has to be RAM.
inline constexpr PhysRange image{PhysAddr(1 * mib), PhysAddr(2 * mib)};

/// Makes a machine with these ranges of RAM and brings mem up on it as start_kernel does.
void start(std::span<const PhysRange> ram);
/// Frame words exist for the frames below this one, whether or not there is RAM behind them: what
/// lies above the RAM is free for allocators that a test makes for itself.
Pfn frame_word_end();

}  // namespace auk::mem::host
