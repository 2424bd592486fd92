// What memory is in use when the first program switches the machine off, for the proof that
// programs leave nothing behind.
#pragma once

namespace auk::syscall {

/// With `auk.report=memory`: waits until everything that was given up is free, and logs the live
/// objects of each cache and the free pages. Context: threads.
void report_memory();

}  // namespace auk::syscall
