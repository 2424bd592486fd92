// Access to user memory: the only instructions that may touch it, between STAC and CLAC.
//
// Data model: each function says how many bytes it did not reach. A fault is handled like one of
// the program itself; only if that fails does the exception table end the copy.
// Context: threads that may sleep; with preemption off a fault ends the copy at once.
// The callers check that the range lies in the user half.
#pragma once
#include "base/types.hpp"

namespace auk::machine {

/// Bytes not copied; they lie at the end.
usize copy_from_user(void* to, u64 from, usize n);
usize copy_to_user(u64 to, const void* from, usize n);
usize clear_user(u64 to, usize n);
/// `count` words of two bytes that lie `stride` bytes apart on both sides; how many are left.
usize copy_column_to_user(u64 to, const void* from, usize count, usize stride);
/// Bytes up to and without the terminating zero, at most `n`; ~0 on a fault. All of them are
/// copied.
usize copy_string_from_user(char* to, u64 from, usize n);
/// Reads or compares-and-exchanges one aligned word; false on a fault.
bool load_user_u32(u32& value, u64 from);
bool cas_user_u32(u64 at, u32& expected, u32 desired);
bool store_user_u32(u64 at, u32 value);

}  // namespace auk::machine
