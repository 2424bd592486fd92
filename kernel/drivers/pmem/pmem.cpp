// Ranges of memory that hold something from before the kernel: /dev/pmemN.
//
// Purpose: a virtual machine monitor gives a file as memory, and what is in it need not be copied.
// Data model: the command line names them: memmap=SIZE!START, once for each. The range is taken out
// of the memory that the kernel uses before there is an allocator, and becomes a disk later.
// Context: threads; the ranges are reserved on the boot CPU.
// Differences from Linux: both ends are multiples of a page; nothing is written to the range.
// Source: Linux Documentation/admin-guide/kernel-parameters.txt (memmap=).
#include <array>

#include "base/text.hpp"
#include "block/disk.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "core/memmap.hpp"
#include "dev/device.hpp"
#include "mem/address.hpp"
#include "mem/box.hpp"
#include "mem/pages.hpp"

namespace auk::drivers::pmem {
namespace {

constinit dev::Subsystem block_class("block", dev::Subsystem::Kind::device_class);
constexpr u32 rights = 0060600;

class Pmem final : public block::Disk {
  PhysRange range_;

 public:
  explicit Pmem(PhysRange r) : range_(r) {}
  ~Pmem() = default;
  std::span<byte> bytes() override {
    return mem::bytes_of(pfn_of(range_.start), range_.size() >> page_shift);
  }
  PhysAddr memory() const override { return range_.start; }
};

Result<void> add(PhysRange r, u32 index) {
  if (r.empty() || ((r.start.value | r.end.value) & (page_size - 1)) != 0) return Errno::einval;
  TRY(mem::describe_memory(r));
  mem::Box<Pmem> made = TRY(mem::Box<Pmem>::make(ALLOC_SITE, r));
  Pmem& disk = *made.release();
  block::register_disk(disk);
  std::array<char, 16> memory;
  Writer name(memory);
  format_to(name, "pmem{}", index);
  dev::add_device(block_class, name.text(), disk.number(), rights);
  return {};
}

void setup() {
  block_class.setup();
  u32 index = 0;
  core::each_memmap([&](const core::MemmapEntry& e) {
    if (e.kind != core::MemmapEntry::Kind::persistent) return;
    if (const Result<void> r = add(e.range, index++); !r.ok())
      core::log_err("pmem: {}: {}", e.range.start, r.error());
  });
}
INIT_TASK(pmem, "devices", "disks", setup);

}  // namespace
}  // namespace auk::drivers::pmem
