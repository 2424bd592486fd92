#include "core/lockdep.hpp"

#include <algorithm>

#include "core/lock_levels.hpp"
#include "core/log.hpp"
#include "core/oops.hpp"
#include "core/panic.hpp"
#include "core/preempt.hpp"
#include "core/thread_core.hpp"

namespace auk::core {

#ifdef AUK_LOCKDEP

namespace {

constexpr u32 used_in_interrupt = 1, held_with_interrupts_on = 2, reported = 4;

AUK_PER_CPU PerCpu<HeldLocks> interrupt_locks;
constinit Atomic<bool> reporting{false};
constinit Atomic<bool> sleep_reported{false};

/// Nothing before the first thread, and in a panic.
HeldLocks* held_here() {
  if (is_panicking() || current_core() == nullptr) return nullptr;
  return in_interrupt() ? &interrupt_locks.here(Pinned::assume()) : &current_core()->held;
}

/// One at a time: to print takes locks as well. What would be the second one is found again when
/// the same happens the next time.
bool start_report() { return !reporting.exchange_acq_rel(true); }

/// The same for a class, once.
bool start_report(LockClass& c) {
  if ((c.usage.load_relaxed() & reported) != 0 || !start_report()) return false;
  (void)c.usage.fetch_or_relaxed(reported);
  return true;
}

void finish_report(const HeldLocks& held) {
  for (u32 i = 0; i < held.count; ++i) log_warn("  #{}: {}", i, held.classes[i]->level);
  log_stack();
  note_warning();
  reporting.store_release(false);
}

void report_order(LockClass& c, const LockClass& top, const HeldLocks& held) {
  if (!start_report(c)) return;
  log_warn("WARNING: possible {} locking dependency detected",
           &c == &top ? "recursive" : "circular");
  log_warn("{}/{} is trying to acquire lock {} while holding {}", current_core()->name(),
           current_core()->id, c.level, top.level);
  finish_report(held);
}

void report_usage(LockClass& c, const HeldLocks& held) {
  if (!start_report(c)) return;
  log_warn("WARNING: inconsistent lock state");
  log_warn("lock {} is taken by interrupts and held with interrupts on", c.level);
  finish_report(held);
}

void report_sleep(const char* what, const HeldLocks& held) {
  if (sleep_reported.load_relaxed() || !start_report()) return;
  sleep_reported.store_relaxed(true);
  log_warn("BUG: sleeping function called from invalid context ({})", what);
  log_warn("in_interrupt(): {}, irqs_disabled(): {}, preempt_count: {:x}, name: {}",
           u32{in_interrupt()}, u32{!machine::irqs_enabled()}, preempt_count.read(),
           current_core()->name());
  finish_report(held);
}

}  // namespace

namespace lockdep {
namespace {

/// An interrupt ends in a switch of threads, and that wakes others: notes of this thread, too. They
/// must not come in the middle of another one.
class Undisturbed {
  machine::IrqFlags flags_ = machine::irq_save();

 public:
  Undisturbed() = default;
  ~Undisturbed() { machine::irq_restore(flags_); }
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;
};

}  // namespace

/// A lock is held that interrupts wait for: what is waited for under it, they wait for, too.
static bool is_below_interrupts(const HeldLocks& held) {
  for (u32 i = 0; i < held.known(); ++i)
    if (held.classes[i]->kind != LockKind::sleep &&
        (held.classes[i]->usage.load_relaxed() & used_in_interrupt) != 0)
      return true;
  return false;
}

void acquire_checked(LockClass& c) {
  if (c.kind == LockKind::sleep) may_sleep_checked();
  const bool interrupts_on = machine::irqs_enabled();
  const Undisturbed undisturbed;
  HeldLocks* const held = held_here();
  if (held == nullptr) return;
  const LockClass* top = nullptr;
  for (u32 i = 0; i < held->known(); ++i)
    if (top == nullptr || held->classes[i]->position >= top->position) top = held->classes[i];
  if (top != nullptr && top->position >= c.position) report_order(c, *top, *held);
  u32 usage = 0;
  if (in_interrupt() || is_below_interrupts(*held))
    usage = used_in_interrupt;
  else if (c.kind == LockKind::spin_preempt_off && interrupts_on)
    usage = held_with_interrupts_on;
  constexpr u32 both = used_in_interrupt | held_with_interrupts_on;
  if (usage != 0 && ((c.usage.fetch_or_relaxed(usage) | usage) & both) == both)
    report_usage(c, *held);
  if (held->count < HeldLocks::capacity) held->classes[held->count] = &c;
  ++held->count;
}

void release_checked(LockClass& c) {
  const Undisturbed undisturbed;
  HeldLocks* const held = held_here();
  if (held == nullptr || held->count == 0) return;
  if (held->count-- > HeldLocks::capacity) return;
  auto* const end = held->classes.data() + held->count;
  // The newest of the class; what was taken after it moves down.
  for (auto* p = end;; --p) {
    if (*p == &c) {
      std::move(p + 1, end + 1, p);
      return;
    }
    if (p == held->classes.data()) break;
  }
  // Taken before tracking began.
  ++held->count;
}

void enter_rcu_checked() {
  if (HeldLocks* const held = held_here()) ++held->rcu_readers;
}

void leave_rcu_checked() {
  HeldLocks* const held = held_here();
  if (held != nullptr && held->rcu_readers > 0) --held->rcu_readers;
}

void may_sleep_checked() {
  HeldLocks* const held = held_here();
  if (held == nullptr) return;
  if (in_interrupt()) return report_sleep("interrupt", *held);
  if (held->rcu_readers > 0) return report_sleep("RCU read section", *held);
  for (u32 i = 0; i < std::min<usize>(held->count, HeldLocks::capacity); ++i)
    if (held->classes[i]->kind != LockKind::sleep) return report_sleep("spin lock held", *held);
  if (!machine::irqs_enabled()) return report_sleep("interrupts off", *held);
  if ((preempt_count.read() & ~no_attention_wanted) != 0) report_sleep("preemption off", *held);
}

void none_held_checked(const char* where) {
  HeldLocks* const held = held_here();
  if (held == nullptr || (held->count == 0 && held->rcu_readers == 0)) return;
  if (start_report()) {
    log_warn("WARNING: lock held when {}: {} locks, {} RCU readers", where, held->count,
             held->rcu_readers);
    finish_report(*held);
  }
  held->count = 0;
  held->rcu_readers = 0;
}

}  // namespace lockdep

#endif

}  // namespace auk::core
