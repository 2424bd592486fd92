#include "entry/isa/user.hpp"

#include "core/preempt.hpp"
#include "entry/isa/traps.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/x86.hpp"
#include "mem/kasan.hpp"
#include "proc/clone.hpp"
#include "proc/cpu_time.hpp"
#include "syscall/dispatch.hpp"

extern "C" {
[[noreturn]] void enter_user_mode(auk::entry::Frame* f);
void return_to_user(auk::entry::Frame* f);
bool syscall_from_user(auk::entry::Frame* f);
}

namespace auk::entry {
namespace {

namespace x86 = machine::x86;
namespace work = core::work;

bool was_cut_short(const Frame& f) {
  constexpr u64 first = 512, last = 516;
  return f.in_syscall() && -f.result() >= first && -f.result() <= last;
}

bool attention_is_wanted() { return (core::preempt_count.read() & core::no_attention_wanted) == 0; }

/// What has to happen between the kernel and the program; interrupts are off, and stay off once
/// nothing is left to do. False: the program has other segments than programs have at first.
bool finish_work(proc::Task& me, Frame& f) {
  constexpr u32 needs_thread = work::signal | work::fatal | work::deferred | work::restore_mask;
  for (;;) {
    if (attention_is_wanted()) {
      core::preempt_now_irqs_off();
      continue;
    }
    const u32 bits = me.work_bits.load_acquire();
    if ((bits & needs_thread) != 0 || was_cut_short(f)) {
      machine::irq_enable();
      deliver_signals(me, f);
      machine::irq_disable();
      continue;
    }
    if ((bits & work::rseq) != 0) {
      machine::irq_enable();
      proc::restart_rseq(me, f);
      machine::irq_disable();
      continue;
    }
    if (f.rip >= core::user_end) {
      // The CPU would fault in the kernel on the way there.
      machine::irq_enable();
      proc::force_signal(me, proc::kernel_signal(uapi::sigsegv));
      machine::irq_disable();
      continue;
    }
    const bool is_usual = f.cs == x86::user_cs && f.ss == x86::user_ds;
    if (!is_usual) {
      // What the CPU would refuse is a fault of the program, not of the kernel that tries. With
      // interrupts off the program's descriptors stay what they are.
      if (const auto fault = machine::return_fault(f)) {
        f.orig_rax = fault->error;
        user_exception(f, fault->vector);
        continue;
      }
    }
    if ((bits & work::registers) == 0) return is_usual;
    machine::load_vectors(me.user);
    (void)me.work_bits.fetch_and_acq_rel(~work::registers);
  }
}

/// SYSRET restores only what SYSCALL saved, and the usual segments.
bool can_sysret(const Frame& f) {
  return f.rcx == f.rip && f.r11 == f.rflags &&
         (f.rflags & (x86::rflags::tf | x86::rflags::rf)) == 0;
}

class Switch final : public sched::UserSwitch {
 public:
  void leave(sched::Thread& t) override {
    auto& task = static_cast<proc::Task&>(t);
    machine::save_user_state(task.user);
    const u32 rseq = task.rseq.at.value != 0 ? work::rseq : 0;
    (void)task.work_bits.fetch_or_relaxed(work::registers | rseq);
  }
  void enter(sched::Thread& t) override {
    set_user_entry_stack(t.stack_top().value);
    proc::sample_cpu_time();
    machine::load_user_state(static_cast<proc::Task&>(t).user);
  }
};
constinit Switch user_switch;

class Entry final : public proc::UserEntry {
 public:
  [[noreturn]] void enter_user_mode(proc::Task& me) override {
    machine::irq_disable();
    Frame& f = me.registers();
    (void)finish_work(me, f);
    // The frames from the thread's start to here never return: what they marked around their
    // variables would stand in the way of the frames of system calls.
    constexpr usize own_frame = 512;
    byte* const lowest = static_cast<byte*>(__builtin_frame_address(0)) - own_frame;
    mem::kasan::unpoison(lowest, static_cast<usize>(reinterpret_cast<byte*>(&f) - lowest));
    ::enter_user_mode(&f);
  }
  Result<u64> return_from_handler(proc::Task& me) override {
    return entry::return_from_handler(me);
  }
};
constinit Entry user_entry;

}  // namespace

void setup_user_mode() {
  sched::set_user_switch(user_switch);
  proc::set_user_entry(user_entry);
}

}  // namespace auk::entry

using namespace auk;
using namespace auk::entry;

void return_to_user(Frame* f) { (void)finish_work(proc::current(), *f); }

bool syscall_from_user(Frame* f) {
  machine::irq_enable();
  proc::Task& me = proc::current();
  syscall::dispatch(me, *f);
  machine::irq_disable();
  return finish_work(me, *f) && can_sysret(*f);
}
