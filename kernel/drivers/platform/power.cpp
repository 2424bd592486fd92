#include "drivers/platform/power.hpp"

#include "base/annotations.hpp"
#include "bus/firmware.hpp"
#include "core/clock.hpp"
#include "core/panic.hpp"
#include "core/param.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/port.hpp"
#include "machine/isa/reset.hpp"
#include "mem/vmalloc.hpp"

namespace auk::drivers::platform {
namespace {

// A guess is given little time. What the tables promise works, but a monitor does it in a thread of
// its own that a busy host keeps waiting; going on meanwhile could make a restart of a power-off.
constexpr u64 guess_ns = 50'000'000, promise_ns = 1'000'000'000;
constexpr u16 keyboard_command = 0x64, reset_control = 0xcf9;
constexpr u8 pulse_reset = 0xfe;

AUK_RO_AFTER_INIT constinit char first_way = 0;

bool set_reboot(std::string_view v) {
  for (const char c : v)
    if (c == 'k' || c == 'a' || c == 'p' || c == 't') first_way = c;
  return true;
}
PARAM("reboot", set_reboot);

/// Registers that live in memory are mapped at set-up: nothing can be mapped when the end comes.
struct Register {
  bus::acpi::GenericAddress address;
  volatile byte* memory = nullptr;

  void map(const bus::acpi::GenericAddress& a) {
    address = a;
    if (a.space != bus::acpi::AddressSpace::memory || !a.present()) return;
    Result<mem::KernelRange*> range =
        mem::map_physical(ALLOC_SITE, PhysAddr(a.address), 4,
                          mem::MapRights(mem::MapRight::write) | mem::MapRight::uncached);
    if (range.ok()) memory = range.take()->as<byte>(a.address & page_mask);
  }
  bool write(u8 v) const {
    if (memory != nullptr)
      *memory = v;
    else if (address.space == bus::acpi::AddressSpace::io && address.present())
      machine::port_out8(static_cast<u16>(address.address), v);
    else
      return false;
    core::spin_delay(promise_ns);
    return true;
  }
};

class Ladder final : public core::PowerControl {
  Register reset_;
  Register sleep_;
  u8 reset_value_ = 0;
  u16 pm1a_ = 0, pm1b_ = 0;
  bus::acpi::SleepTypes s5_{};
  bool has_s5_ = false;

  static void keyboard_reset() {
    machine::port_out8(keyboard_command, pulse_reset);
    core::spin_delay(guess_ns);
  }

 public:
  void setup() {
    const auto& fw = bus::firmware;
    has_s5_ = fw.s5.has_value();
    if (has_s5_) s5_ = *fw.s5;
    if (!fw.fadt) return;
    reset_.map(fw.fadt->reset);
    reset_value_ = fw.fadt->reset_value;
    if (fw.fadt->is_hardware_reduced()) {
      sleep_.map(fw.fadt->sleep_control);
    } else {
      pm1a_ = static_cast<u16>(fw.fadt->pm1a_control.address);
      pm1b_ = static_cast<u16>(fw.fadt->pm1b_control.address);
    }
  }

  void power_off() override {
    constexpr u16 sleep_enable = 1U << 13;
    constexpr u8 reduced_sleep_enable = 1U << 5;
    if (has_s5_) {
      (void)sleep_.write(static_cast<u8>((s5_.a << 2) | reduced_sleep_enable));
      if (pm1a_ != 0) {
        machine::port_out16(pm1a_, static_cast<u16>((s5_.a << 10) | sleep_enable));
        if (pm1b_ != 0) machine::port_out16(pm1b_, static_cast<u16>((s5_.b << 10) | sleep_enable));
        core::spin_delay(promise_ns);
      }
    }
    // A micro VM without ACPI takes a reset for the end.
    if (first_way == 'k') keyboard_reset();
    machine::triple_fault();
  }

  void restart() override {
    if (first_way == 'k') keyboard_reset();
    if (first_way == 't') machine::triple_fault();
    if (first_way != 'p') (void)reset_.write(reset_value_);
    machine::port_out8(reset_control, 2);
    machine::port_out8(reset_control, 6);
    core::spin_delay(guess_ns);
    keyboard_reset();
    machine::triple_fault();
  }
};
AUK_RO_AFTER_INIT constinit Ladder ladder;

}  // namespace

void setup_early_power() { core::set_power_control(ladder); }

void setup_power() { ladder.setup(); }

}  // namespace auk::drivers::platform
