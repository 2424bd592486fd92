#include "ident/pid.hpp"

#include <algorithm>
#include <utility>

#include "core/sysctl.hpp"

namespace auk::ident {
namespace {

constexpr u32 first_after_wrap = 300;  ///< Linux keeps the lower ones for early processes

constinit Atomic<i64> max{32768};
constinit core::NumberSysctl pid_max_variable("kernel/pid_max", max, first_after_wrap + 1,
                                              pid_limit);
SYSCTL(pid_max_variable);
constinit Atomic<u64> last_serial{0}, last_space{0};
constinit PidNamespace first;

}  // namespace

PidNamespace& first_pids() { return first; }
u32 pid_max() { return static_cast<u32>(max.load_relaxed()); }

Pid::~Pid() { mem::free(inner_); }

Result<Ref<PidNamespace>> PidNamespace::create(PidNamespace& parent) {
  if (parent.level >= deepest) return Errno::enospc;
  return mem::make_ref<PidNamespace>(ALLOC_SITE, Ref<PidNamespace>(parent),
                                     last_space.fetch_add_relaxed(1) + 1);
}

PidNamespace::~PidNamespace() {
  for (Atomic<Chunk*>& chunk : chunks_) {
    Chunk* const c = chunk.load_relaxed();
    if (c == nullptr) continue;
    // Nobody is there any more, nor looks.
    for (Atomic<SlotPage*>& page : *c)
      if (SlotPage* const p = page.load_relaxed()) mem::destroy(p);
    mem::free(c);
  }
}

/// A page without numbers goes, unless the next number will come from it. The lock is held; who
/// gets a page back retires it without the lock.
PidNamespace::SlotPage* PidNamespace::take_if_empty(u32 index, u32 last) {
  Atomic<SlotPage*>* const at = place_of(index);
  SlotPage* const page = at == nullptr ? nullptr : at->load_relaxed();
  if (page == nullptr || page->used != 0 || index == index_of(last)) return nullptr;
  return at->exchange_acq_rel(nullptr);
}

Result<void> PidNamespace::make_page(u32 number) {
  const u32 index = index_of(number);
  Atomic<Chunk*>& chunk = chunks_[index / chunk_pages];
  if (chunk.load_acquire() == nullptr) {
    auto* const fresh = ::new (TRY(mem::allocate(ALLOC_SITE, sizeof(Chunk)))) Chunk{};
    Chunk* none = nullptr;
    if (!chunk.cas_acq_rel(none, fresh)) mem::free(fresh);
  }
  Atomic<SlotPage*>& at = *place_of(index);
  if (at.load_acquire() != nullptr) return {};
  auto* const fresh = ::new (TRY(mem::allocate(ALLOC_SITE, sizeof(SlotPage)))) SlotPage;
  SlotPage* none = nullptr;
  if (!at.cas_acq_rel(none, fresh)) mem::free(fresh);
  return {};
}

/// The next number behind `last` that is free, or 0. The lock is held.
u32 PidNamespace::next_free_number(u32 last, u32 limit) const {
  const auto find = [&](u32 from, u32 end) -> u32 {
    while (from < end) {
      const SlotPage* const page = page_of(index_of(from));
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

Result<u32> PidNamespace::take_number() {
  for (;;) {
    u32 number = 0;
    SlotPage* left = nullptr;
    bool is_taken = false;
    {
      auto a = allocation_.lock();
      if (is_closed()) return Errno::enomem;
      // Where nobody is, the next one is the first, whoever failed to come before.
      if (level != 0 && a->used == 0) a->last = 0;
      number = next_free_number(a->last, pid_max());
      if (number == 0) return Errno::eagain;
      if (SlotPage* const page = page_of(index_of(number))) {
        page->taken.add(number % page_slots);
        if (page->used++ == 0) pages_in_use_.add(index_of(number));
        ++a->used;
        left = take_if_empty(index_of(std::exchange(a->last, number)), number);
        is_taken = true;
      }
    }
    if (left != nullptr) core::rcu_call(*left);
    if (is_taken) return number;
    TRY(make_page(number));
  }
}

void PidNamespace::publish(Pid& p, u32 number) {
  page_of(index_of(number))->slots[number % page_slots].store_release(&p);
}

void PidNamespace::give_back(u32 number) {
  SlotPage* empty = nullptr;
  u32 left = 0;
  {
    auto a = allocation_.lock();
    SlotPage& page = *page_of(index_of(number));
    page.slots[number % page_slots].store_release(nullptr);
    page.taken.remove(number % page_slots);
    if (--page.used == 0) pages_in_use_.remove(index_of(number));
    left = --a->used;
    empty = take_if_empty(index_of(number), a->last);
  }
  if (empty != nullptr) core::rcu_call(*empty);
  constexpr u32 few = 2;
  if (left <= few && deserted.has_waiters()) deserted.wake_all();
}

Result<Ref<Pid>> PidNamespace::find(u32 number) {
  if (number == 0 || number >= pid_limit) return Errno::esrch;
  const core::RcuReader reader;
  const SlotPage* const page = page_of(index_of(number));
  Pid* const p = page == nullptr ? nullptr : page->slots[number % page_slots].load_acquire();
  if (p == nullptr || !p->try_get()) return Errno::esrch;
  return Ref<Pid>::adopt(p);
}

Ref<Pid> PidNamespace::next(u32 first) {
  const core::RcuReader reader;
  for (u32 index = index_of(first), slot = first % page_slots;; ++index, slot = 0) {
    index = slot == 0 ? pages_in_use_.next(index) : index;
    if (index >= page_count) return {};
    const SlotPage* const page = page_of(index);
    if (page == nullptr) continue;
    while ((slot = page->taken.next(slot)) < page_slots) {
      Pid* const p = page->slots[slot].load_acquire();
      if (p != nullptr && p->try_get()) return Ref<Pid>::adopt(p);
      ++slot;
    }
  }
}

void Pid::put_inner_numbers(const PidNamespace& viewer, mem::Text& out) const {
  for (u32 level = viewer.level + 1; level <= level_; ++level) out.print("\t{}", number_on(level));
}

u32 translated(u32 number, const PidNamespace& to) {
  if (to.level == 0) return number;
  Result<Ref<Pid>> found = first.find(number);
  return found.ok() ? found.take()->number_in(to) : 0;
}

Result<Ref<Pid>> allocate_pid(PidNamespace& space) {
  Ref<Pid> fresh = TRY(mem::make_ref<Pid>(ALLOC_SITE));
  fresh->space_ = Ref<PidNamespace>(space);
  fresh->level_ = space.level;
  if (space.level != 0)
    fresh->inner_ = static_cast<u32*>(TRY(mem::allocate(ALLOC_SITE, space.level * sizeof(u32))));
  for (PidNamespace* s = &space; s != nullptr; s = s->parent.get()) {
    Result<u32> number = s->take_number();
    if (!number.ok()) {
      for (PidNamespace* t = &space; t != s; t = t->parent.get())
        t->give_back(fresh->number_on(t->level));
      return number.error();
    }
    (s->level == 0 ? fresh->number_ : fresh->inner_[s->level - 1]) = *number;
  }
  fresh->serial_ = last_serial.fetch_add_relaxed(1) + 1;
  // Whoever finds it finds all of it.
  for (PidNamespace* s = &space; s != nullptr; s = s->parent.get())
    s->publish(*fresh, fresh->number_on(s->level));
  return fresh;
}

void free_pid_number(Pid& p) {
  for (PidNamespace* s = &p.space(); s != nullptr; s = s->parent.get())
    s->give_back(p.number_on(s->level));
}

}  // namespace auk::ident
