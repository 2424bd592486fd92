// ThreadCore: the part of a thread that the lowest floors see, and `current`.
//
// Data model: sched::Thread derives from it, proc::Task from that; each floor sees only its slice.
// Context: current_core() any; null only before the boot CPU has its first thread.
#pragma once
#include <array>
#include <string_view>
#include <type_traits>

#include "core/lockdep.hpp"
#include "core/percpu.hpp"

namespace auk::core {

/// What a thread has to do before it goes back to user mode (decision D6), set from any floor.
namespace work {
inline constexpr u32 signal = 1;         ///< a signal may have to be delivered
inline constexpr u32 fatal = 2;          ///< one that ends the thread, whatever it waits for
inline constexpr u32 deferred = 4;       ///< something was put off until here
inline constexpr u32 registers = 8;      ///< vector registers are in memory
inline constexpr u32 restore_mask = 16;  ///< the signal mask of before sigsuspend and its like
inline constexpr u32 rseq = 32;          ///< it was off its CPU, and has an area that shows which
}  // namespace work

struct ThreadCore {
  static constexpr usize name_size = 16;
  std::array<char, name_size> name_{};
  u64 canary = 0;  ///< what the stack protector compares with while this thread runs
  u32 id = 0;      ///< for messages; not a pid
  Atomic<u32> work_bits{0};
  /// It makes room for an allocation: its own allocations must not wait for that.
  bool is_making_room = false;
  [[no_unique_address]] std::conditional_t<config::lockdep, HeldLocks, NoHeldLocks> held;

  std::string_view name() const {
    const std::string_view all(name_.data(), name_.size());
    return all.substr(0, all.find('\0'));
  }
};

/// The value the stack protector started with: for contexts that exist already.
u64 initial_canary();

extern PerCpu<ThreadCore*> current_thread;
inline ThreadCore* current_core() { return current_thread.read(); }

}  // namespace auk::core
