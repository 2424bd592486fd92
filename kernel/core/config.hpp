// The options of Kconfig that core and the floors above it ask about, as typed constants.
//
// Only headers like this one look at CONFIG_ macros; code branches on constants that the compiler
// checks in both states.
#pragma once
#include "base/types.hpp"
#include "generated/autoconf.h"

namespace auk::config {

inline constexpr u32 max_cpus = CONFIG_NR_CPUS;
inline constexpr u32 log_buf_shift = CONFIG_LOG_BUF_SHIFT;
inline constexpr i32 panic_timeout = CONFIG_PANIC_TIMEOUT;

#ifdef CONFIG_PANIC_ON_OOPS
inline constexpr bool panic_on_oops = true;
#else
inline constexpr bool panic_on_oops = false;
#endif
#ifdef CONFIG_DEBUG_WX
inline constexpr bool debug_wx = true;
#else
inline constexpr bool debug_wx = false;
#endif
#ifdef AUK_KASAN
inline constexpr bool kasan = true;
#else
inline constexpr bool kasan = false;
#endif
#ifdef AUK_LOCKDEP
inline constexpr bool lockdep = true;
#else
inline constexpr bool lockdep = false;
#endif

}  // namespace auk::config
