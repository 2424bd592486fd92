#include "entry/smp.hpp"

#include <algorithm>

#include "base/annotations.hpp"
#include "base/bytes.hpp"
#include "base/text.hpp"
#include "bus/firmware.hpp"
#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/log.hpp"
#include "core/panic.hpp"
#include "core/param.hpp"
#include "core/smp_call.hpp"
#include "entry/isa/traps.hpp"
#include "entry/oops.hpp"
#include "irq/irq.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/lapic.hpp"
#include "machine/isa/pte.hpp"
#include "mem/address.hpp"
#include "mem/kernel_map.hpp"
#include "mem/percpu_area.hpp"
#include "mem/vmalloc.hpp"
#include "sched/thread.hpp"
#include "time/timer.hpp"

extern "C" {
extern const auk::byte trampoline_start[], trampoline_end[], trampoline_data[];
extern const auk::u32 trampoline_offsets[];
extern const auk::byte secondary_start[];
void secondary_entry();
}

namespace auk::entry {
namespace {

namespace lapic = machine::lapic;

constexpr u64 answer_timeout_ns = 1'000'000'000;

AUK_RO_AFTER_INIT constinit u32 max_cpus = config::max_cpus;
AUK_RO_AFTER_INIT constinit std::array<u32, config::max_cpus> apic_ids{};
constinit Atomic<u32> answered{0};

bool set_maxcpus(std::string_view v) {
  const auto n = parse_u64(v);
  if (n) max_cpus = static_cast<u32>(std::clamp<u64>(*n, 1, config::max_cpus));
  return n.has_value();
}
bool set_nosmp(std::string_view) {
  max_cpus = 1;
  return true;
}
PARAM("maxcpus", set_maxcpus);
PARAM("nr_cpus", set_maxcpus);
PARAM("nosmp", set_nosmp);

/// Fields at the end of the start-up page.
struct [[gnu::packed]] TrampolineData {
  u64 stack;
  u64 percpu;
  u64 entry;
  u64 kernel_root;
  u32 root;
  u32 jump32;
  u32 jump32_selector;
  u32 jump64;
  u16 jump64_selector;
  u16 gdt_limit;
  u32 gdt_base;
};

class ApicSender final : public core::IpiSender {
 public:
  void send_call(CpuId target) override {
    lapic::send_vector(apic_ids[target.value], vector::cross_call);
  }
  void send_reschedule(CpuId target) override {
    lapic::send_vector(apic_ids[target.value], vector::reschedule);
  }
  void send_nmi(CpuId target) override { lapic::send_nmi(apic_ids[target.value]); }
};
constinit ApicSender sender;

class StopCpus final : public core::PanicSupport {
 public:
  void stop_other_cpus() override {
    const CpuId me = core::this_cpu();
    core::online_cpus.each([&](CpuId cpu) {
      if (cpu != me) lapic::send_nmi(apic_ids[cpu.value]);
    });
    if (core::online_cpus.count() > 1) core::spin_delay(10'000'000);
  }
  void dump_stack() override {
    const auto* frame = static_cast<const uptr*>(__builtin_frame_address(0));
    entry::dump_stack(frame[1], frame[0]);
  }
};
constinit StopCpus stop_cpus;

/// A root that maps the start-up page at its physical address, executable, beside the kernel half.
PhysAddr build_start_root(const TrampolinePages& pages) {
  using machine::Pte;
  for (usize i = 0; i < 4; ++i) {
    const auto page = mem::bytes_of(pfn_of(pages.tables + i * page_size));
    fill_bytes(page);
  }
  const auto table = [&](usize i) { return mem::to_pointer<Pte>(pages.tables + i * page_size); };
  const auto* kernel = mem::to_pointer<const Pte>(mem::kernel_root());
  std::copy_n(kernel, machine::entries_per_table, table(0));
  const VirtAddr va(pages.code.value);
  for (unsigned level = 4; level > 1; --level)
    table(4 - level)[machine::entry_index(va, level)] =
        Pte::table(pages.tables + (5 - level) * page_size, false);
  table(3)[machine::entry_index(va, 1)] = Pte::leaf(pages.code, machine::MapRight::execute, 1);
  return pages.tables;
}

TrampolineData* install_trampoline(const TrampolinePages& pages) {
  byte* const code = mem::to_pointer<byte>(pages.code);
  std::copy(trampoline_start, trampoline_end, code);
  auto* data = reinterpret_cast<TrampolineData*>(code + (trampoline_data - trampoline_start));
  const u32 at = static_cast<u32>(pages.code.value);
  data->root = static_cast<u32>(build_start_root(pages).value);
  data->jump32 = at + trampoline_offsets[0];
  data->jump64 = at + trampoline_offsets[1];
  data->gdt_base = at + trampoline_offsets[2];
  data->entry = reinterpret_cast<u64>(secondary_start);
  data->kernel_root = mem::kernel_root().value;
  return data;
}

Result<void> start_cpu(CpuId cpu, TrampolineData& data, const TrampolinePages& pages) {
  TRY(mem::create_percpu_area(cpu));
  TRY(prepare_cpu(cpu));
  TRY(sched::prepare_cpu(cpu));
  mem::KernelRange* const stack = TRY(mem::allocate_stack());
  data.stack = reinterpret_cast<u64>(stack->as<byte>(stack->size()));
  data.percpu = core::percpu_offsets[cpu.value];
  answered.store_release(0);
  const u32 apic = apic_ids[cpu.value];
  lapic::send_init(apic);
  core::spin_delay(200'000);
  // The second start-up message is for CPUs that missed the first; one that runs ignores it.
  for (int tries = 0; tries < 2; ++tries) {
    lapic::send_startup(apic, static_cast<u8>(pages.code.value >> page_shift));
    const u64 start = core::clock_ns();
    while (core::clock_ns() - start < answer_timeout_ns / 2)
      if (answered.load_acquire() == cpu.value) return {};
  }
  return Errno::etimedout;
}

/// The local APIC's timer as this CPU's clock event: one shot at a time.
class ApicTimer final : public time::ClockEvent {
  u64 ticks_per_ms_ = 0;

 public:
  void calibrate() {
    constexpr u64 measure_ns = 2'000'000;
    lapic::start_timer(vector::timer, 0xffffffff);
    const u64 start = core::clock_ns();
    core::spin_delay(measure_ns);
    const u32 left = lapic::timer_left();
    const u64 ns = core::clock_ns() - start;
    lapic::start_timer(vector::timer, 0);
    ticks_per_ms_ = u64{0xffffffff - left} * 1'000'000 / ns;
    core::log_info("lapic: timer at {}.{:03} MHz", ticks_per_ms_ / 1000, ticks_per_ms_ % 1000);
  }
  void program(u64 deadline_ns) override {
    constexpr u64 longest_ns = 1'000'000'000;
    if (deadline_ns == ~u64{0}) return lapic::start_timer(vector::timer, 0);
    const u64 now = core::clock_ns();
    const u64 ns = deadline_ns > now ? std::min(deadline_ns - now, longest_ns) : 1;
    lapic::start_timer(vector::timer, static_cast<u32>(std::min<u64>(
                                          ns * ticks_per_ms_ / 1'000'000 + 1, 0xffffffff)));
  }
};
constinit ApicTimer apic_timer;

}  // namespace

void setup_panic_support() { core::set_panic_support(stop_cpus); }

void setup_local_apic() {
  lapic::Mode mode = lapic::Mode::absent;
  volatile u32* registers = nullptr;
  if (lapic::has_x2apic()) {
    mode = lapic::Mode::x2apic;
  } else if ((machine::x86::cpuid(1).d & (1U << 9)) != 0) {
    Result<mem::KernelRange*> window =
        mem::map_physical(ALLOC_SITE, lapic::window(), page_size,
                          mem::MapRights(mem::MapRight::write) | mem::MapRight::uncached);
    if (!window.ok()) core::panic("Out of memory for the local APIC");
    registers = window.take()->as<volatile u32>();
    mode = lapic::Mode::memory;
  }
  lapic::setup(mode, registers);
  lapic::enable_on_this_cpu(vector::spurious);
  apic_ids[0] = lapic::id();
  apic_timer.calibrate();
  time::set_clock_event(apic_timer);
  core::set_ipi_sender(sender);
  irq::set_cpu_addresses(apic_ids);
  irq::set_vector_range(vector::device_first, vector::device_last);
}

void start_secondary_cpus(const TrampolinePages& pages) {
  core::online_cpus.set(CpuId(0));
  u32 found = 1;
  bus::firmware.each_cpu([&](u32 apic_id) {
    if (apic_id != apic_ids[0] && found < max_cpus) apic_ids[found++] = apic_id;
  });
  core::possible_cpus = found;
  if (found > 1 && lapic::mode() != lapic::Mode::absent) {
    TrampolineData* const data = install_trampoline(pages);
    for (u32 cpu = 1; cpu < found; ++cpu) {
      const Result<void> started = start_cpu(CpuId(cpu), *data, pages);
      if (!started.ok())
        core::log_err("smp: CPU{} (APIC {}) does not start: {}", cpu, apic_ids[cpu],
                      started.error());
    }
  }
  core::log_info("smp: Brought up 1 node, {} CPUs", core::online_cpus.count());
}

}  // namespace auk::entry

using namespace auk;
using namespace auk::entry;

AUK_NO_STACK_PROTECTOR void secondary_entry() {
  load_prepared_cpu();
  setup_cpu_features();
  machine::lapic::enable_on_this_cpu(vector::spurious);
  core::online_cpus.set(core::this_cpu());
  answered.store_release(core::this_cpu().value);
  sched::run_idle();
}
