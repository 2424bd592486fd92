// Atomic<T>: compiler atomics with the ordering in the name of each operation.
//
// Purpose: no operation has a default ordering, and <atomic>'s 40,000 lines stay out.
// Data model: one naturally aligned scalar of 1, 2, 4 or 8 bytes.
// Context: any, NMI included. In the host build each operation is a switch point of the simulation.
// Differences from Linux: C++ memory model; standalone fences exist only in machine/.
#pragma once
#include <type_traits>

#include "base/isa/sim.hpp"
#include "base/types.hpp"

namespace auk {

template <class T> class Atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  T v_{};

 public:
  constexpr Atomic() = default;
  constexpr explicit Atomic(T v) : v_(v) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load_relaxed() const { return load<__ATOMIC_RELAXED>(); }
  T load_acquire() const { return load<__ATOMIC_ACQUIRE>(); }
  T load_seq_cst() const { return load<__ATOMIC_SEQ_CST>(); }
  void store_relaxed(T v) { store<__ATOMIC_RELAXED>(v); }
  void store_release(T v) { store<__ATOMIC_RELEASE>(v); }
  void store_seq_cst(T v) { store<__ATOMIC_SEQ_CST>(v); }

  T exchange_acquire(T v) { return exchange<__ATOMIC_ACQUIRE>(v); }
  T exchange_acq_rel(T v) { return exchange<__ATOMIC_ACQ_REL>(v); }

  /// On failure `expected` holds the value found.
  bool cas_acquire(T& expected, T v) { return cas<__ATOMIC_ACQUIRE>(expected, v); }
  bool cas_release(T& expected, T v) { return cas<__ATOMIC_RELEASE>(expected, v); }
  bool cas_acq_rel(T& expected, T v) { return cas<__ATOMIC_ACQ_REL>(expected, v); }
  bool cas_relaxed(T& expected, T v) { return cas<__ATOMIC_RELAXED>(expected, v); }

  // All return the value before the operation.
  T fetch_add_relaxed(T n) { return sim_point(), __atomic_fetch_add(&v_, n, __ATOMIC_RELAXED); }
  T fetch_add_acq_rel(T n) { return sim_point(), __atomic_fetch_add(&v_, n, __ATOMIC_ACQ_REL); }
  T fetch_add_seq_cst(T n) { return sim_point(), __atomic_fetch_add(&v_, n, __ATOMIC_SEQ_CST); }
  T fetch_sub_relaxed(T n) { return sim_point(), __atomic_fetch_sub(&v_, n, __ATOMIC_RELAXED); }
  T fetch_sub_release(T n) { return sim_point(), __atomic_fetch_sub(&v_, n, __ATOMIC_RELEASE); }
  T fetch_sub_acq_rel(T n) { return sim_point(), __atomic_fetch_sub(&v_, n, __ATOMIC_ACQ_REL); }
  T fetch_or_relaxed(T n) { return sim_point(), __atomic_fetch_or(&v_, n, __ATOMIC_RELAXED); }
  T fetch_or_acq_rel(T n) { return sim_point(), __atomic_fetch_or(&v_, n, __ATOMIC_ACQ_REL); }
  T fetch_and_relaxed(T n) { return sim_point(), __atomic_fetch_and(&v_, n, __ATOMIC_RELAXED); }
  T fetch_and_acq_rel(T n) { return sim_point(), __atomic_fetch_and(&v_, n, __ATOMIC_ACQ_REL); }

 private:
  // The generic forms take every trivially copyable type, enumerations
  // included.
  template <int order> T load() const {
    sim_point();
    T v;
    __atomic_load(&v_, &v, order);
    return v;
  }
  template <int order> void store(T v) { sim_point(), __atomic_store(&v_, &v, order); }
  template <int order> T exchange(T v) {
    sim_point();
    T old;
    __atomic_exchange(&v_, &v, &old, order);
    return old;
  }
  template <int order> bool cas(T& expected, T v) {
    sim_point();
    return __atomic_compare_exchange(&v_, &expected, &v, false, order, __ATOMIC_RELAXED);
  }
};

/// Keeps the compiler, not the CPU, from moving memory accesses across: for data shared with an
/// interrupt or NMI on the same CPU.
inline void compiler_barrier() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

}  // namespace auk
