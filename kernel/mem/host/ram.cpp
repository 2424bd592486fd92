#include "mem/host/ram.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <sys/mman.h>
#include <unistd.h>

#include "core/handover.hpp"
#include "mem/address.hpp"
#include "mem/frame.hpp"
#include "mem/kernel_map.hpp"
#include "mem/pages.hpp"

namespace auk::mem::host {
namespace {

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::abort();
}

/// `fd` below 0: fresh memory.
void map_at(VirtAddr at, u64 size, int fd) {
  const int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* const want = reinterpret_cast<void*>(at.value);
  if (mmap(want, size, PROT_READ | PROT_WRITE, kind | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0) !=
      want)
    give_up("cannot map simulated RAM");
}

}  // namespace

void start(std::span<const PhysRange> ram) {
  static BootMemory boot_memory;
  const auto handover = std::make_unique<core::HandOver>();
  PhysAddr top(0);
  for (const PhysRange& r : ram) {
    handover->add_memory(r.start, r.size(), core::MemoryKind::usable);
    boot_memory.add(r);
    top = std::max(top, r.end);
  }
  handover->image = image;
  boot_memory.reserve({PhysAddr(0), PhysAddr(page_size)});
  boot_memory.reserve(image);

  const int fd = memfd_create("ram", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(top.value)) != 0) give_up("no simulated RAM");
  map_at(layout::early_window, std::min(top.value, layout::early_window_size), fd);
  setup_address_space(*handover, boot_memory);
  map_at(address_map.direct_map, top.value, fd);
  close(fd);
  map_at(address_map.page_words, layout::base_granule, -1);
  setup_pages(boot_memory);
}

Pfn frame_word_end() { return Pfn(layout::base_granule / sizeof(FrameWord)); }

}  // namespace auk::mem::host
