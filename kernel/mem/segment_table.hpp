// SegmentTable: descriptors of segments that are a program's own.
//
// Data model: counted, and never changed once it is made: a CPU reads it whenever the program names
// a segment, and forks share it. Context: as mem::allocate().
#pragma once
#include <span>

#include "base/own.hpp"
#include "mem/heap_bytes.hpp"

namespace auk::mem {

class SegmentTable final : public RefCounted<SegmentTable> {
  HeapBytes bytes_;

 public:
  /// As many as the hardware knows.
  static constexpr u32 most = 8192;
  using Descriptors = std::span<const u64>;

  explicit SegmentTable(HeapBytes bytes) : bytes_(std::move(bytes)) {}
  /// `old`, if there is one, with one descriptor more or another one. ENOMEM.
  static Result<Ref<SegmentTable>> with(const SegmentTable* old, u32 index, u64 descriptor);
  static void destroy(SegmentTable* t);

  Descriptors descriptors() const {
    const auto bytes = bytes_.bytes();
    return {reinterpret_cast<const u64*>(bytes.data()), bytes.size() / sizeof(u64)};
  }
};

}  // namespace auk::mem
