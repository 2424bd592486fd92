// /sys/kernel, and the clock: what the kernel says of itself.
// Source: Linux Documentation/ABI/testing/sysfs-kernel-*, sysfs-devices-system (clocksource).
#include <bit>

#include "core/init_graph.hpp"
#include "core/oops.hpp"
#include "core/symbols.hpp"
#include "dev/device.hpp"
#include "machine/isa/cpu.hpp"

namespace auk::drivers::system {
namespace {

using dev::Attribute;
using dev::Object;
template <auto show> using Shown = dev::Shown<Object, show>;

constexpr Shown<[](const Object&, mem::Text& out) { out.print("{}\n", dev::last_event()); }>
    last_event("uevent_seqnum");
constexpr Shown<[](const Object&, mem::Text& out) { out.print("{}\n", core::oops_count()); }>
    oopses("oops_count");
constexpr Shown<[](const Object&, mem::Text& out) { out.print("{}\n", core::warning_count()); }>
    warnings("warn_count");
// Files carry capabilities.
constexpr Shown<[](const Object&, mem::Text& out) { out.put("1\n"); }> capabilities("fscaps");
constexpr Shown<[](const Object&, mem::Text& out) {
  out.put(std::endian::native == std::endian::little ? "little\n" : "big\n");
}>
    byte_order("cpu_byteorder");
constexpr Shown<[](const Object&, mem::Text& out) { out.print("{}\n", sizeof(void*) * 8); }>
    word_size("address_bits");

class Notes final : public Attribute {
 public:
  constexpr Notes() : Attribute("notes", 0444) {}
  u64 size() const override { return core::build_note().size(); }
  Result<void> show(const Object&, mem::Text& out) const override {
    out.put(core::build_note());
    return {};
  }
};
constexpr Notes notes;
constexpr std::array<const Attribute*, 7> kernel_files{
    &last_event, &oopses, &warnings, &capabilities, &byte_order, &word_size, &notes};

// There is one clock: the CPUs' counter.
constexpr Shown<[](const Object&, mem::Text& out) { out.print("{} \n", machine::timestamp_name); }>
    available("available_clocksource");
constexpr Shown<[](const Object&, mem::Text& out) { out.print("{}\n", machine::timestamp_name); }>
    current("current_clocksource");
constexpr std::array<const Attribute*, 2> clock_files{&available, &current};
constinit dev::Subsystem clocks("clocksource", dev::Subsystem::Kind::system);

class ClockDevice final : public dev::Device {
  void dispose() override { mem::destroy(this); }

 public:
  ClockDevice() : Device(clocks, clock_files) {}
  ~ClockDevice() = default;
};

void setup() {
  (void)dev::add_place(dev::root(), "kernel", kernel_files);
  clocks.setup();
  dev::add_device("clocksource0", mem::make_ref<ClockDevice>(ALLOC_SITE));
}
INIT_TASK(kernel_objects, "devices", "kernel_objects", setup);

}  // namespace
}  // namespace auk::drivers::system
