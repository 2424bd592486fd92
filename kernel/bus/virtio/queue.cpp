#include "bus/virtio/queue.hpp"

#include <algorithm>
#include <bit>

#include "base/bug.hpp"

namespace auk::bus::virtio {
namespace {

constexpr u16 has_next = 1, device_writes = 2;
/// Flags of the rings: "do not interrupt me", and the device's "do not tell me".
constexpr u16 be_quiet = 1;

/// Virtio 1.2, 2.7.10: `event` is one of the indexes that came between.
constexpr bool is_passed(u16 event, u16 now, u16 before) {
  return static_cast<u16>(now - event - 1) < static_cast<u16>(now - before);
}

}  // namespace

Queue::Queue(std::span<byte> shared, PhysAddr at, std::span<Slot> slots, bool has_event_index)
    : shared_(shared.data()),
      at_(at),
      slots_(slots),
      has_event_index_(has_event_index),
      free_count_(static_cast<u16>(slots.size())) {
  ASSERT(std::has_single_bit(slots.size()) && slots.size() <= most_size);
  ASSERT(shared.size() >= shared_size(size()));
  for (u16 i = 0; i < free_count_; ++i)
    slots_[i] = {.next = static_cast<u16>(i + 1 < free_count_ ? i + 1 : no_slot)};
}

/// Describes a segment in the free slot, and goes on to the next one.
void Queue::put(u16& slot, const Segment& s, u16 flags) {
  Descriptor& d = descriptor(slot);
  d.at.store_relaxed(s.at.value);
  d.size.store_relaxed(s.size);
  d.flags.store_relaxed(flags);
  d.next.store_relaxed(slots_[slot].next);
  slot = slots_[slot].next;
}

Result<void> Queue::add(std::span<const Segment> readable, std::span<const Segment> writable,
                        void* token) {
  const usize count = readable.size() + writable.size();
  ASSERT(count > 0 && token != nullptr);
  if (is_broken_) return Errno::eio;
  if (count > free_count_) return Errno::enospc;
  const u16 first = first_free_;
  u16 at = first;
  usize left = count;
  u64 room = 0;
  for (const Segment& s : readable) put(at, s, --left > 0 ? has_next : 0);
  for (const Segment& s : writable) {
    put(at, s, static_cast<u16>(device_writes | (--left > 0 ? has_next : 0)));
    room += s.size;
  }
  first_free_ = at;
  free_count_ = static_cast<u16>(free_count_ - count);
  slots_[first].token = token;
  slots_[first].writable = static_cast<u32>(std::min<u64>(room, ~u32{0}));
  slots_[first].count = static_cast<u16>(count);
  ++buffers_;
  available_entry(static_cast<u16>(added_ & (size() - 1))).store_relaxed(first);
  ++added_;
  return {};
}

bool Queue::publish() {
  const u16 before = std::exchange(shown_, added_);
  // The device looks whether there is more after it has said that it wants to be told.
  available().index.store_seq_cst(added_);
  if (before == added_) return false;
  if (has_event_index_) return is_passed(available_event().load_seq_cst(), added_, before);
  return (used().flags.load_seq_cst() & be_quiet) == 0;
}

/// Puts the descriptors of a buffer back to the free ones; whose it was.
void* Queue::free_buffer(u16 first) {
  Slot& head = slots_[first];
  u16 last = first;
  for (u16 n = 1; n < head.count; ++n) last = slots_[last].next;
  slots_[last].next = std::exchange(first_free_, first);
  free_count_ = static_cast<u16>(free_count_ + head.count);
  --buffers_;
  return std::exchange(head.token, nullptr);
}

std::optional<Queue::Used> Queue::take() {
  if (is_broken_) return std::nullopt;
  const auto waiting = static_cast<u16>(used().index.load_acquire() - taken_);
  if (waiting == 0) return std::nullopt;
  const UsedEntry& e = used_item(static_cast<u16>(taken_ & (size() - 1)));
  const u32 id = e.id.load_relaxed(), written = e.size.load_relaxed();
  // More than it has, or none of those that it has.
  if (waiting > buffers_ || id >= size() || slots_[id].token == nullptr) {
    is_broken_ = true;
    return std::nullopt;
  }
  ++taken_;
  const u32 most = slots_[id].writable;
  return Used{free_buffer(static_cast<u16>(id)), std::min(written, most)};
}

bool Queue::want_interrupt() {
  if (has_event_index_)
    used_event().store_seq_cst(taken_);
  else
    available().flags.store_seq_cst(0);
  return !is_broken_ && used().index.load_seq_cst() != taken_;
}

void Queue::want_no_interrupt() {
  // With an index: the one that is furthest away.
  if (has_event_index_)
    used_event().store_relaxed(static_cast<u16>(taken_ - 1));
  else
    available().flags.store_relaxed(be_quiet);
}

void* Queue::take_back() {
  for (u16 i = 0; buffers_ > 0 && i < size(); ++i)
    if (slots_[i].token != nullptr) return free_buffer(i);
  added_ = shown_ = taken_ = 0;
  is_broken_ = false;
  std::fill_n(shared_, shared_size(size()), byte{});
  return nullptr;
}

}  // namespace auk::bus::virtio
