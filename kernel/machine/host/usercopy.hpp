// User memory on the host: there is none, every access faults.
//
// Context: any.
#pragma once
#include "base/types.hpp"

namespace auk::machine {

inline usize copy_from_user(void*, u64, usize n) { return n; }
inline usize copy_to_user(u64, const void*, usize n) { return n; }
inline usize clear_user(u64, usize n) { return n; }
inline usize copy_column_to_user(u64, const void*, usize count, usize) { return count; }
inline usize copy_string_from_user(char*, u64, usize) { return ~usize{0}; }
inline bool load_user_u32(u32&, u64) { return false; }
inline bool cas_user_u32(u64, u32&, u32) { return false; }
inline bool store_user_u32(u64, u32) { return false; }

}  // namespace auk::machine
