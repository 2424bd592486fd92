#include "init/start.hpp"

#include <algorithm>

#include "base/annotations.hpp"
#include "base/atomic.hpp"
#include "bus/firmware.hpp"
#include "core/boot_test.hpp"
#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "core/memmap.hpp"
#include "core/panic.hpp"
#include "core/param.hpp"
#include "core/version.hpp"
#include "drivers/irqchip/ioapic.hpp"
#include "drivers/irqchip/legacy_pic.hpp"
#include "drivers/platform/power.hpp"
#include "drivers/serial/uart8250.hpp"
#include "entry/isa/traps.hpp"
#include "entry/isa/user.hpp"
#include "entry/smp.hpp"
#include "init/first_words.hpp"
#include "init/initramfs.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/stack.hpp"
#include "mem/address.hpp"
#include "mem/boot_memory.hpp"
#include "mem/folio.hpp"
#include "mem/kernel_map.hpp"
#include "mem/pages.hpp"
#include "mem/vmalloc.hpp"
#include "proc/clone.hpp"
#include "proc/cpu_time.hpp"
#include "proc/futex.hpp"
#include "proc/oom.hpp"
#include "proc/vdso.hpp"
#include "sched/rcu.hpp"
#include "sched/softirq.hpp"
#include "sched/thread.hpp"
#include "sched/workqueue.hpp"
#include "time/calibrate.hpp"
#include "vfs/mount.hpp"

