// Barriers that one thread makes all others pass: see membarrier(2).
//
// Data model: what a program announced is in its address space, a bit for each command: in the
// lower half from the beginning of the announcement, in the upper half when other CPUs have seen
// it.
#include "generated/uapi/membarrier.hpp"
#include "core/smp_call.hpp"
#include "sched/rcu.hpp"
#include "syscall/calls.hpp"

namespace auk::syscall {
namespace {

constexpr u32 announced_shift = 16;

enum class Kind : u8 { memory, core, rseq };

/// An interrupt is a barrier, and its return makes the CPU read its instructions anew.
class Visit final : public core::CrossCall {
  const Kind kind_;

 public:
  explicit Visit(Kind kind) : kind_(kind) {}
  void run() override {
    if (kind_ == Kind::rseq && core::current_core() != nullptr)
      (void)core::current_core()->work_bits.fetch_or_acq_rel(core::work::rseq);
  }
};

Value announce(Task& me, u32 command, u32 includes) {
  Atomic<u32>& barriers = me.space->barriers;
  if ((barriers.load_acquire() >> announced_shift & command) != 0) return u64{0};
  (void)barriers.fetch_or_acq_rel(command | includes);
  // Every CPU that runs the program meanwhile switches or is interrupted before it is told so.
  Visit visit(Kind::memory);
  core::call_on(me.space->translation().cpus(), visit);
  (void)barriers.fetch_or_acq_rel(command << announced_shift);
  return u64{0};
}

Value visit_own(Task& me, Kind kind, u32 registered_by, std::optional<u32> cpu) {
  // Also the barrier in front of the look at who runs the program.
  if ((me.space->barriers.fetch_or_acq_rel(0) >> announced_shift & registered_by) == 0)
    return Errno::eperm;
  Visit visit(kind);
  if (cpu) {
    if (*cpu >= core::possible_cpus || !core::online_cpus.has(CpuId(*cpu))) return u64{0};
    core::CpuMask one;
    if (me.space->translation().cpus().has(CpuId(*cpu))) one.set(CpuId(*cpu));
    core::call_on(one, visit);
    return u64{0};
  }
  core::call_on(me.space->translation().cpus(), visit);
  if (kind == Kind::core) machine::synchronize_core();
  if (kind == Kind::rseq) (void)me.work_bits.fetch_or_acq_rel(core::work::rseq);
  return u64{0};
}

constexpr u32 global = uapi::membarrier_cmd_register_global_expedited;
constexpr u32 own = uapi::membarrier_cmd_register_private_expedited;
constexpr u32 own_core = uapi::membarrier_cmd_register_private_expedited_sync_core;
constexpr u32 own_rseq = uapi::membarrier_cmd_register_private_expedited_rseq;
constexpr u32 all_commands = uapi::membarrier_cmd_global | uapi::membarrier_cmd_global_expedited |
                             global | uapi::membarrier_cmd_private_expedited | own |
                             uapi::membarrier_cmd_private_expedited_sync_core | own_core |
                             uapi::membarrier_cmd_private_expedited_rseq | own_rseq |
                             uapi::membarrier_cmd_get_registrations;

}  // namespace

Value calls::membarrier(Task& me, int command, u32 flags, int cpu) {
  const bool one_cpu = command == uapi::membarrier_cmd_private_expedited_rseq &&
                       flags == u32{uapi::membarrier_cmd_flag_cpu};
  if (flags != 0 && !one_cpu) return Errno::einval;
  std::optional<u32> only;
  if (one_cpu && cpu >= 0) only = static_cast<u32>(cpu);
  switch (command) {
    case uapi::membarrier_cmd_query: return u64{all_commands};
    case uapi::membarrier_cmd_global: sched::rcu_synchronize(); return u64{0};
    case uapi::membarrier_cmd_global_expedited: {
      Visit visit(Kind::memory);
      core::call_on_others(visit);
      return u64{0};
    }
    case uapi::membarrier_cmd_register_global_expedited: return announce(me, global, 0);
    case uapi::membarrier_cmd_private_expedited:
      return visit_own(me, Kind::memory, own, std::nullopt);
    case uapi::membarrier_cmd_register_private_expedited: return announce(me, own, 0);
    case uapi::membarrier_cmd_private_expedited_sync_core:
      return visit_own(me, Kind::core, own_core, std::nullopt);
    case uapi::membarrier_cmd_register_private_expedited_sync_core:
      return announce(me, own_core, own);
    case uapi::membarrier_cmd_private_expedited_rseq:
      return visit_own(me, Kind::rseq, own_rseq, only);
    case uapi::membarrier_cmd_register_private_expedited_rseq: return announce(me, own_rseq, own);
    case uapi::membarrier_cmd_get_registrations:
      return u64{me.space->barriers.load_acquire() & ((u32{1} << announced_shift) - 1)};
    default: return Errno::einval;
  }
}

}  // namespace auk::syscall
