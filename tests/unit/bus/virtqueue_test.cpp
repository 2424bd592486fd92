#include "bus/virtio/queue.hpp"

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <vector>

namespace auk::bus::virtio {
namespace {

constexpr PhysAddr place(0x40000000);

/// A device that reads the rings as the specification has it, from the addresses it was told.
class Device {
  std::vector<byte>& memory_;
  Queue::Addresses at_;
  u32 size_;
  u16 seen_ = 0, used_ = 0;

  template <class T> T& get(PhysAddr at) const {
    return *reinterpret_cast<T*>(&memory_[at.value - place.value]);
  }

 public:
  struct Buffer {
    u16 id;
    std::vector<Segment> readable, writable;
  };

  Device(std::vector<byte>& memory, const Queue& q, u32 size)
      : memory_(memory),
        at_(q.addresses()),
        size_(size) {}
  std::optional<Buffer> pop() {
    if (get<u16>(at_.available + 2) == seen_) return std::nullopt;
    Buffer b{.id = get<u16>(at_.available + 4 + u64{seen_++ % size_} * 2),
             .readable = {},
             .writable = {}};
    for (u16 d = b.id;;) {
      const PhysAddr at = at_.descriptors + u64{d} * 16;
      const u16 flags = get<u16>(at + 12);
      (((flags & 2) != 0) ? b.writable : b.readable)
          .push_back({PhysAddr(get<u64>(at)), get<u32>(at + 8)});
      if ((flags & 1) == 0) break;
      d = get<u16>(at + 14);
    }
    return b;
  }
  void push(u32 id, u32 written) {
    const PhysAddr at = at_.used + 4 + u64{used_ % size_} * 8;
    get<u32>(at) = id;
    get<u32>(at + 4) = written;
    get<u16>(at_.used + 2) = ++used_;
  }
  void set_index(u16 n) { get<u16>(at_.used + 2) = n; }
  void be_quiet(bool quiet) { get<u16>(at_.used) = quiet ? 1 : 0; }
  void tell_me_at(u16 index) { get<u16>(at_.used + 4 + u64{size_} * 8) = index; }
  bool wants_interrupt() const { return (get<u16>(at_.available) & 1) == 0; }
  u16 interrupt_at() const { return get<u16>(at_.available + 4 + u64{size_} * 2); }
  u16 seen() const { return seen_; }
};

struct Pair {
  u32 size;
  std::vector<byte> memory;
  std::vector<Queue::Slot> slots;
  Queue queue;
  Device device;

