#include "machine/isa/lapic.hpp"

#include "base/annotations.hpp"
#include "machine/isa/cpu.hpp"

namespace auk::machine::lapic {
namespace {

// Register numbers; the memory window has them 16 bytes apart, MSRs follow x2apic_first.
constexpr u32 reg_id = 0x02, reg_task_priority = 0x08, reg_eoi = 0x0b, reg_spurious = 0x0f,
              reg_icr = 0x30, reg_icr_high = 0x31, reg_lvt_timer = 0x32, reg_lvt_thermal = 0x33,
              reg_lvt_perf = 0x34, reg_lvt_lint0 = 0x35, reg_lvt_lint1 = 0x36, reg_lvt_error = 0x37,
              reg_version = 0x03, reg_initial_count = 0x38, reg_current_count = 0x39,
              reg_divide = 0x3e;
constexpr u32 lvt_masked = 1U << 16;
constexpr u32 software_enable = 1U << 8;
constexpr u32 delivery_nmi = 4U << 8, delivery_init = 5U << 8, delivery_startup = 6U << 8;
constexpr u32 level_assert = 1U << 14, delivery_pending = 1U << 12;
constexpr u64 apic_base_enable = 1U << 11, apic_base_x2 = 1U << 10;

AUK_RO_AFTER_INIT constinit Mode mode_ = Mode::absent;
AUK_RO_AFTER_INIT constinit volatile u32* registers_ = nullptr;

u32 read(u32 reg) {
  if (mode_ == Mode::x2apic) return static_cast<u32>(x86::rdmsr(x86::msr::x2apic_first + reg));
  return registers_[usize{reg} * 4];
}
void write(u32 reg, u32 v) {
  if (mode_ == Mode::x2apic)
    x86::wrmsr(x86::msr::x2apic_first + reg, v);
  else
    registers_[usize{reg} * 4] = v;
}

void send(u32 apic_id, u32 command) {
  if (mode_ == Mode::absent) return;
  if (mode_ == Mode::x2apic) {
    // Unlike the memory window, an MSR write does not wait for earlier stores to be seen.
    asm volatile("mfence; lfence" ::: "memory");
    x86::wrmsr(x86::msr::x2apic_first + reg_icr, (u64{apic_id} << 32) | command);
    return;
  }
  // The two halves are one command: an interrupt in between could send one of its own.
  const IrqFlags flags = irq_save();
  for (unsigned spins = 0; (read(reg_icr) & delivery_pending) != 0 && spins < 100000; ++spins)
    relax();
  write(reg_icr_high, apic_id << 24);
  write(reg_icr, command);
  irq_restore(flags);
}

}  // namespace

bool has_x2apic() { return (x86::cpuid(1).c & (1U << 21)) != 0; }
PhysAddr window() { return PhysAddr(x86::rdmsr(x86::msr::apic_base) & 0x000ffffffffff000); }
Mode mode() { return mode_; }

void setup(Mode mode, volatile u32* registers) {
  mode_ = mode;
  registers_ = registers;
}

void enable_on_this_cpu(u8 spurious_vector) {
  if (mode_ == Mode::absent) return;
  u64 base = x86::rdmsr(x86::msr::apic_base) | apic_base_enable;
  x86::wrmsr(x86::msr::apic_base, base);
  if (mode_ == Mode::x2apic) x86::wrmsr(x86::msr::apic_base, base | apic_base_x2);
  write(reg_spurious, software_enable | spurious_vector);
  write(reg_task_priority, 0);
  const u32 last_lvt = (read(reg_version) >> 16) & 0xff;
  write(reg_lvt_timer, lvt_masked);
  write(reg_lvt_lint0, lvt_masked);
  // NMI comes through LINT1 on every PC.
  write(reg_lvt_lint1, delivery_nmi);
  if (last_lvt >= 3) write(reg_lvt_error, lvt_masked);
  if (last_lvt >= 4) write(reg_lvt_perf, lvt_masked);
  if (last_lvt >= 5) write(reg_lvt_thermal, lvt_masked);
  write(reg_eoi, 0);
}

u32 id() {
  if (mode_ == Mode::absent) return x86::cpuid(1).b >> 24;
  return mode_ == Mode::x2apic ? read(reg_id) : read(reg_id) >> 24;
}
void end_of_interrupt() {
  if (mode_ != Mode::absent) write(reg_eoi, 0);
}
void start_timer(u8 vector, u32 ticks) {
  if (mode_ == Mode::absent) return;
  constexpr u32 divide_by_1 = 0xb;
  write(reg_divide, divide_by_1);
  write(reg_lvt_timer, vector | (ticks == 0 ? lvt_masked : 0));
  write(reg_initial_count, ticks);
}
u32 timer_left() { return mode_ == Mode::absent ? 0 : read(reg_current_count); }
void send_vector(u32 apic_id, u8 vector) { send(apic_id, vector | level_assert); }
void send_nmi(u32 apic_id) { send(apic_id, delivery_nmi | level_assert); }
void send_init(u32 apic_id) { send(apic_id, delivery_init | level_assert); }
void send_startup(u32 apic_id, u8 page) { send(apic_id, delivery_startup | level_assert | page); }

}  // namespace auk::machine::lapic
