#include "bus/pci/function.hpp"

#include "core/init_graph.hpp"
#include "mem/isa/layout.hpp"
#include "mem/vmalloc.hpp"

namespace auk::bus::pci {
namespace {

constinit dev::Subsystem bus("pci", dev::Subsystem::Kind::bus);

using dev::Shown;

/// A number as that many hexadecimal digits behind "0x".
template <auto get, unsigned digits> void put_hex(const Function& f, mem::Text& out) {
  const auto value = u32{(f.header().*get)()};
  if constexpr (digits == 2) out.print("0x{:02x}\n", value);
  if constexpr (digits == 4) out.print("0x{:04x}\n", value);
  if constexpr (digits == 6) out.print("0x{:06x}\n", value);
}
constexpr Shown<Function, put_hex<&Header::vendor, 4>> vendor_file("vendor");
constexpr Shown<Function, put_hex<&Header::device, 4>> device_file("device");
constexpr Shown<Function, put_hex<&Header::subsystem_vendor, 4>>
    subsystem_vendor_file("subsystem_vendor");
constexpr Shown<Function, put_hex<&Header::subsystem_device, 4>>
    subsystem_device_file("subsystem_device");
constexpr Shown<Function, put_hex<&Header::class_code, 6>> class_file("class");
constexpr Shown<Function, put_hex<&Header::revision, 2>> revision_file("revision");

void put_modalias(const Function& f, mem::Text& out) {
  const Header& h = f.header();
  const u32 code = h.class_code();
  out.print("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}\n", h.vendor(), h.device(),
            h.subsystem_vendor(), h.subsystem_device(), code >> 16, code >> 8 & 0xff, code & 0xff);
}
constexpr Shown<Function, put_modalias> modalias_file("modalias");

void put_window(const Window& w, mem::Text& out) {
  constexpr u64 sized = 0x40000, ports = 0x100, memory = 0x200, of_64_bits = 0x100000,
                prefetchable = 0x2000;
  u64 flags = 0;
  if (w.size != 0) flags = sized | w.kind | (w.is_memory() ? memory : ports);
  if (w.is_memory() && (w.kind & 4) != 0) flags |= of_64_bits;
  if (w.is_memory() && (w.kind & 8) != 0) flags |= prefetchable;
  out.print("0x{:016x} 0x{:016x} 0x{:016x}\n", w.address, w.size == 0 ? 0 : w.address + w.size - 1,
            flags);
}
void put_windows(const Function& f, mem::Text& out) {
  for (const Window& w : f.windows()) put_window(w, out);
  // Of its ROM and of virtual functions, which we do not read.
  constexpr usize others = 7;
  for (usize i = 0; i < others; ++i) put_window({}, out);
}
constexpr Shown<Function, put_windows> resource_file("resource");

constexpr std::array<const dev::Attribute*, 8> files{
    &vendor_file, &device_file,   &subsystem_vendor_file, &subsystem_device_file,
    &class_file,  &revision_file, &modalias_file,         &resource_file};

}  // namespace

Function::Function(ConfigSpace& space, Address at)
    : Device(bus, files),
      header_(space, at),
      windows_(header_.read_windows()) {}

void Function::put_event(mem::Text& out) const {
  out.print("PCI_CLASS={:04X}\nPCI_ID={:04X}:{:04X}\nPCI_SUBSYS_ID={:04X}:{:04X}\n",
            header_.class_code(), header_.vendor(), header_.device(), header_.subsystem_vendor(),
            header_.subsystem_device());
  out.print("PCI_SLOT_NAME={}\nMODALIAS=", name());
  put_modalias(*this, out);
}

Result<Registers> Function::map(u8 window, u32 offset, u32 size) const {
  if (window >= windows_.size()) return Errno::enodev;
  const Window& w = windows_[window];
  if (!w.is_memory() || !w.has(offset, size)) return Errno::enodev;
  const PhysAddr at(w.address + offset);
  // Where it has no business: what is written to it would land elsewhere.
  if (w.address + w.size > mem::layout::physical_limit || mem::is_any_memory(at, size))
    return Errno::enodev;
  return Registers::map(at, size);
}

dev::Subsystem& subsystem() { return bus; }

static void setup() { bus.setup(); }
INIT_TASK(pci_bus, "devices", "pci_bus", setup);

}  // namespace auk::bus::pci
