#include "vm/fault_watch.hpp"

#include "vm/space.hpp"

namespace auk::vm {
namespace {

/// Which watches are whose.
struct Nothing {};
constinit core::Guarded<core::level::fault_watches, Nothing, core::SpinIrqOff> belonging;

}  // namespace

Result<Ref<FaultWatch>> FaultWatch::create(AddressSpace& space, bool for_programs_only) {
  Ref<FaultWatch> w = TRY(mem::make_ref<FaultWatch>(ALLOC_SITE, for_programs_only));
  auto still = belonging.lock();
  w->space_ = &space;
  space.watches().push_back(*w);
  return w;
}

void FaultWatch::destroy(FaultWatch* w) {
  {
    auto still = belonging.lock();
    if (w->space_ != nullptr) FaultWatches::remove(*w);
  }
  mem::destroy(w);
}

void FaultWatch::leave(FaultWatches& watches) {
  auto still = belonging.lock();
  while (FaultWatch* const w = watches.front()) {
    FaultWatches::remove(*w);
    w->space_ = nullptr;
  }
}

Result<Ref<AddressSpace>> FaultWatch::space() {
  auto still = belonging.lock();
  if (space_ == nullptr || !space_->try_get()) return Errno::esrch;
  return Ref<AddressSpace>::adopt(space_);
}

void FaultWatch::add(Ask& ask) {
  {
    auto s = state_.lock();
    s->pending.push_back(ask);
  }
  readers.wake_all();
}

sched::WaitResult FaultWatch::wait(Ask& ask, sched::Interruptible interruptible) {
  const sched::WaitResult r = sched::wait(
      ask.queue, [&] { return ask.is_answered.load_acquire(); }, sched::no_deadline, interruptible);
  // Also for who has answered and is not yet out of it.
  auto s = state_.lock();
  if (ask.node.is_linked()) Asks::remove(ask);
  return r;
}

void FaultWatch::answer(Asks& asks, UserAddr start, UserAddr end) {
  Asks others;
  while (Ask* const ask = asks.front()) {
    Asks::remove(*ask);
    if (ask->address < start || ask->address >= end) {
      others.push_back(*ask);
      continue;
    }
    ask->is_answered.store_release(true);
    ask->queue.wake_all();
  }
  while (Ask* const ask = others.front()) {
    Asks::remove(*ask);
    asks.push_back(*ask);
  }
}

void FaultWatch::wake(UserAddr start, UserAddr end) {
  auto s = state_.lock();
  answer(s->pending, start, end);
  answer(s->told, start, end);
}

FaultWatch::Counts FaultWatch::counts() {
  auto s = state_.lock();
  Counts c;
  for ([[maybe_unused]] const Ask& a : s->pending) ++c.pending;
  c.all = c.pending;
  for ([[maybe_unused]] const Ask& a : s->told) ++c.all;
  return c;
}

}  // namespace auk::vm
