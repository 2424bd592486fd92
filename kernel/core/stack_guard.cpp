// The stack protector's canary, one per CPU so that %gs reaches it; switched with the thread.
#include "base/bug.hpp"
#include "core/percpu.hpp"
#include "core/thread_core.hpp"

namespace {
constexpr auk::uptr first_canary = 0x7f4a7c159e377900;
}

auk::u64 auk::core::initial_canary() { return first_canary; }

extern "C" {
AUK_PER_CPU auk::uptr __stack_chk_guard = first_canary;
[[noreturn]] void __stack_chk_fail() { UNREACHABLE("stack-protector: kernel stack is corrupted"); }
}
