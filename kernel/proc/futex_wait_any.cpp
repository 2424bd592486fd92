// Waiting for several futexes at once: futex_waitv(2).
//
// Each word has a waiter of its own in its bucket; the thread sleeps once for all of them. A waiter
// that was taken out of its bucket stays taken: before anything else is answered, that it was woken
// is.
#include <algorithm>

#include "mem/heap_bytes.hpp"
#include "proc/futex.hpp"
#include "proc/futex_table.hpp"

namespace auk::proc {
namespace {

class Waiters {
  FutexWaiter* at_ = nullptr;  ///< owned
  u32 made_ = 0, joined_ = 0;

 public:
  Waiters() = default;
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;
  ~Waiters() {
    (void)leave();
    std::destroy_n(at_, made_);
    mem::free(at_);
  }
  Result<void> make(Task& me, std::span<const FutexWait> words) {
    at_ = static_cast<FutexWaiter*>(
        TRY(mem::allocate(ALLOC_SITE, words.size() * sizeof(FutexWaiter))));
    for (const FutexWait& w : words) {
      FutexWaiter* const fresh = ::new (&at_[made_]) FutexWaiter;
      ++made_;
      fresh->key = TRY(futex_key(me, w.word, w.is_private, FutexAccess::read));
      fresh->task = &me;
    }
    return {};
  }
  Result<void> join(std::span<const FutexWait> words) {
    for (; joined_ < words.size(); ++joined_)
      TRY(join_futex(at_[joined_], words[joined_].word, words[joined_].value));
    return {};
  }
  bool any_woken() const {
    return std::any_of(at_, at_ + joined_,
                       [](const FutexWaiter& w) { return w.woken.load_acquire(); });
  }
  /// Out of all buckets; the last one that was woken.
  std::optional<u32> leave() {
    std::optional<u32> woken;
    for (u32 i = 0; i < joined_; ++i) {
      leave_futex(at_[i]);
      if (at_[i].woken.load_relaxed()) woken = i;
    }
    joined_ = 0;
    return woken;
  }
};

}  // namespace

Result<u32> futex_wait_any(Task& me, std::span<const FutexWait> words, io::Moment end) {
  Waiters waiters;
  TRY(waiters.make(me, words));
  const Result<void> joined = waiters.join(words);
  sched::WaitResult waited = sched::WaitResult::ready;
  if (joined.ok()) waited = io::wait_until(end, [&] { return waiters.any_woken(); });
  if (const std::optional<u32> woken = waiters.leave()) return *woken;
  TRY(joined);
  if (waited == sched::WaitResult::timed_out) return Errno::etimedout;
  return restart::sys;
}

}  // namespace auk::proc
