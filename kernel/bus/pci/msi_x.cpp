#include "bus/pci/msi_x.hpp"

#include "base/text.hpp"

namespace auk::bus::pci {
namespace {

constexpr u32 entry_size = 16, address_low = 0, address_high = 4, data = 8, control = 12;
constexpr u32 masked = 1;

}  // namespace

void MsiX::connect(u32 input, irq::Route r, irq::Trigger, irq::Polarity) {
  const machine::InterruptMessage m = irq::message_for(r);
  const usize entry = usize{input} * entry_size;
  table_.write(entry + control, masked);
  table_.write(entry + address_low, static_cast<u32>(m.address));
  table_.write(entry + address_high, static_cast<u32>(m.address >> 32));
  table_.write(entry + data, m.data);
  table_.write(entry + control, u32{0});
}

void MsiX::mask(u32 input) { table_.write(usize{input} * entry_size + control, masked); }

Result<void> MsiX::setup(u32 least) {
  constexpr u16 size_mask = 0x7ff, all_masked = 0x4000, enabled = 0x8000;
  constexpr u32 window_mask = 7;
  const std::optional<u8> at = function_.header().find_capability(capability::msi_x);
  if (!at) return Errno::enodev;
  const u16 word = function_.header().read16(*at + 2U);
  const u32 place = function_.header().read32(*at + 4U);
  const u32 count = (word & size_mask) + 1U;
  if (count < least) return Errno::enodev;
  table_ = TRY(function_.map(static_cast<u8>(place & window_mask), place & ~window_mask,
                             count * entry_size));
  // Enabled with all masked: what stands in the table is ours before it is used.
  function_.header().write16(*at + 2U, word | enabled | all_masked);
  for (u32 i = 0; i < count; ++i) mask(i);
  function_.header().write16(*at + 2U, static_cast<u16>((word | enabled) & ~all_masked));
  Writer name(name_);
  format_to(name, "PCI-MSIX-{}", function_.name());
  name_size_ = name.text().size();
  range_.controller = this;
  range_.count = count;
  irq::add_numbered(range_);
  return {};
}

}  // namespace auk::bus::pci
