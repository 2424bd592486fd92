// User mode from the kernel's side: faults of programs, signal frames, the way back.
//
// Data model: the registers of a thread in the kernel lie at the top of its stack; work bits say
// what must be done before they are loaded again. Context: the thread itself.
#pragma once
#include "entry/isa/frame.hpp"
#include "proc/task.hpp"

namespace auk::entry {

/// An exception that a program caused. Interrupts are off, and off again on return.
void user_exception(Frame& f, unsigned vector);
/// A fault of the kernel on an address of the program, by an instruction that may fault. True when
/// the page is there now. As above.
bool handle_user_copy_fault(const Frame& f, u64 address, u64 code);

/// Signals and the end of a call that one cut short: registers for a handler, or the call again.
void deliver_signals(proc::Task& me, Frame& f);
Result<u64> return_from_handler(proc::Task& me);

/// The way into user mode for proc, and the switch between programs for sched. Once, at boot.
void setup_user_mode();

}  // namespace auk::entry
