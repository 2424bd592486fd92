// HeapBytes: some memory of a size that is known only when it is needed. Context: as
// mem::allocate().
#pragma once
#include <span>
#include <utility>

#include "base/result.hpp"
#include "mem/slab.hpp"

namespace auk::mem {

class HeapBytes {
  byte* at_;
  usize size_;
  HeapBytes(byte* at, usize size) : at_(at), size_(size) {}

 public:
  /// As allocate(). ENOMEM.
  static Result<HeapBytes> make(AllocSite& site, usize size, Fill fill = Fill::zero) {
    return HeapBytes(static_cast<byte*>(TRY(allocate(site, size, fill))), size);
  }
  HeapBytes(HeapBytes&& o) noexcept : at_(std::exchange(o.at_, nullptr)), size_(o.size_) {}
  HeapBytes& operator=(HeapBytes&&) = delete;
  ~HeapBytes() { free(at_); }
  std::span<byte> bytes() const { return {at_, size_}; }
  /// The caller's from now on, to be given to free().
  byte* release() { return std::exchange(at_, nullptr); }
};

}  // namespace auk::mem
