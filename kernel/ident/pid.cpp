#include "ident/pid.hpp"

#include <algorithm>
#include <utility>

#include "base/bits.hpp"
#include "core/spin.hpp"
#include "core/sysctl.hpp"

namespace auk::ident {
namespace {

constexpr u32 page_slots = 448;
constexpr u32 page_count = pid_limit / page_slots + 1;
constexpr u32 first_after_wrap = 300;  ///< Linux keeps the lower ones for early processes

struct SlotPage final : core::RcuHead {
  u32 used = 0;  ///< the lock guards it
  BitSet<page_slots> taken;
  std::array<Atomic<Pid*>, page_slots> slots{};
  void retire() override { mem::destroy(this); }
};
static_assert(sizeof(SlotPage) <= page_size);
/// The slots and sets are read under RCU, and changed under the lock.
constinit std::array<Atomic<SlotPage*>, page_count> pages{};
constinit BitSet<page_count> pages_in_use;

struct Allocation {
  u32 last = 0;
};
constinit core::Guarded<core::level::pid, Allocation, core::SpinIrqOff> allocation;
constinit Atomic<i64> max{32768};
constinit core::NumberSysctl pid_max_variable("kernel/pid_max", max, first_after_wrap + 1,
                                              pid_limit);
SYSCTL(pid_max_variable);

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

/// The next number behind `last` that is free, or 0. The lock is held.
u32 next_free_number(u32 last, u32 limit) {
  const auto find = [](u32 from, u32 end) -> u32 {
    while (from < end) {
      const SlotPage* const page = pages[from / page_slots].load_relaxed();
      if (page == nullptr) return from;
      const u32 slot = page->taken.next_free(from % page_slots);
      from = from / page_slots * page_slots + slot;
      if (slot != page_slots) return from < end ? from : 0;
    }
    return 0;
  };
  const u32 ahead = find(last + 1, limit);
  return ahead != 0 ? ahead : find(first_after_wrap, std::min(last + 1, limit));
}

void put(SlotPage& page, u32 number, Pid* p) {
  const u32 slot = number % page_slots, index = number / page_slots;
  page.slots[slot].store_release(p);
  if (p != nullptr) {
    page.taken.add(slot);
    if (page.used++ == 0) pages_in_use.add(index);
  } else {
    page.taken.remove(slot);
    if (--page.used == 0) pages_in_use.remove(index);
  }
}

}  // namespace

u32 last_pid() { return allocation.lock()->last; }
u32 pid_max() { return static_cast<u32>(max.load_relaxed()); }

Result<Ref<Pid>> allocate_pid() {
  Ref<Pid> fresh = TRY(mem::make_ref<Pid>(ALLOC_SITE));
  for (;;) {
    u32 number = 0;
    SlotPage* left = nullptr;
    Pid* made = nullptr;
    {
      auto a = allocation.lock();
      number = next_free_number(a->last, pid_max());
      if (number == 0) return Errno::eagain;
      if (SlotPage* const page = pages[number / page_slots].load_relaxed()) {
        made = fresh.release();
        made->set_number(number);
        put(*page, number, made);
        left = take_if_empty(std::exchange(a->last, number) / page_slots, number);
      }
    }
    retire(left);
    if (made != nullptr) return Ref<Pid>::adopt(made);
    TRY(make_page(number));
  }
}

void free_pid_number(Pid& p) {
  SlotPage* empty = nullptr;
  {
    auto a = allocation.lock();
    const u32 index = p.number() / page_slots;
    put(*pages[index].load_relaxed(), p.number(), nullptr);
    empty = take_if_empty(index, a->last);
  }
  retire(empty);
}

Result<Ref<Pid>> find_pid(u32 number) {
  if (number == 0 || number >= pid_limit) return Errno::esrch;
  const core::RcuReader reader;
  SlotPage* const page = pages[number / page_slots].load_acquire();
  Pid* const p = page == nullptr ? nullptr : page->slots[number % page_slots].load_acquire();
  if (p == nullptr || !p->try_get()) return Errno::esrch;
  return Ref<Pid>::adopt(p);
}

Ref<Pid> next_pid(u32 first) {
  const core::RcuReader reader;
  for (u32 index = first / page_slots, slot = first % page_slots;; ++index, slot = 0) {
    index = slot == 0 ? pages_in_use.next(index) : index;
    if (index >= page_count) return {};
    SlotPage* const page = pages[index].load_acquire();
    if (page == nullptr) continue;
    while ((slot = page->taken.next(slot)) < page_slots) {
      Pid* const p = page->slots[slot].load_acquire();
      if (p != nullptr && p->try_get()) return Ref<Pid>::adopt(p);
      ++slot;
    }
  }
}

}  // namespace auk::ident