namespace auk::init {
namespace {

constinit mem::BootMemory boot_memory;
constinit const core::HandOver* handover = nullptr;
constinit entry::TrampolinePages trampoline;

bool set_loglevel(std::string_view v) {
  if (v.size() != 1 || v[0] < '0' || v[0] > '9') return false;
  core::set_console_level(static_cast<unsigned>(v[0] - '0'));
  return true;
}
bool set_quiet(std::string_view) { return core::set_console_level(4), true; }
bool set_debug(std::string_view) { return core::set_console_level(10), true; }
bool set_ignore_loglevel(std::string_view) { return core::set_console_level(16), true; }
PARAM("loglevel", set_loglevel);
PARAM("quiet", set_quiet);
PARAM("debug", set_debug);
PARAM("ignore_loglevel", set_ignore_loglevel);

void log_memory_map(const core::HandOver& h) {
  core::log_info("BIOS-provided physical RAM map:");
  for (const core::MemoryEntry& e : h.memory()) {
    std::string_view kind = "reserved";
    switch (e.kind) {
      case core::MemoryKind::usable: kind = "usable"; break;
      case core::MemoryKind::acpi_reclaimable: kind = "ACPI data"; break;
      case core::MemoryKind::acpi_nvs: kind = "ACPI NVS"; break;
      case core::MemoryKind::unusable: kind = "unusable"; break;
      case core::MemoryKind::persistent: kind = "persistent"; break;
      case core::MemoryKind::reserved: break;
    }
    core::log_info("BIOS-e820: [mem {:#016x}-{:#016x}] {}", e.range.start.value,
                   e.range.end.value - 1, kind);
  }
  if (h.memory_dropped > 0)
    core::log_warn("BIOS-e820: {} entries do not fit and are not used", h.memory_dropped);
}

void setup_memory(const core::HandOver& h) {
  for (const core::MemoryEntry& e : h.memory())
    if (e.kind == core::MemoryKind::usable && e.range.end.value <= mem::layout::physical_limit)
      boot_memory.add(e.range);
  // Firmware may list a piece as usable and, later in the map, as something else: the latter wins.
  for (const core::MemoryEntry& e : h.memory())
    if (e.kind != core::MemoryKind::usable) boot_memory.reserve(e.range);
  const u64 usable = boot_memory.total();
  // The first page holds the BIOS data area, and physical address 0 must never be handed out.
  boot_memory.reserve({PhysAddr(0), PhysAddr(page_size)});
  boot_memory.reserve(h.image);
  if (!h.initrd.empty()) boot_memory.reserve(h.initrd);
  core::accept_memmaps([](const core::MemmapEntry& e) {
    if (e.kind == core::MemmapEntry::Kind::persistent && !boot_memory.contains(e.range))
      return false;
    boot_memory.reserve(e.range);
    return true;
  });
  const auto code = boot_memory.allocate(page_size, page_size, PhysAddr(1 * mib));
  const auto tables = boot_memory.allocate(4 * page_size, page_size, PhysAddr(4 * gib));
  if (!code || !tables) core::panic("Out of memory: {} KiB are usable", usable / kib);
  trampoline = {*code, *tables};
  mem::setup_address_space(h, boot_memory);
  if (core::boot_test_request().name == "oom-early" && core::boot_test_request().early)
    while (boot_memory.allocate(page_size, page_size, PhysAddr(~u64{0} & ~page_mask))) {}
  mem::setup_pages(boot_memory);
  core::log_info("Memory: {}K/{}K available", mem::count_pages().free * page_size / kib,
                 usable / kib);
}

/// Runs a boot test on the CPU it was asked for.
class TestThread final : public sched::ThreadMain {
 public:
  const core::BootTest* test = nullptr;
  Atomic<bool> has_returned{false};
  void run() override {
    test->run();
    has_returned.store_release(true);
  }
  void discard() override {}
};
constinit TestThread test_thread;

void run_boot_test() {
  const core::BootTestRequest request = core::boot_test_request();
  test_thread.test = core::find_boot_test(request.name);
  if (test_thread.test == nullptr) {
    core::log_err("auk.test: there is no test '{}'", request.name);
    return;
  }
  core::log_notice("auk.test: {} on CPU {}", request.name, request.cpu);
  if (!core::online_cpus.has(request.cpu)) {
    core::log_err("auk.test: CPU {} is not online", request.cpu);
    return;
  }
  Result<Ref<sched::Thread>> thread =
      sched::spawn("auk.test", test_thread, {.pinned = true, .cpu = request.cpu});
  if (!thread.ok()) core::panic("auk.test: out of memory");
  const Ref<sched::Thread> t = thread.take();
  while (!t->is_dead()) sched::sleep_until(core::clock_ns() + 10'000'000);
  if (!test_thread.has_returned.load_acquire())
    core::log_notice("auk.test: the task was killed, the machine lives");
}

void start_first_program(const core::HandOver& h) {
  static constinit FirstWords words;
  words.read(h.command_line());
  FirstRoot root = make_root(h);
  if (!proc::oom::setup().ok()) core::panic("Out of memory for the first threads");
  if (!proc::start_first_process(words.program(), std::move(root.fs), std::move(root.mounts)).ok())
    core::panic("Out of memory for the first process");
}

class InitThread final : public sched::ThreadMain {
 public:
  void run() override;
  void discard() override {}
};
constinit InitThread init_thread;

/// On the boot CPU's guarded stack.
[[noreturn]] void start_on_final_stack() {
  const core::HandOver& h = *handover;
  if (!entry::setup_cpu_traps().ok()) core::panic("Out of memory for the interrupt stacks");
  entry::setup_cpu_features();
  entry::apply_patches();
  mem::drop_early_maps();
  bus::read_firmware(h);
  const auto& fadt = bus::firmware.fadt;
  time::calibrate(fadt ? static_cast<u16>(fadt->pm_timer.address) : u16{0},
                  fadt ? fadt->timer_bits() : 24);
  drivers::platform::setup_power();
  drivers::irqchip::silence_legacy_pics();
  entry::setup_local_apic();
  entry::setup_panic_support();
  entry::setup_user_mode();
  drivers::irqchip::setup_io_apics();
  if (!sched::setup_boot_cpu().ok() || !sched::spawn("init", init_thread).ok())
    core::panic("Out of memory for the first threads");
  machine::irq_enable();
  sched::run_idle();
}

/// The rest of the boot, in a thread that may sleep.
void InitThread::run() {
  const core::HandOver& h = *handover;
  const bool has_test = !core::boot_test_request().name.empty();
  const bool is_early = core::boot_test_request().early;
  entry::start_secondary_cpus(trampoline);
  if (!sched::start_rcu().ok() || !sched::start_softirq_threads().ok() ||
      !sched::start_work_queues().ok())
    core::panic("Out of memory for the first threads");
  if (has_test && is_early) run_boot_test();
  drivers::serial::setup_console();
  mem::setup_zero_page();
  const u64 memory = mem::count_pages().managed * page_size;
  if (!vfs::setup_tables(memory).ok() || !proc::setup_futexes().ok() || !proc::setup_vdso().ok() ||
      !proc::setup_cpu_time().ok())
    core::panic("Out of memory for the first tables");
  core::run_init_graph();
  mem::seal_after_init();
  if (config::debug_wx) (void)mem::check_kernel_map();
  if (has_test && !is_early) run_boot_test();
  if (h.initrd.empty() && has_test) core::power_off();
  start_first_program(h);
}

}  // namespace

void start_kernel(const core::HandOver& h) {
  handover = &h;
  core::set_emergency_console(drivers::serial::com1());
  drivers::platform::setup_early_power();
  entry::setup_early_traps();
  core::apply_command_line(h.command_line());
  drivers::serial::setup_early_console();
  core::log_notice("{}", core::banner);
  core::log_info("Command line: {}", h.command_line());
  core::log_info("boot: {}, image at {}", h.protocol, h.image.start);
  log_memory_map(h);
  setup_memory(h);
  Result<mem::KernelRange*> stack = mem::allocate_stack();
  if (!stack.ok()) core::panic("Out of memory for the boot CPU's stack");
  mem::KernelRange* const s = stack.take();
  machine::switch_stack_and_call(s->start() + s->size(), start_on_final_stack);
}

}  // namespace auk::init
