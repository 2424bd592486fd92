// The buddy allocator of one zone, over sections of 128 MiB.
//
// Purpose: runs of 2^order pages, merged with their buddies when freed.
// Data model: each section has one free list per order, linked through the frame words; for each
// order a bitmap tells which sections have a free run of it. Allocation takes the lowest section,
// so memory fills from below and sections that were never needed stay untouched: their frame words
// do not even exist. A section that is needed for the first time gets its words, placed in its own
// first pages; then it is opened by steps of one longest run, so that nobody waits for a whole one:
// each step takes its ranges out of the boot memory list. A section is closed until the last step.
// Locking: the caller's (mem::pages holds the zone lock).
// Context: any but NMI. Nothing is allocated elsewhere, except table pages for the frame words.
// Differences from Linux: free lists per section instead of per zone, no pageblock types yet.
#pragma once
#include <array>
#include <optional>
#include <span>

#include "base/types.hpp"
#include "mem/boot_memory.hpp"
#include "mem/frame.hpp"

namespace auk::mem {

inline constexpr unsigned max_order = 10;
inline constexpr usize order_count = max_order + 1;

/// Makes the frame words of [first, last) usable: backs them with memory, all `absent`, and maps
/// them.
class FrameWordMapper {
 public:
  /// Pages of `donor` (which lies in the section) may be used up from its front; returns how many
  /// were, or nothing when mapping failed.
  virtual std::optional<usize> map_words(Pfn first, Pfn last, PhysRange donor) = 0;

 protected:
  constexpr FrameWordMapper() = default;
  ~FrameWordMapper() = default;
};

struct Section {
  Pfn first, last;  ///< span that has frame words; empty until the first step
  Pfn closed_from;  ///< what lies here and behind is still in the boot memory list
  std::array<u16, order_count> heads;
  u32 free_pages = 0;
};

/// A set of section numbers: one bit each, with a summary level above.
class SectionSet {
  std::span<u64> bits_;
  std::span<u64> summary_;

 public:
  static usize words_for(usize sections);
  void attach(std::span<u64> storage, usize sections);
  void set(usize n);
  void clear(usize n);
  std::optional<usize> first() const;
};

class Buddy {
  std::span<Section> sections_;
  std::array<SectionSet, order_count> has_free_;
  SectionSet closed_;
  BootMemory* boot_memory_ = nullptr;
  FrameWordMapper* mapper_ = nullptr;
  u64 free_pages_ = 0;
  u64 managed_pages_ = 0;

  Section& section_of(Pfn p) { return sections_[p.value >> section_shift]; }
  void push(usize section, Pfn p, unsigned order);
  void remove(usize section, Pfn p, unsigned order);
  bool give_words(usize section);
  void open_step(usize section);
  void release(Pfn p, unsigned order);

 public:
  struct Run {
    Pfn first;
    unsigned order = 0;
  };
  /// Bytes of bookkeeping for memory that ends at `end`.
  static usize storage_size(Pfn end);
  /// `storage` is zeroed, 8-byte aligned and stays for ever. All of `boot_memory` is taken over,
  /// section by section.
  void attach(std::span<byte> storage, Pfn end, BootMemory& boot_memory, FrameWordMapper& mapper);

  /// The lowest free run of the order; its head word is left as `kernel` with the order.
  std::optional<Pfn> allocate(unsigned order) {
    const std::optional<Run> run = allocate_between(order, order);
    return run ? std::optional(run->first) : std::nullopt;
  }
  /// The smallest free run of at least 2^`least` pages; of a longer one than 2^`most` its front.
  std::optional<Run> allocate_between(unsigned least, unsigned most);
  /// A run that was allocated with this order.
  void free(Pfn p, unsigned order);

  /// More memory of a section that exists: what lies outside the words of an open one is lost.
  void add(PhysRange r);

  /// Free pages in open sections and usable pages in closed ones.
  u64 free_pages() const { return free_pages_; }
  /// All pages ever under management.
  u64 managed_pages() const { return managed_pages_; }
  u64 free_runs(unsigned order) const;
  /// Walks every list and counts; false when a link, tag or count is wrong. For tests.
  bool is_consistent() const;
};

}  // namespace auk::mem
