// Restartable sequences: programs that use data of the CPU they run on, without locks. See rseq(2)
// of librseq, Linux's Documentation/userspace-api/rseq.rst.
//
// Data model: each thread may register an area, where the kernel writes the CPU it runs on and
// reads which sequence of instructions it is in. Whoever takes the thread off its CPU sets
// work::rseq; before the thread goes on in user mode, a sequence it was in the middle of is left
// for its abort address. Context: the thread itself. Differences from Linux: as without
// CONFIG_SCHED_MM_CID, mm_cid is the number of the CPU.
#pragma once
#include "base/result.hpp"
#include "core/user.hpp"
#include "machine/isa/registers.hpp"

namespace auk::proc {

class Task;

struct RseqArea {
  static constexpr u32 first_size = 32;    ///< of the oldest programs
  static constexpr u32 feature_size = 28;  ///< AT_RSEQ_FEATURE_SIZE: up to mm_cid
  static constexpr u32 alignment = 32;     ///< AT_RSEQ_ALIGN
  UserAddr at;                             ///< 0: none
  u32 size = 0;
  u32 signature = 0;
};

/// EINVAL, EFAULT; EBUSY: the same one again; EPERM: with another signature.
Result<void> register_rseq(Task& me, const RseqArea& area);
Result<void> unregister_rseq(Task& me, const RseqArea& area);
/// The thread was elsewhere, or a handler is about to run: what its area says becomes true, and the
/// sequence it was in is aborted. SIGSEGV for an area that makes no sense.
void restart_rseq(Task& me, machine::Registers& registers);

}  // namespace auk::proc
