// FaultWatch: who fills the missing pages of areas in place of the kernel: userfaultfd(2).
//
// Data model: an area may have a watch. A fault that finds no page there leaves an Ask, which lies
// on the asking thread's stack, and sleeps until somebody has filled the page and says so. Asks
// wait to be told of, or have been; both lists are the watch's. A watch belongs to one address
// space, which may end before it.
// Locking: level event over the lists and what the asks say; one lock for which watches a space
// has. A fault asks while it still counts in its area, then looks again whether the page is
// missing: who fills a page wakes after it is there, so no wake-up is lost. Context: threads.
// Differences from Linux: an ask is woken by itself, not with all others that wait.
#pragma once
#include "base/list.hpp"
#include "base/own.hpp"
#include "core/spin.hpp"
#include "sched/thread.hpp"
#include "sched/wait.hpp"

namespace auk::vm {

enum class Access : u8 { read, write, execute };
class AddressSpace;

class FaultWatch final : public RefCounted<FaultWatch> {
 public:
  struct Ask {
    UserAddr address;
    Access access;
    sched::Thread& thread;
    Atomic<bool> is_answered{false};
    sched::WaitQueue queue;
    ListNode node;
    Ask(UserAddr at, Access a) : address(at), access(a), thread(sched::current()) {}
    ~Ask() = default;
    Ask(const Ask&) = delete;
    Ask& operator=(const Ask&) = delete;
  };
  using Asks = List<Ask, &Ask::node>;

 private:
  struct State {
    Asks pending, told;
  };
  core::Guarded<core::level::event, State, core::SpinIrqOff> state_;
  AddressSpace* space_ = nullptr;
  static void answer(Asks& asks, UserAddr start, UserAddr end);

 public:
  ListNode space_node;
  /// Of who is told of asks.
  sched::WaitQueue readers;
  /// Faults do not ask any more: they are mended as elsewhere.
  Atomic<bool> is_closed{false};
  /// Faults fail instead of asking (UFFD_FEATURE_SIGBUS).
  Atomic<bool> fails{false};
  /// Those of the kernel fail (UFFD_USER_MODE_ONLY).
  const bool is_for_programs_only;

  explicit FaultWatch(bool for_programs_only) : is_for_programs_only(for_programs_only) {}
  ~FaultWatch() = default;
  static void destroy(FaultWatch* w);
  /// For areas of `space`. ENOMEM.
  static Result<Ref<FaultWatch>> create(AddressSpace& space, bool for_programs_only);
  /// The space if it still has users. ESRCH.
  Result<Ref<AddressSpace>> space();
  /// A space ends.
  static void leave(List<FaultWatch, &FaultWatch::space_node>& watches);

  void add(Ask& ask);
  /// Sleeps until there is an answer, or something that `interruptible` lets through. In any case
  /// nobody knows the ask afterwards.
  sched::WaitResult wait(Ask& ask, sched::Interruptible interruptible);
  /// The pages of [start, end) are there, or are to be looked for again.
  void wake(UserAddr start, UserAddr end);
  bool has_pending() { return !state_.lock()->pending.empty(); }
  /// Tells of the ask that waits longest: f(ask), with its lists locked. False if none does.
  template <class F> bool tell(F f) {
    auto s = state_.lock();
    Ask* const ask = s->pending.front();
    if (ask == nullptr) return false;
    f(*ask);
    Asks::remove(*ask);
    s->told.push_back(*ask);
    return true;
  }
  struct Counts {
    u64 pending = 0, all = 0;
  };
  Counts counts();
};
using FaultWatches = List<FaultWatch, &FaultWatch::space_node>;

}  // namespace auk::vm
