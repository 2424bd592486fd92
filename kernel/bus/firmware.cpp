#include "bus/firmware.hpp"

#include "base/annotations.hpp"
#include "bus/acpi/tables.hpp"
#include "core/log.hpp"
#include "core/param.hpp"
#include "mem/vmalloc.hpp"

namespace auk::bus {

AUK_RO_AFTER_INIT constinit Firmware firmware;

namespace {

AUK_RO_AFTER_INIT constinit bool acpi_off = false;

bool set_acpi(std::string_view v) {
  acpi_off = v == "off";
  return true;
}
PARAM("acpi", set_acpi);

class DirectReader final : public PhysReader {
 public:
  std::span<const byte> bytes(PhysAddr at, u64 size) override {
    return mem::firmware_bytes(at, size);
  }
};

void read_acpi(PhysReader& reader, PhysAddr hint) {
  const auto root = acpi::find_root(reader, hint);
  const auto tables = root ? acpi::Tables::open(reader, *root) : std::nullopt;
  if (!tables) {
    core::log_info("ACPI: no usable root table");
    return;
  }
  firmware.has_acpi = true;
  core::log_info("ACPI: RSDP {} {} {}", root->rsdp, root->is_xsdt ? "XSDT" : "RSDT", root->table);
  for (u32 i = 0; i < tables->count(); ++i) {
    const auto t = tables->table(i);
    if (!t) continue;
    core::log_info("ACPI: {} {} {} bytes, revision {}{}", t->signature(), t->at, t->bytes.size(),
                   t->revision(), t->checksum_ok ? "" : ", wrong checksum");
    if (t->signature() == "APIC") firmware.madt = t->bytes;
    if (t->signature() == "MCFG") firmware.mcfg = t->bytes;
    if (t->signature() == "FACP") firmware.fadt = acpi::parse_fadt(t->bytes);
  }
  if (firmware.fadt)
    if (const auto dsdt = acpi::read_table(reader, firmware.fadt->dsdt))
      firmware.s5 = acpi::find_s5(dsdt->bytes);
}

}  // namespace

void read_firmware(const core::HandOver& handover) {
  DirectReader reader;
  if (!acpi_off) read_acpi(reader, handover.rsdp);
  if (!firmware.madt.empty()) return;
  const auto pointer = find_mp_pointer(reader);
  if (!pointer || pointer->table.value == 0) return;
  core::log_info("MP table at {}", pointer->table);
  firmware.mp = read_mp_table(reader, pointer->table);
}

}  // namespace auk::bus
