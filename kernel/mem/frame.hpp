// One word per physical page: what the page is, and where its descriptor lies (decision D1).
//
// Data model: an array indexed by frame number, of which only the parts are backed that belong to
// sections in use. The low four bits are the tag. What the rest means depends on it:
//   free head   order, links to the neighbours on the section's free list (offsets in the section)
//   free body   nothing; the page is inside a larger free run
//   cached      waits in a per-CPU list
//   kernel      order of the run; pages nobody described further (stacks, tables, buffers)
//   slab, table, folio   pointer to the descriptor, 16-byte aligned
// Locking: words of free pages belong to the zone lock; words of used pages to the owner.
// Context: any.
#pragma once
#include "base/atomic.hpp"
#include "base/types.hpp"

namespace auk::mem {

enum class FrameTag : u8 {
  absent = 0,  ///< no RAM, firmware's, or the image
  free_head = 1,
  free_body = 2,
  cached = 3,
  kernel = 4,
  slab = 5,
  table = 6,
  folio = 7,
};

struct FrameWord {
  u64 bits = 0;

  static constexpr u16 no_link = 0xffff;

  constexpr FrameTag tag() const { return static_cast<FrameTag>(bits & 15); }
  constexpr unsigned order() const { return (bits >> 4) & 15; }
  constexpr u16 next() const { return static_cast<u16>(bits >> 16); }
  constexpr u16 prev() const { return static_cast<u16>(bits >> 32); }
  template <class T> T* descriptor() const { return reinterpret_cast<T*>(bits & ~u64{15}); }

  static constexpr FrameWord of(FrameTag t, unsigned order = 0) {
    return {static_cast<u64>(t) | (u64{order} << 4)};
  }
  static constexpr FrameWord free_head(unsigned order, u16 prev, u16 next) {
    return {of(FrameTag::free_head, order).bits | (u64{next} << 16) | (u64{prev} << 32)};
  }
  template <class T> static FrameWord with_descriptor(FrameTag t, T* d) {
    return {reinterpret_cast<u64>(d) | static_cast<u64>(t)};
  }
};
static_assert(sizeof(FrameWord) == 8);

inline constexpr unsigned section_shift = 27 - page_shift;
inline constexpr usize pages_per_section = usize{1} << section_shift;  ///< 128 MiB

/// Address of the array; entries of sections that are not in use must not be touched.
extern uptr frame_words_base;

inline Atomic<u64>& frame_word(Pfn pfn) {
  return *reinterpret_cast<Atomic<u64>*>(frame_words_base + pfn.value * sizeof(FrameWord));
}
inline FrameWord read_frame(Pfn pfn) { return {frame_word(pfn).load_acquire()}; }
inline void write_frame(Pfn pfn, FrameWord w) { frame_word(pfn).store_release(w.bits); }

}  // namespace auk::mem
