// What the simulated kernel takes for mem: objects and stacks from an arena of the host.
//
// Data model: objects lie one behind the other and are never reused within a seed, so that a write
// to a freed one is seen at the end. Stacks have a guard page; their range descriptors lie in the
// arena. The arena is at a fixed address: where things lie is part of what a seed repeats.
// Context: as mem's own; allocation and freeing are switch points.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/isa/sim.hpp"
#include "core/smp_call.hpp"
#include "core/thread_core.hpp"
#include "mem/slab.hpp"
#include "mem/translation.hpp"
#include "mem/vmalloc.hpp"
#include "support/world.hpp"

namespace auk::sim::arena {
namespace {

constexpr uptr objects_at = 0x10'0000'0000;
constexpr usize objects_size = 16 * mib;
constexpr uptr stacks_at = 0x20'0000'0000;
constexpr usize stack_pitch = mem::kernel_stack_size + page_size;
constexpr u32 most_stacks = 256;
constexpr byte freed_byte = 0xdb;
constexpr u64 alive_mark = 0x616c697665212121, freed_mark = 0x6672656564212121;

struct alignas(16) Header {
  u64 mark;
  u64 size;
};

usize used = 0;
u32 stacks = 0;
u32 live = 0;

void map_at(uptr at, usize size, int protection) {
  void* const got = mmap(reinterpret_cast<void*>(at), size, protection,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != reinterpret_cast<void*>(at)) {
    std::perror("mmap");
    std::exit(2);
  }
}

void map_once() {
  static bool done = false;
  if (done) return;
  map_at(objects_at, objects_size, PROT_READ | PROT_WRITE);
  map_at(stacks_at, stack_pitch * most_stacks, PROT_READ | PROT_WRITE);
  for (u32 i = 0; i < most_stacks; ++i)
    mprotect(reinterpret_cast<void*>(stacks_at + i * stack_pitch), page_size, PROT_NONE);
  done = true;
}

Header* header_of(void* p) { return static_cast<Header*>(p) - 1; }

}  // namespace

void reset() {
  map_once();
  used = 0;
  stacks = 0;
  live = 0;
}

void* take(usize size) {
  const usize whole = sizeof(Header) + ((size + 15) & ~usize{15});
  if (used + whole > objects_size) fail(__FILE__, __LINE__, "the arena is used up");
  auto* const h = reinterpret_cast<Header*>(objects_at + used);
  used += whole;
  *h = {alive_mark, size};
  return std::memset(h + 1, 0, size);
}

void* allocate(usize size) {
  ++live;
  return take(size);
}

void free(void* p) {
  Header* const h = header_of(p);
  if (h->mark != alive_mark) fail(__FILE__, __LINE__, "what is freed is no live object");
  h->mark = freed_mark;
  std::memset(p, freed_byte, h->size);
  --live;
}

VirtAddr take_stack() {
  if (stacks == most_stacks) fail(__FILE__, __LINE__, "too many stacks");
  const VirtAddr at(stacks_at + stack_pitch * stacks++ + page_size);
  std::memset(reinterpret_cast<void*>(at.value), 0, mem::kernel_stack_size);
  return at;
}

const char* complaint() {
  for (usize at = 0; at < used;) {
    const auto* h = reinterpret_cast<const Header*>(objects_at + at);
    const auto* bytes = reinterpret_cast<const byte*>(h + 1);
    if (h->mark == freed_mark)
      for (usize i = 0; i < h->size; ++i)
        if (bytes[i] != freed_byte) return "an object was written to after it was freed";
    at += sizeof(Header) + ((h->size + 15) & ~u64{15});
  }
  return nullptr;
}

}  // namespace auk::sim::arena

namespace auk::sim {
u32 live_objects() { return arena::live; }
}  // namespace auk::sim

namespace auk::mem {
namespace {

/// Stands for the TLB shoot-down, whose cross-call is what the scheduler sees of it.
class Flush final : public core::CrossCall {
 public:
  void run() override {}
};

}  // namespace

Result<void*> allocate(AllocSite&, usize size, Fill) {
  sim_point();
  return sim::arena::allocate(size);
}

void free(void* p) {
  sim_point();
  if (p != nullptr) sim::arena::free(p);
}

// Only stacks are mapped here. They do not count as left over: the scheduler keeps some.
Result<KernelRange*> map_memory(AllocSite&, usize pages, usize) {
  auto* const range = ::new (sim::arena::take(sizeof(KernelRange))) KernelRange;
  range->start_ = sim::arena::take_stack();
  range->pages_ = static_cast<u32>(pages);
  return range;
}

void unmap(KernelRange* range) {
  Flush flush;
  core::call_on_others(flush);
  std::memset(range->as<byte>(), 0xdb, range->size());
}

Result<KernelRange*> allocate_stack(usize size) { return map_memory(ALLOC_SITE, size / page_size); }

void load_translation(TranslationRoot*) {}

}  // namespace auk::mem

namespace auk::core {
u64 initial_canary() { return 0; }
}  // namespace auk::core
