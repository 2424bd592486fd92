// The drivers of a bus. Registered at boot, for ever. Context: threads, one at a time.
#pragma once

namespace auk::bus {

/// D has a pointer `next_` for it.
template <class D> class DriverList {
  D* first_ = nullptr;

 public:
  constexpr DriverList() = default;
  void add(D& d) {
    d.next_ = first_;
    first_ = &d;
  }
  /// The first one of which `is_it` holds, or null.
  template <class F> D* find(F is_it) const {
    D* d = first_;
    while (d != nullptr && !is_it(*d)) d = d->next_;
    return d;
  }
};

}  // namespace auk::bus
