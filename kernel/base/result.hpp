// Result<T>: a value or an errno, in registers; TRY passes the errno on.
//
// Purpose: every failure is a value that cannot be dropped silently.
// Data model: three layouts. Pointer-like payloads share one word with the errno (the last 4095
// addresses are never valid), void is one int, everything else is {payload, errno}.
// Context: any.
// Differences from Linux: ERR_PTR with a type; no out-parameters.
#pragma once
#include <new>
#include <type_traits>
#include <utility>

#include "base/bug.hpp"
#include "base/types.hpp"
#include "generated/uapi/errno.hpp"

namespace auk {

using Errno = uapi::Errno;

/// A system call that a signal cut short, on its way up: the end of the call either starts it again
/// or makes it EINTR (decision D6). Never seen by programs. Linux's ERESTARTSYS and its sisters.
namespace restart {
inline constexpr Errno sys{512};      ///< again unless a handler without SA_RESTART runs
inline constexpr Errno no_intr{513};  ///< always again
inline constexpr Errno no_hand{514};  ///< again unless a handler runs
inline constexpr Errno block{516};    ///< again by restart_syscall(2) unless a handler runs
}  // namespace restart

/// A failure on its way to a Result of any payload.
struct [[nodiscard]] Fail {
  Errno code;
  constexpr explicit Fail(Errno e) : code(e) { ASSERT(e != Errno{}); }
};

/// Specialised for owning pointer types (Ref, Box) that are one word wide: how to move the word out
/// of the payload and back.
template <class T> struct PointerNiche {
  static constexpr bool exists = false;
};
template <class T> struct PointerNiche<T*> {
  static constexpr bool exists = true;
  static uptr into(T* p) { return reinterpret_cast<uptr>(p); }
  static T* from(uptr w) { return reinterpret_cast<T*>(w); }
};

template <class T> class [[nodiscard]] Result;

/// {payload, errno}: rax:rdx for a word payload.
template <class T>
  requires(!PointerNiche<T>::exists)
class [[nodiscard, clang::trivial_abi]] Result<T> {
  static_assert(!std::is_reference_v<T>, "return a pointer instead");
  union {
    T value_;
  };
  Errno code_;

 public:
  using payload = T;
  constexpr Result(T v) : value_(std::move(v)), code_{} {}
  constexpr Result(Fail f) : code_(f.code) {}
  constexpr Result(Errno e) : code_(e) {}
  constexpr Result(Result&& o) noexcept : code_(o.code_) {
    if (o.ok()) ::new (static_cast<void*>(&value_)) T(std::move(o.value_));
  }
  Result& operator=(Result&&) = delete;
  constexpr ~Result() {
    if (ok()) value_.~T();
  }

  constexpr bool ok() const { return code_ == Errno{}; }
  constexpr explicit operator bool() const { return ok(); }
  constexpr Errno error() const { return code_; }
  constexpr T take() {
    ASSERT(ok());
    return std::move(value_);
  }
  constexpr T& operator*() {
    ASSERT(ok());
    return value_;
  }
  constexpr T* operator->() { return &**this; }
  constexpr T value_or(T other) { return ok() ? std::move(value_) : std::move(other); }
};

/// One word: the pointer, or minus the errno.
template <class T>
  requires(PointerNiche<T>::exists)
class [[nodiscard, clang::trivial_abi]] Result<T> {
  using Niche = PointerNiche<T>;
  static constexpr uptr limit = static_cast<uptr>(-4095);
  uptr word_;

 public:
  using payload = T;
  Result(T v) : word_(Niche::into(std::move(v))) {}
  Result(Fail f) : Result(f.code) {}
  Result(Errno e) : word_(static_cast<uptr>(-static_cast<isize>(e))) {}
  Result(Result&& o) noexcept : word_(std::exchange(o.word_, limit)) {}
  Result& operator=(Result&&) = delete;
  ~Result() {
    if (ok()) (void)Niche::from(word_);
  }

  bool ok() const { return word_ < limit; }
  explicit operator bool() const { return ok(); }
  Errno error() const { return ok() ? Errno{} : static_cast<Errno>(-static_cast<isize>(word_)); }
  T take() {
    ASSERT(ok());
    return Niche::from(std::exchange(word_, limit));
  }
};

template <> class [[nodiscard, clang::trivial_abi]] Result<void> {
  Errno code_{};

 public:
  using payload = void;
  constexpr Result() = default;
  constexpr Result(Fail f) : code_(f.code) {}
  constexpr Result(Errno e) : code_(e) {}
  constexpr bool ok() const { return code_ == Errno{}; }
  constexpr explicit operator bool() const { return ok(); }
  constexpr Errno error() const { return code_; }
  constexpr void take() const { ASSERT(ok()); }
};

}  // namespace auk

#define AUK_TRY_JOIN2(a, b) a##b
#define AUK_TRY_JOIN(a, b) AUK_TRY_JOIN2(a, b)
#define AUK_TRY_IN(tmp, ...)                                                                       \
  ({                                                                                               \
    auto tmp = (__VA_ARGS__);                                                                      \
    if (!tmp.ok()) [[unlikely]]                                                                    \
      return ::auk::Fail(tmp.error());                                                             \
    tmp.take();                                                                                    \
  })
/// The payload of a Result, or return its errno from the enclosing function.
#define TRY(...) AUK_TRY_IN(AUK_TRY_JOIN(auk_try_, __COUNTER__), __VA_ARGS__)
