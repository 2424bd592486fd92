// Attribute spellings for clang's thread-safety analysis and for code that tools must not touch.
//
// Differences from Linux: lock contracts are attributes that the compiler checks, not comments.
#pragma once

#define AUK_CAPABILITY(name) [[clang::capability(name)]]
#define AUK_SCOPED [[clang::scoped_lockable]]
#define AUK_GUARDED_BY(x) __attribute__((guarded_by(x)))
#define AUK_PT_GUARDED_BY(x) __attribute__((pt_guarded_by(x)))
#define AUK_ACQUIRED_AFTER(...) __attribute__((acquired_after(__VA_ARGS__)))
#define AUK_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define AUK_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define AUK_TRY_ACQUIRE(...) __attribute__((try_acquire_capability(__VA_ARGS__)))
#define AUK_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define AUK_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define AUK_ASSERT_HELD(...) __attribute__((assert_capability(__VA_ARGS__)))

/// Turns the lock analysis off for one function. `./auk check` lists every use with its reason and
/// bounds their number; the bodies of lock primitives use AUK_LOCK_PRIMITIVE instead.
#define AUK_NO_ANALYSIS(reason) __attribute__((no_thread_safety_analysis))
#define AUK_LOCK_PRIMITIVE __attribute__((no_thread_safety_analysis))

#define AUK_NO_KASAN __attribute__((no_sanitize("kernel-address", "undefined")))
#define AUK_NO_STACK_PROTECTOR __attribute__((no_stack_protector))
#define AUK_NOINLINE [[gnu::noinline]]
#define AUK_COLD [[gnu::cold, gnu::noinline]]
#define AUK_ALWAYS_INLINE [[gnu::always_inline]] inline

/// Writable until `mem::seal_after_init()`, read-only from then on.
#define AUK_RO_AFTER_INIT [[gnu::section("ro_after_init")]]
