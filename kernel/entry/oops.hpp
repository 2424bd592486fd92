// The report of an oops, and the stack walk it shares with panics and warnings.
//
// Context: any, NMI included. Memory is read with try_read(), so a broken stack ends the walk and
// not the machine.
#pragma once
#include "base/fmt.hpp"
#include "core/panic.hpp"
#include "entry/isa/frame.hpp"

namespace auk::entry {

/// Logs the chain of frame records from `frame_pointer`, starting with `pc` itself.
void dump_stack(uptr pc, uptr frame_pointer);
/// Logs CPU, registers, code bytes and stack of an interrupted context.
void dump_frame(const Frame& frame);

/// The whole report behind a headline that the caller logged, then core::end_oops().
[[noreturn]] void oops(const Frame& frame, std::string_view what, u64 error_code);

}  // namespace auk::entry