  explicit Pair(u32 n, bool event_index = false)
      : size(n),
        memory(Queue::shared_size(n)),
        slots(n),
        queue(memory, place, slots, event_index),
        device(memory, queue, n) {}
};

void* token(uptr n) { return reinterpret_cast<void*>(n); }
Segment segment(u64 n, u32 size) { return {PhysAddr(n * 0x1000), size}; }

TEST(Virtqueue, layout_of_old_devices) {
  for (u32 size = 1; size <= Queue::most_size; size *= 2) {
    Pair s(size);
    const Queue::Addresses a = s.queue.addresses();
    EXPECT_EQ(a.descriptors.value, place.value);
    EXPECT_EQ(a.available.value, place.value + u64{size} * 16);
    EXPECT_EQ(a.used.value % page_size, 0U);
    EXPECT_GE(a.used.value, a.available.value + 4 + u64{size} * 2 + 2);
    EXPECT_LT(a.used.value, a.available.value + 4 + u64{size} * 2 + 2 + page_size);
  }
}

TEST(Virtqueue, a_buffer_goes_and_comes_back) {
  Pair s(8);
  const std::array out{segment(1, 16), segment(2, 100)};
  const std::array in{segment(3, 512)};
  ASSERT_TRUE(s.queue.add(out, in, token(7)).ok());
  EXPECT_EQ(s.queue.free_descriptors(), 5);
  // Not before it is shown.
  EXPECT_FALSE(s.device.pop());
  EXPECT_TRUE(s.queue.publish());
  const auto b = s.device.pop();
  ASSERT_TRUE(b);
  ASSERT_EQ(b->readable.size(), 2U);
  ASSERT_EQ(b->writable.size(), 1U);
  EXPECT_EQ(b->readable[1].at.value, 0x2000U);
  EXPECT_EQ(b->readable[1].size, 100U);
  EXPECT_EQ(b->writable[0].at.value, 0x3000U);
  EXPECT_FALSE(s.queue.take());
  s.device.push(b->id, 300);
  const auto used = s.queue.take();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->token, token(7));
  EXPECT_EQ(used->written, 300U);
  EXPECT_EQ(s.queue.free_descriptors(), 8);
  EXPECT_FALSE(s.queue.take());
  EXPECT_FALSE(s.queue.publish());
}

TEST(Virtqueue, no_more_than_fit) {
  Pair s(4);
  const std::array two{segment(1, 1), segment(2, 1)};
  ASSERT_TRUE(s.queue.add(two, {}, token(1)).ok());
  ASSERT_TRUE(s.queue.add({}, two, token(2)).ok());
  EXPECT_EQ(s.queue.add(std::span(two).first(1), {}, token(3)).error(), Errno::enospc);
  s.queue.publish();
  s.device.push(s.device.pop()->id, 0);
  EXPECT_EQ(s.queue.take()->token, token(1));
  EXPECT_EQ(s.queue.add(std::span(two), std::span(two).first(1), token(3)).error(), Errno::enospc);
  EXPECT_TRUE(s.queue.add(two, {}, token(3)).ok());
}

TEST(Virtqueue, more_was_written_than_there_was_room_for) {
  Pair s(4);
  const std::array in{segment(1, 100), segment(2, 28)};
  ASSERT_TRUE(s.queue.add({}, in, token(1)).ok());
  s.queue.publish();
  s.device.push(s.device.pop()->id, 0xffffffff);
  EXPECT_EQ(s.queue.take()->written, 128U);
  // What is only read is not written.
  ASSERT_TRUE(s.queue.add(in, {}, token(1)).ok());
  s.queue.publish();
  s.device.push(s.device.pop()->id, 5);
  EXPECT_EQ(s.queue.take()->written, 0U);
}

TEST(Virtqueue, lies_break_it) {
  const std::array one{segment(1, 1)};
  const auto broken_by = [&](auto lie) {
    Pair s(4);
    EXPECT_TRUE(s.queue.add(one, one, token(1)).ok());
    EXPECT_TRUE(s.queue.add(one, one, token(2)).ok());
    s.queue.publish();
    const u16 first = s.device.pop()->id;
    lie(s, first);
    while (s.queue.take()) {}
    EXPECT_TRUE(s.queue.is_broken());
    EXPECT_EQ(s.queue.add(one, {}, token(3)).error(), Errno::eio);
    EXPECT_FALSE(s.queue.want_interrupt());
    // Reset: each buffer comes back once, and all is as new.
    int back = 0;
    while (s.queue.take_back() != nullptr) ++back;
    EXPECT_FALSE(s.queue.is_broken());
    EXPECT_EQ(s.queue.free_descriptors(), 4);
    Device fresh(s.memory, s.queue, 4);
    EXPECT_TRUE(s.queue.add(one, {}, token(4)).ok());
    EXPECT_TRUE(s.queue.publish());
    fresh.push(fresh.pop()->id, 0);
    EXPECT_EQ(s.queue.take()->token, token(4));
    return back;
  };
  EXPECT_EQ(broken_by([](Pair& s, u16) { s.device.push(4, 0); }), 2);
  EXPECT_EQ(broken_by([](Pair& s, u16) { s.device.push(0xffffffff, 0); }), 2);
  // In the middle of a buffer.
  EXPECT_EQ(broken_by([](Pair& s, u16 id) { s.device.push(id + 1U, 0); }), 2);
  // Twice the same.
  EXPECT_EQ(broken_by([](Pair& s, u16 id) {
              s.device.push(id, 0);
              s.device.push(id, 0);
            }),
            1);
  // More than it was given.
  EXPECT_EQ(broken_by([](Pair& s, u16) { s.device.set_index(3); }), 2);
  EXPECT_EQ(broken_by([](Pair& s, u16) { s.device.set_index(0xffff); }), 2);
}

TEST(Virtqueue, a_device_that_need_not_be_told) {
  const std::array one{segment(1, 1)};
  Pair s(8);
  s.device.be_quiet(true);
  ASSERT_TRUE(s.queue.add(one, {}, token(1)).ok());
  EXPECT_FALSE(s.queue.publish());
  s.device.be_quiet(false);
  ASSERT_TRUE(s.queue.add(one, {}, token(2)).ok());
  EXPECT_TRUE(s.queue.publish());
  Pair e(8, true);
  e.device.tell_me_at(1);
  ASSERT_TRUE(e.queue.add(one, {}, token(1)).ok());
  EXPECT_FALSE(e.queue.publish());
  ASSERT_TRUE(e.queue.add(one, {}, token(2)).ok());
  EXPECT_TRUE(e.queue.publish());
  ASSERT_TRUE(e.queue.add(one, {}, token(3)).ok());
  EXPECT_FALSE(e.queue.publish());
}

TEST(Virtqueue, interrupts_when_they_are_wanted) {
  const std::array one{segment(1, 1)};
  Pair s(8);
  s.queue.want_no_interrupt();
  EXPECT_FALSE(s.device.wants_interrupt());
  EXPECT_FALSE(s.queue.want_interrupt());
  EXPECT_TRUE(s.device.wants_interrupt());
  ASSERT_TRUE(s.queue.add(one, {}, token(1)).ok());
  s.queue.publish();
  s.device.push(s.device.pop()->id, 0);
  // It has come before anybody asked for it.
  EXPECT_TRUE(s.queue.want_interrupt());
  EXPECT_TRUE(s.queue.take());
  EXPECT_FALSE(s.queue.want_interrupt());
  Pair e(8, true);
  ASSERT_TRUE(e.queue.add(one, {}, token(1)).ok());
  e.queue.publish();
  e.device.push(e.device.pop()->id, 0);
  EXPECT_TRUE(e.queue.want_interrupt());
  EXPECT_EQ(e.device.interrupt_at(), 0);
  EXPECT_TRUE(e.queue.take());
  EXPECT_FALSE(e.queue.want_interrupt());
  EXPECT_EQ(e.device.interrupt_at(), 1);
  e.queue.want_no_interrupt();
  EXPECT_EQ(e.device.interrupt_at(), 0);
}

/// What the driver gave away, and what became of it.
struct Given {
  std::vector<Segment> readable, writable;
  u32 room = 0, written = 0;
};

bool is_same(const std::vector<Segment>& a, const std::vector<Segment>& b) {
  return std::ranges::equal(a, b, [](const Segment& x, const Segment& y) {
    return x.at.value == y.at.value && x.size == y.size;
  });
}

/// A driver and a device that do what they may, in any order.
class Game {
  Pair s_;
  std::mt19937 random_;
  bool event_index_;
  std::map<uptr, Given> given_;
  std::deque<uptr> shown_, unshown_;
  std::vector<std::pair<Device::Buffer, uptr>> at_device_;
  uptr next_ = 1;
  u16 published_ = 0, told_at_ = 0;

