// What the firmware's tables say, read once at boot.
//
// Purpose: CPUs, interrupt controllers, timers and power registers in one value, whatever table
// they came from (ACPI, else the MP table). Data model: filled by read_firmware() on the boot CPU;
// constant afterwards. Spans point at firmware memory that stays mapped. Differences from Linux: no
// AML; devices that only AML describes are not seen.
#pragma once
#include <optional>
#include <span>

#include "bus/acpi/fadt.hpp"
#include "bus/acpi/madt.hpp"
#include "bus/acpi/mcfg.hpp"
#include "bus/acpi/sleep.hpp"
#include "bus/mptable.hpp"
#include "core/handover.hpp"

namespace auk::bus {

struct Firmware {
  bool has_acpi = false;
  std::optional<acpi::Fadt> fadt;
  std::optional<acpi::SleepTypes> s5;
  std::span<const byte> madt, mcfg;
  std::optional<MpTable> mp;

  /// Calls `f(apic_id)` for each CPU that may be started.
  template <class F> void each_cpu(F f) const {
    if (!madt.empty())
      acpi::visit_madt(madt, [&](const acpi::MadtCpu& c) {
        if (c.enabled) f(c.apic_id);
      });
    else if (mp)
      visit_mp_table(*mp, [&](const MpCpu& c) {
        if (c.enabled) f(u32{c.apic_id});
      });
  }
};

extern Firmware firmware;

/// `acpi=off` on the command line leaves only the MP table.
void read_firmware(const core::HandOver& handover);

}  // namespace auk::bus
