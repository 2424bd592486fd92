// Turn: one at a time, and who waits for it may give up.
//
// A reader or writer of a terminal may hold it for hours; a lock that no signal ends would hold all
// the others for as long. Context: threads.
#pragma once
#include "proc/signal.hpp"
#include "sched/wait.hpp"

namespace auk::drivers::tty {

class Turn {
  Atomic<bool> is_taken_{false};
  sched::WaitQueue free_;

 public:
  constexpr Turn() = default;
  /// EAGAIN; ERESTARTSYS.
  Result<void> take(bool nonblocking) {
    const auto try_take = [&] { return !is_taken_.exchange_acq_rel(true); };
    if (try_take()) return {};
    if (nonblocking) return Errno::eagain;
    if (sched::wait_interruptible(free_, try_take) == sched::WaitResult::interrupted)
      return restart::sys;
    return {};
  }
  void give_back() {
    is_taken_.store_seq_cst(false);
    free_.wake_one();
  }
};

/// One's turn, until the end of the block.
class OwnTurn {
  Turn& turn_;

 public:
  explicit OwnTurn(Turn& taken) : turn_(taken) {}
  ~OwnTurn() { turn_.give_back(); }
  OwnTurn(const OwnTurn&) = delete;
  OwnTurn& operator=(const OwnTurn&) = delete;
};

}  // namespace auk::drivers::tty
