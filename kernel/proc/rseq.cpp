#include "proc/rseq.hpp"

#include "generated/uapi/rseq.hpp"
#include "proc/task.hpp"
#include "uapi/rseq.hpp"

namespace auk::proc {
namespace {

Result<void> show(const RseqArea& area, u32 cpu_start, u32 cpu, u32 node, u32 concurrency_id) {
  const UserAddr at = area.at;
  TRY(core::UserOut<u32>(at + offsetof(uapi::rseq, cpu_id_start)).store(cpu_start));
  TRY(core::UserOut<u32>(at + offsetof(uapi::rseq, cpu_id)).store(cpu));
  TRY(core::UserOut<u32>(at + offsetof(uapi::rseq, node_id)).store(node));
  return core::UserOut<u32>(at + offsetof(uapi::rseq, mm_cid)).store(concurrency_id);
}

Result<void> check_sequence(const RseqArea& area, const uapi::rseq_cs& s) {
  const u64 end = core::user_end;
  if (s.start_ip >= end || s.start_ip + s.post_commit_offset >= end || s.abort_ip >= end ||
      s.version > 0)
    return Errno::einval;
  // A sequence is not aborted to its own middle.
  if (s.abort_ip - s.start_ip < s.post_commit_offset) return Errno::einval;
  if (s.flags != 0) return Errno::einval;
  // Nothing but what the program marked can be jumped to.
  const u32 found = TRY(core::UserIn<u32>(UserAddr(s.abort_ip - sizeof(u32))).load());
  return found == area.signature ? Result<void>() : Errno::einval;
}

Result<void> abort_sequence(const RseqArea& area, machine::Registers& r) {
  const UserAddr pointer = area.at + offsetof(uapi::rseq, cs);
  const u64 at = TRY(core::UserIn<u64>(pointer).load());
  if (at == 0) return {};
  const uapi::rseq_cs s = TRY(core::UserIn<uapi::rseq_cs>(UserAddr(at)).load());
  TRY(check_sequence(area, s));
  if (r.instruction() - s.start_ip < s.post_commit_offset) {
    if (TRY(core::UserIn<u32>(area.at + offsetof(uapi::rseq, flags)).load()) != 0)
      return Errno::einval;
    r.set_instruction(s.abort_ip);
  }
  // Over, or left behind long ago: not looked at again.
  return core::UserOut<u64>(pointer).store(0);
}

Result<void> update(Task& me, machine::Registers& r) {
  TRY(abort_sequence(me.rseq, r));
  const u32 cpu = core::this_cpu().value;
  return show(me.rseq, cpu, cpu, 0, cpu);
}

}  // namespace

Result<void> register_rseq(Task& me, const RseqArea& area) {
  if (me.rseq.at.value != 0) {
    if (me.rseq.at != area.at || me.rseq.size != area.size) return Errno::einval;
    return me.rseq.signature != area.signature ? Errno::eperm : Errno::ebusy;
  }
  const u64 alignment =
      area.size == RseqArea::first_size ? RseqArea::alignment : alignof(uapi::rseq);
  if (area.size < RseqArea::first_size || area.at.value % alignment != 0) return Errno::einval;
  if (!core::is_user_range(area.at, area.size)) return Errno::efault;
  me.rseq = area;
  (void)me.work_bits.fetch_or_acq_rel(core::work::rseq);
  return {};
}

Result<void> unregister_rseq(Task& me, const RseqArea& area) {
  if (me.rseq.at.value == 0 || me.rseq.at != area.at || me.rseq.size != area.size)
    return Errno::einval;
  if (me.rseq.signature != area.signature) return Errno::eperm;
  TRY(show(me.rseq, 0, static_cast<u32>(uapi::rseq_cpu_id_uninitialized), 0, 0));
  me.rseq = {};
  return {};
}

void restart_rseq(Task& me, machine::Registers& registers) {
  (void)me.work_bits.fetch_and_acq_rel(~core::work::rseq);
  if (me.rseq.at.value == 0) return;
  if (!update(me, registers).ok()) force_signal(me, kernel_signal(uapi::sigsegv));
}

}  // namespace auk::proc
