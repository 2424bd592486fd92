// A virtqueue whose device does anything to the memory that it shares.
//
// The input is a list of steps: what the driver does, what the device writes where. Whatever comes,
// a buffer comes back once, with no more bytes than it had room for, and all of them come back
// after a reset.
#include <map>
#include <vector>

#include "bus/virtio/queue.hpp"
#include "memory.hpp"

using namespace auk;
using bus::virtio::Queue;
using bus::virtio::Segment;

namespace {

void require(bool good) {
  if (!good) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize length) {
  fuzz::Input input(data, length);
  const auto shape = input.number<u8>();
  const u32 size = 1U << (shape & 7) % 6;
  std::vector<byte> shared(Queue::shared_size(size));
  std::vector<Queue::Slot> slots(size);
  Queue queue(shared, PhysAddr(0x100000), slots, (shape & 0x80) != 0);
  const u64 used_at = queue.addresses().used.value - 0x100000;
  std::map<uptr, u64> room;
  uptr next = 1;
  const auto came_back = [&](void* token) {
    const auto it = room.find(reinterpret_cast<uptr>(token));
    require(it != room.end());
    const u64 most = it->second;
    room.erase(it);
    return most;
  };
  while (!input.empty()) {
    const auto step = input.number<u8>();
    switch (step % 8) {
      case 0:
      case 1: {
        std::vector<Segment> out(step >> 3 & 3), in(step >> 5 & 3);
        u64 bytes = 0;
        for (Segment& s : in) bytes += s.size = input.number<u16>();
        if (out.empty() && in.empty()) break;
        const bool fits = out.size() + in.size() <= queue.free_descriptors();
        const Result<void> r = queue.add(out, in, reinterpret_cast<void*>(next));
        require(r.ok() == (fits && !queue.is_broken()));
        if (r.ok()) room[next++] = bytes;
        break;
      }
      case 2: (void)queue.publish(); break;
      case 3:
        if (const auto used = queue.take()) require(used->written <= came_back(used->token));
        break;
      case 4: (void)queue.want_interrupt(); break;
      case 5: {
        // What an honest device would write: an entry, and that there is one more.
        const auto index = static_cast<u16>(shared[used_at + 2] | shared[used_at + 3] << 8);
        const usize entry = used_at + 4 + usize{index % size} * 8;
        shared[entry] = input.number<u8>();
        const auto after = static_cast<u16>(index + 1);
        shared[used_at + 2] = static_cast<byte>(after);
        shared[used_at + 3] = static_cast<byte>(after >> 8);
        break;
      }
      case 6: shared[input.number<u16>() % shared.size()] = input.number<u8>(); break;
      case 7:
        if (step < 0xf0) break;
        while (void* const token = queue.take_back()) (void)came_back(token);
        require(room.empty() && queue.free_descriptors() == size && !queue.is_broken());
        break;
    }
  }
  while (void* const token = queue.take_back()) (void)came_back(token);
  require(room.empty() && queue.free_descriptors() == size);
  return 0;
}
