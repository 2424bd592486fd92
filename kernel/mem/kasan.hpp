// KASAN: shadow memory of the debug profile. One shadow byte for eight bytes of kernel memory.
//
// Context: any. In other profiles everything here is empty.
// Source: toolchain notes in docs/decisions; LLVM's AddressSanitizer ABI.
#pragma once
#include "base/types.hpp"
#include "core/config.hpp"

namespace auk::mem::kasan {

#ifdef AUK_KASAN
/// Runs the constructors that tell about the red zones of globals. Once, first thing at boot.
void register_globals();
/// Real shadow for the frames of a section, from pages at the front of `donor`, which shrinks.
bool map_section_shadow(Pfn first, Pfn last, PhysRange& donor);
void poison_slab(void* p, usize size);
void poison_freed(void* p, usize size);
void unpoison(void* p, usize size);
/// Poisons [p + used, p + size): the caller must not touch what it did not ask for.
void poison_tail(void* p, usize used, usize size);
inline constexpr usize red_zone = 16;
/// Gives a freshly mapped range real shadow; ENOMEM.
bool map_shadow(VirtAddr start, usize size);
#else
inline void register_globals() {}
inline bool map_section_shadow(Pfn, Pfn, PhysRange&) { return true; }
inline void poison_slab(void*, usize) {}
inline void poison_freed(void*, usize) {}
inline void unpoison(void*, usize) {}
inline void poison_tail(void*, usize, usize) {}
inline constexpr usize red_zone = 0;
inline bool map_shadow(VirtAddr, usize) { return true; }
#endif

}  // namespace auk::mem::kasan
