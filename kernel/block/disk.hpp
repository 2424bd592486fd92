// Disks: what a file system is made on, by number.
//
// Data model: a Disk is made by its driver and stays for ever. Locking: level driver for the list.
// Context: threads. Differences from Linux: only those whose bytes stand in memory, and nobody but
// file systems reads them.
#pragma once
#include <span>

#include "base/types.hpp"

namespace auk::block {

/// Linux's major number for disks that have none of their own.
inline constexpr u32 extended_major = 259;

class Disk {
  friend class Disks;
  Disk* next_ = nullptr;
  u64 number_ = 0;

 public:
  /// All of its bytes.
  virtual std::span<byte> bytes() = 0;
  /// The range of memory that they are, of which folios may borrow pages.
  virtual PhysAddr memory() const = 0;
  u64 number() const { return number_; }

 protected:
  constexpr Disk() = default;
  ~Disk() = default;
};
/// Gives it the next number.
void register_disk(Disk& d);
/// Null: there is none of that number.
Disk* find_disk(u64 number);

}  // namespace auk::block
