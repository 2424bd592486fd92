// Split virtqueues, the driver's side. See Virtio 1.2, section 2.7.
//
// Purpose: buffers go to a device and come back. The device is not trusted: it may be broken, or
// belong to somebody who wants in.
// Data model: descriptors, available ring and used ring are memory that the device reads and
// writes; nothing of the first two is ever read back. What the driver must know of its buffers
// stands in a table of its own (Slot, one for each descriptor). The device says two things: how
// many buffers it has used, and which; both are held against the table, each is read once. A device
// that says what cannot be breaks the queue: from then on nothing goes in or out until the driver
// has reset the device and taken its buffers back.
// Locking: the owner's. Context: any. Differences from Linux: neither indirect descriptors nor
// packed rings, which are features that a driver need not accept.
#pragma once
#include <optional>
#include <span>

#include "base/atomic.hpp"
#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::bus::virtio {

/// A piece of a buffer.
struct Segment {
  PhysAddr at;
  u32 size = 0;
};

class Queue {
 public:
  /// What the driver knows of a descriptor.
  struct Slot {
    void* token = nullptr;  ///< of the first one of a buffer that the device has
    u32 writable = 0;       ///< bytes of that buffer that it may write
    u16 next = 0;           ///< in the buffer, or of the free ones
    u16 count = 0;          ///< descriptors of that buffer
  };
  /// Where the three parts stand, for the device.
  struct Addresses {
    PhysAddr descriptors, available, used;
  };

  static constexpr u32 most_size = 1024;
  /// Of the shared memory, which begins with a page: the layout of devices of old, whose used ring
  /// has to begin with one as well.
  static constexpr usize shared_size(u32 size) {
    return used_offset(size) + used_head + usize{size} * used_entry + event_size;
  }

 private:
  struct Descriptor {
    Atomic<u64> at;
    Atomic<u32> size;
    Atomic<u16> flags, next;
  };
  struct UsedEntry {
    Atomic<u32> id, size;
  };
  struct Head {
    Atomic<u16> flags, index;
  };
  static constexpr usize descriptor_size = 16, used_head = 4, used_entry = 8, event_size = 2;
  static_assert(sizeof(Descriptor) == descriptor_size && sizeof(UsedEntry) == used_entry &&
                sizeof(Head) == used_head);
  static constexpr u16 no_slot = 0xffff;

  byte* const shared_;
  const PhysAddr at_;
  const std::span<Slot> slots_;
  const bool has_event_index_;
  u16 first_free_ = 0;
  u16 free_count_;
  u16 buffers_ = 0;  ///< that the device has
  u16 added_ = 0;    ///< buffers, in all, and as the device knows it
  u16 shown_ = 0;
  u16 taken_ = 0;  ///< of the used ones
  bool is_broken_ = false;

  static constexpr usize used_offset(u32 size) {
    // Descriptors, then flags, index, an entry for each and the event.
    const usize end = usize{size} * descriptor_size + 4 + usize{size} * 2 + event_size;
    return (end + page_size - 1) / page_size * page_size;
  }
  u32 size() const { return static_cast<u32>(slots_.size()); }
  template <class T> T& part(usize offset) const { return *reinterpret_cast<T*>(shared_ + offset); }
  usize available_offset() const { return usize{size()} * descriptor_size; }
  Descriptor& descriptor(u16 i) const { return part<Descriptor>(usize{i} * descriptor_size); }
  Head& available() const { return part<Head>(available_offset()); }
  Atomic<u16>& available_entry(u16 i) const {
    return part<Atomic<u16>>(available_offset() + 4 + usize{i} * 2);
  }
  Atomic<u16>& used_event() const { return available_entry(static_cast<u16>(size())); }
  Head& used() const { return part<Head>(used_offset(size())); }
  UsedEntry& used_item(u16 i) const {
    return part<UsedEntry>(used_offset(size()) + used_head + usize{i} * used_entry);
  }
  Atomic<u16>& available_event() const {
    return part<Atomic<u16>>(used_offset(size()) + used_head + usize{size()} * used_entry);
  }
  void put(u16& slot, const Segment& s, u16 flags);
  void* free_buffer(u16 first);

 public:
  /// `shared`: zeros, shared_size() of them, at the physical address `at`; `slots`: as many as the
  /// queue has descriptors, a power of two up to most_size. Both outlive the queue.
  Queue(std::span<byte> shared, PhysAddr at, std::span<Slot> slots, bool has_event_index);

  Addresses addresses() const { return {at_, at_ + available_offset(), at_ + used_offset(size())}; }
  bool is_broken() const { return is_broken_; }
  u16 free_descriptors() const { return free_count_; }

  /// A buffer for the device, of what it reads and what it may write; `token` is not null and comes
  /// back with it. ENOSPC: not now; EIO: the queue is broken.
  Result<void> add(std::span<const Segment> readable, std::span<const Segment> writable,
                   void* token);
  /// Lets the device see what was added. True if it wants to be told.
  bool publish();

  struct Used {
    void* token;
    u32 written;  ///< no more than what it was allowed to
  };
  /// A buffer that the device is done with.
  std::optional<Used> take();
  /// From now on an interrupt tells of the next one. True if there is one already: look again.
  bool want_interrupt();
  void want_no_interrupt();

  /// The device was reset and writes nothing any more: a buffer that it had, null when there is
  /// none left. Then the queue is as new.
  void* take_back();
};

}  // namespace auk::bus::virtio
