#include "ident/pid.hpp"

#include "core/spin.hpp"
#include "core/sysctl.hpp"

namespace auk::ident {
namespace {

constexpr u32 page_slots = 500;
constexpr u32 first_after_wrap = 300;  ///< Linux keeps the lower ones for early processes

struct SlotPage final : core::RcuHead {
  u32 used = 0;  ///< the lock guards it
  std::array<Atomic<Pid*>, page_slots> slots{};
  void retire() override { mem::destroy(this); }
};
static_assert(sizeof(SlotPage) <= page_size);
/// The slots are read under RCU; the rest under the lock.
constinit std::array<Atomic<SlotPage*>, pid_limit / page_slots + 1> pages{};

struct Allocation {
  u32 last = 0;
  u32 used = 0;
};
constinit core::Guarded<core::level::pid, Allocation, core::SpinIrqOff> allocation;
constinit Atomic<i64> max{32768};
constinit core::NumberSysctl pid_max_variable("kernel/pid_max", max, first_after_wrap + 1,
                                              pid_limit);
SYSCTL(pid_max_variable);

Atomic<Pid*>* slot_of(u32 number) {
  SlotPage* const page = pages[number / page_slots].load_acquire();
  return page == nullptr ? nullptr : &page->slots[number % page_slots];
}

/// A page without numbers goes, unless the next number will come from it. The lock is held; who
/// gets a page back retires it without the lock.
SlotPage* take_if_empty(u32 index, u32 last) {
  SlotPage* const page = pages[index].load_relaxed();
  if (page == nullptr || page->used != 0 || index == last / page_slots) return nullptr;
  return pages[index].exchange_acq_rel(nullptr);
}

void retire(SlotPage* page) {
  if (page != nullptr) core::rcu_call(*page);
}

Result<void> make_page(u32 number) {
  Atomic<SlotPage*>& at = pages[number / page_slots];
  if (at.load_acquire() != nullptr) return {};
  auto* const fresh = ::new (TRY(mem::allocate(ALLOC_SITE, sizeof(SlotPage)))) SlotPage;
  SlotPage* none = nullptr;
  if (!at.cas_acq_rel(none, fresh)) mem::free(fresh);
  return {};
}

}  // namespace

u32 last_pid() { return allocation.lock()->last; }
u32 pid_max() { return static_cast<u32>(max.load_relaxed()); }

Result<Ref<Pid>> allocate_pid() {
  Ref<Pid> fresh = TRY(mem::make_ref<Pid>(ALLOC_SITE));
  for (;;) {
    u32 missing = 0;
    SlotPage* left = nullptr;
    Pid* made = nullptr;
    {
      auto a = allocation.lock();
      const u32 limit = pid_max();
      u32 n = a->last;
      for (u32 tries = 0; missing == 0; ++tries) {
        if (tries > limit) return Errno::eagain;
        n = n + 1 >= limit ? first_after_wrap : n + 1;
        Atomic<Pid*>* const slot = slot_of(n);
        if (slot == nullptr) {
          missing = n;
          break;
        }
        if (slot->load_relaxed() != nullptr) continue;
        made = fresh.release();
        made->set_number(n);
        slot->store_release(made);
        const u32 before = std::exchange(a->last, n);
        ++a->used;
        ++pages[n / page_slots].load_relaxed()->used;
        left = take_if_empty(before / page_slots, n);
        break;
      }
    }
    retire(left);
    if (made != nullptr) return Ref<Pid>::adopt(made);
    TRY(make_page(missing));
  }
}

void free_pid_number(Pid& p) {
  SlotPage* empty = nullptr;
  {
    auto a = allocation.lock();
    --a->used;
    slot_of(p.number())->store_release(nullptr);
    const u32 index = p.number() / page_slots;
    --pages[index].load_relaxed()->used;
    empty = take_if_empty(index, a->last);
  }
  retire(empty);
}

Result<Ref<Pid>> find_pid(u32 number) {
  if (number == 0 || number >= pid_limit) return Errno::esrch;
  const core::RcuReader reader;
  Atomic<Pid*>* const slot = slot_of(number);
  Pid* const p = slot == nullptr ? nullptr : slot->load_acquire();
  if (p == nullptr || !p->try_get()) return Errno::esrch;
  return Ref<Pid>::adopt(p);
}

void visit_pids(u32 first, PidVisitor& v) {
  // Not up to pid_max, which may have been higher.
  for (u32 n = first; n < pid_limit; ++n) {
    if (slot_of(n) == nullptr) {
      n += page_slots - 1 - n % page_slots;
      continue;
    }
    Result<Ref<Pid>> p = find_pid(n);
    if (!p.ok()) continue;
    const Ref<Pid> found = p.take();
    if (!v.visit(*found)) return;
  }
}

}  // namespace auk::ident
