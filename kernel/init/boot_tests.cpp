// The ways to die that `auk.test=` can ask for; each prints a line the boot tests look for.
#include "core/boot_test.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/panic.hpp"
#include "core/rcu.hpp"
#include "core/smp_call.hpp"
#include "core/spin.hpp"
#include "machine/isa/cpu.hpp"
#include "mem/address.hpp"
#include "mem/kernel_map.hpp"
#include "mem/pages.hpp"
#include "mem/slab.hpp"
#include "mem/vmalloc.hpp"
#include "time/timer.hpp"

namespace auk::init {
namespace {

void test_panic() { core::panic("auk.test asked for it"); }
BOOT_TEST("panic", test_panic);

void test_null() {
  const volatile int* volatile nowhere = nullptr;
  (void)*(nowhere + 2);
}
BOOT_TEST("null", test_null);

// Far more frames than a stack holds; the volatile byte keeps each one alive.
[[gnu::noinline]] u64 dig(u64 depth) {
  volatile byte room[256];
  room[depth % sizeof(room)] = static_cast<byte>(depth);
  if (depth == ~u64{0}) return 0;
  return dig(depth + 1) + room[0];
}
void test_stack() { core::log_info("{}", dig(0)); }
BOOT_TEST("stack", test_stack);

void test_wx() {
  Result<mem::KernelRange*> range = mem::map_memory(ALLOC_SITE, 1);
  if (!range.ok()) core::panic("auk.test: out of memory");
  mem::KernelRange* const r = range.take();
  if (!mem::set_rights(r->start(), 1, mem::MapRights(mem::MapRight::write) | mem::MapRight::execute)
           .ok())
    core::panic("auk.test: set_rights");
  (void)mem::check_kernel_map();
}
BOOT_TEST("wx", test_wx);

void test_write_text() {
  auto* const text = reinterpret_cast<volatile byte*>(reinterpret_cast<uptr>(&test_write_text));
  *text = 0xcc;
}
BOOT_TEST("write-text", test_write_text);

void test_ud() { __builtin_trap(); }
BOOT_TEST("ud", test_ud);

void test_bug() {
  volatile int two = 2;
  ASSERT(two + two == 5);
}
BOOT_TEST("bug", test_bug);

void test_nmi() {
  core::ipi_sender()->send_nmi(core::this_cpu());
  core::spin_delay(10'000'000);
}
BOOT_TEST("nmi", test_nmi);

void test_lockup() {
  static constinit core::SpinIrqOff lock;
  (void)core::SpinIrqOff::prepare();
  lock.take();
  lock.take();
}
BOOT_TEST("lockup", test_lockup);

void test_oom() {
  u64 taken = 0;
  for (unsigned order = 10;; --order) {
    while (mem::allocate_pages(ALLOC_SITE, order, mem::Fill::overwrite).ok())
      taken += u64{1} << order;
    if (order == 0) break;
  }
  core::log_emerg("page allocation failure: order:0, {} pages in use by the test, {} free", taken,
                  mem::count_pages().free);
}
BOOT_TEST("oom-early", test_oom);

void test_overflow() {
  volatile int large = 0x7fffffff;
  volatile int one = 1;
  large = large + one;
}
BOOT_TEST("overflow", test_overflow);

// The four kinds of bad access that only the debug profile sees.
void test_heap_overflow() {
  Result<void*> p = mem::allocate(ALLOC_SITE, 40);
  if (!p.ok()) return;
  auto* const bytes = static_cast<volatile byte*>(p.take());
  volatile usize at = 40;
  bytes[at] = 1;
}
BOOT_TEST("heap-overflow", test_heap_overflow);

void test_use_after_free() {
  Result<void*> p = mem::allocate(ALLOC_SITE, 64);
  if (!p.ok()) return;
  void* const object = p.take();
  auto* const bytes = static_cast<volatile byte*>(object);
  mem::free(object);
  (void)bytes[8];
}
BOOT_TEST("use-after-free", test_use_after_free);

void test_stack_overflow() {
  volatile byte room[8] = {};
  volatile byte* const bytes = room;
  volatile usize at = 8;
  (void)bytes[at];
}
BOOT_TEST("stack-overflow", test_stack_overflow);

constinit volatile byte global_room[8] = {};
void test_global_overflow() {
  volatile byte* volatile bytes = global_room;
  volatile usize at = 8;
  (void)bytes[at];
}
BOOT_TEST("global-overflow", test_global_overflow);

/// For looking at the machine from outside.
void test_hang() {
  for (;;) machine::wait_for_interrupt();
}
BOOT_TEST("hang", test_hang);

// What only the lock validator of the debug profile sees.
void test_lock_order() {
  static constinit core::Guarded<core::level::driver, u32, core::SpinIrqOff> outer;
  static constinit core::Guarded<core::level::timer, u32, core::SpinIrqOff> inner;
  struct Hidden {
    static void take_outer() { ++*outer.lock(); }
  };
  auto second = inner.lock();
  Hidden::take_outer();
  ++*second;
}
BOOT_TEST("lock-order", test_lock_order);

void test_sleep_in_rcu() {
  const core::RcuReader reader;
  core::might_sleep();
}
BOOT_TEST("sleep-in-rcu", test_sleep_in_rcu);

void test_lock_in_interrupt() {
  using Lock = core::Guarded<core::level::driver, u32, core::SpinPreemptOff>;
  static constinit Lock lock;
  struct Ring final : time::Timer {
    void fire() override { ++*lock.lock(); }
  };
  ++*lock.lock();
  Ring ring;
  time::start(ring, core::clock_ns());
  core::spin_delay(10'000'000);
}
BOOT_TEST("lock-in-interrupt", test_lock_in_interrupt);

}  // namespace
}  // namespace auk::init
