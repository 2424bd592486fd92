// Box<T>: unique ownership of a heap object; make_ref for counted ones.
//
// Purpose: the only ways to make an object on the heap. Allocation is always fallible.
// Data model: one pointer. A type with `static Cache& cache()` lives in its own cache, others in
// the size class that fits. Context: that of the allocator (any but NMI), and of T's constructor
// and destructor.
#pragma once
#include <array>
#include <new>
#include <utility>

#include "base/own.hpp"
#include "base/result.hpp"
#include "core/rcu.hpp"
#include "mem/alloc_site.hpp"
#include "mem/slab.hpp"

namespace auk::mem {

template <class T> Result<void*> allocate_for(AllocSite& site) {
  static_assert(alignof(T) <= 16, "over-aligned types need a cache of their own");
  if constexpr (requires { T::cache(); })
    return T::cache().allocate(site);
  else
    return allocate(site, sizeof(T));
}

/// Memory on its way back.
class LateMemory final : public core::RcuHead {
  void* start_;

 public:
  explicit LateMemory(void* start) : start_(start) {}
  ~LateMemory() = default;
  void retire() override { free(start_); }
};
/// What classes have whose count others look at under RCU when the object may be gone already.
class LateMemorySlot {
  alignas(LateMemory) std::array<byte, sizeof(LateMemory)> room_{};

 public:
  /// Ends the life of the object that the slot lies in, at once. Its memory, and with it a count of
  /// 0, stays for a grace period.
  template <class T> void destroy(T* t) {
    byte* const room = room_.data();
    t->~T();
    core::rcu_call(*::new (room) LateMemory(t));
  }
};

/// Ends an object's life and gives its memory back.
template <class T> void destroy(T* t) {
  static_assert(!requires { typename T::IsDestroyedLate; }, "its memory may be looked at");
  t->~T();
  free(t);
}

template <class T> class [[clang::trivial_abi]] Box {
  T* p_ = nullptr;
  explicit Box(T* p) : p_(p) {}

 public:
  static Box adopt(T* p) { return Box(p); }
  template <class... A> static Result<Box> make(AllocSite& site, A&&... args) {
    void* const at = TRY(allocate_for<T>(site));
    return Box(::new (at) T(std::forward<A>(args)...));
  }
  Box() = default;
  Box(Box&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Box& operator=(Box o) noexcept { return std::swap(p_, o.p_), *this; }
  ~Box() {
    if (p_ != nullptr) destroy(p_);
  }
  T& operator*() const { return *p_; }
  T* operator->() const { return p_; }
  T* get() const { return p_; }
  explicit operator bool() const { return p_ != nullptr; }
  T* release() { return std::exchange(p_, nullptr); }
};

/// A fresh counted object with one reference. T::destroy() usually is mem::destroy().
template <class T, class... A> Result<Ref<T>> make_ref(AllocSite& site, A&&... args) {
  void* const at = TRY(allocate_for<T>(site));
  return Ref<T>::adopt(::new (at) T(std::forward<A>(args)...));
}

}  // namespace auk::mem

namespace auk {

template <class T> struct PointerNiche<mem::Box<T>> {
  static constexpr bool exists = true;
  static uptr into(mem::Box<T> b) { return reinterpret_cast<uptr>(b.release()); }
  static mem::Box<T> from(uptr w) { return mem::Box<T>::adopt(reinterpret_cast<T*>(w)); }
};

}  // namespace auk
