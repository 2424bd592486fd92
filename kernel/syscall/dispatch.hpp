// From a program's registers to the function that does the call.
//
// Purpose: a call is one plain function (calls.hpp); its parameter types are the decoding.
// Data model: a constant table from numbers to bound functions; numbers without a row answer
// ENOSYS and are logged once. Context: the calling thread, interrupts on, nothing held.
// Differences from Linux: no SYSCALL_DEFINE; one signature is the decoder and the table's row.
#pragma once
#include "proc/task.hpp"

namespace auk::syscall {

/// Does the call whose number and arguments are in `r`, and puts its result there.
void dispatch(proc::Task& me, machine::Registers& r);

}  // namespace auk::syscall