  void add() {
    Given g{.readable = std::vector<Segment>(random_() % 4),
            .writable = std::vector<Segment>(random_() % 4)};
    const usize count = g.readable.size() + g.writable.size();
    if (count == 0) return;
    for (Segment& x : g.readable) x = segment(random_(), random_() % 5000);
    for (Segment& x : g.writable) g.room += (x = segment(random_(), random_() % 5000)).size;
    const bool fits = count <= s_.queue.free_descriptors();
    ASSERT_EQ(s_.queue.add(g.readable, g.writable, token(next_)).ok(), fits);
    if (!fits) return;
    unshown_.push_back(next_);
    given_[next_++] = g;
  }
  void publish() {
    const u16 before = published_;
    // One of the indexes that are passed is the one that it asked for.
    bool is_asked = !unshown_.empty() && !event_index_;
    for (usize i = 0; i < unshown_.size(); ++i)
      is_asked |= static_cast<u16>(before + i) == told_at_;
    ASSERT_EQ(s_.queue.publish(), is_asked);
    published_ = static_cast<u16>(before + unshown_.size());
    shown_.insert(shown_.end(), unshown_.begin(), unshown_.end());
    unshown_.clear();
  }
  void pop() {
    if (const auto b = s_.device.pop()) {
      ASSERT_FALSE(shown_.empty());
      const Given& g = given_[shown_.front()];
      ASSERT_TRUE(is_same(b->readable, g.readable) && is_same(b->writable, g.writable));
      at_device_.emplace_back(*b, shown_.front());
      shown_.pop_front();
    }
    if (!event_index_) return;
    told_at_ = static_cast<u16>(published_ + random_() % 3);
    s_.device.tell_me_at(told_at_);
  }
  void push() {
    if (at_device_.empty()) return;
    const auto which =
        at_device_.begin() + static_cast<std::ptrdiff_t>(random_() % at_device_.size());
    const u32 written = random_() % 20000;
    s_.device.push(which->first.id, written);
    given_[which->second].written = written;
    at_device_.erase(which);
  }
  void take() {
    const auto used = s_.queue.take();
    if (!used) return;
    const auto it = given_.find(reinterpret_cast<uptr>(used->token));
    ASSERT_NE(it, given_.end());
    ASSERT_EQ(used->written, std::min(it->second.written, it->second.room));
    given_.erase(it);
    ++back;
  }

 public:
  u64 back = 0;

  Game(u32 size, bool event_index)
      : s_(size, event_index),
        random_(size),
        event_index_(event_index) {}
  void step() {
    switch (random_() % 5) {
      case 0: return add();
      case 1: return publish();
      case 2: return pop();
      case 3: return push();
      default: take();
    }
    ASSERT_FALSE(s_.queue.is_broken());
  }
};

/// Each buffer comes to the device as it was given away, and comes back once.
TEST(Virtqueue, many) {
  for (const bool event_index : {false, true})
    for (const u32 size : {1U, 2U, 16U, 256U}) {
      Game game(size, event_index);
      for (int i = 0; i < 300000 && !HasFatalFailure(); ++i) game.step();
      EXPECT_GT(game.back, 3000U);
    }
}

}  // namespace
}  // namespace auk::bus::virtio
