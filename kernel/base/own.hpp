// Refcount and Ref<T>: counted ownership with a saturating counter.
//
// Purpose: one strong reference type. Back-links are raw under the lock that unlinks them, or ids.
// Data model: a class derives from RefCounted<T> and defines `static void destroy(T*)`, which runs
// when the last reference goes.
// Context: taking a reference is any context; dropping runs destroy() in the caller's context.
// Differences from Linux: refcount_t's rules (never up from zero, saturation instead of wrap), with
// the reference in the type.
#pragma once
#include <type_traits>
#include <utility>

#include "base/atomic.hpp"
#include "base/bug.hpp"
#include "base/result.hpp"

namespace auk {

class Refcount {
  static constexpr u32 saturated = 0xc0000000;
  Atomic<u32> n_;

 public:
  constexpr explicit Refcount(u32 n = 1) : n_(n) {}

  u32 read() const { return n_.load_relaxed(); }
  /// True for the only holder; what others did before they let go has happened.
  bool is_one() const { return n_.load_acquire() == 1; }
  /// The caller holds a reference already.
  void get() {
    const u32 old = n_.fetch_add_relaxed(1);
    if (WARN_ON(old == 0 || old >= saturated)) n_.store_relaxed(saturated);
  }
  /// For lookups under RCU: false when the object is already dying.
  bool try_get() {
    u32 old = n_.load_relaxed();
    do {
      if (old == 0) return false;
      if (old >= saturated) return true;
    } while (!n_.cas_acquire(old, old + 1));
    return true;
  }
  /// True when this was the last reference; the object is then the caller's alone.
  [[nodiscard]] bool put() {
    const u32 old = n_.fetch_sub_acq_rel(1);
    if (WARN_ON(old == 0 || old >= saturated)) {
      n_.store_relaxed(saturated);
      return false;
    }
    return old == 1;
  }
};

template <class T> class RefCounted {
  template <class> friend class Ref;
  Refcount count_;

 public:
  bool try_get() { return count_.try_get(); }
  u32 ref_count() const { return count_.read(); }
  /// The caller's reference is the only one.
  bool has_one_owner() const { return count_.is_one(); }
  /// For a class that ends chains of references itself: true when this was the last one.
  [[nodiscard]] bool drop() { return count_.put(); }
};

template <class T> class [[clang::trivial_abi]] Ref {
  T* p_;
  explicit Ref(T* p) : p_(p) {}

 public:
  constexpr Ref() : p_(nullptr) {}
  /// Takes over the reference that a fresh object is born with, or one from try_get().
  static Ref adopt(T* p) { return Ref(p); }
  explicit Ref(T& t) : p_(&t) { p_->count_.get(); }
  Ref(const Ref& o) : p_(o.p_) {
    if (p_ != nullptr) p_->count_.get();
  }
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  /// A reference to a derived type is one to its base.
  template <class U>
    requires std::is_convertible_v<U*, T*>
  Ref(Ref<U> o) : p_(o.release()) {}
  Ref& operator=(Ref o) noexcept { return std::swap(p_, o.p_), *this; }
  ~Ref() {
    if (p_ != nullptr && p_->count_.put()) T::destroy(p_);
  }

  T& operator*() const { return *p_; }
  T* operator->() const { return p_; }
  T* get() const { return p_; }
  T* release() { return std::exchange(p_, nullptr); }
  explicit operator bool() const { return p_ != nullptr; }
  bool operator==(const Ref&) const = default;
};

template <class T> struct PointerNiche<Ref<T>> {
  static constexpr bool exists = true;
  static uptr into(Ref<T> r) { return reinterpret_cast<uptr>(r.release()); }
  static Ref<T> from(uptr w) { return Ref<T>::adopt(reinterpret_cast<T*>(w)); }
};

}  // namespace auk
