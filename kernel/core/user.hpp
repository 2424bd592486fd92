// User memory: typed pointers that cannot be followed, only copied through.
//
// Purpose: a number from a program never becomes a kernel pointer.
// Data model: an address and a type. Whoever decodes a system call makes them; there is no way to
// get the address out except for messages and comparisons. Context: threads that may sleep.
// Differences from Linux: __user with a compiler that enforces it; types with padding do not copy.
#pragma once
#include <algorithm>
#include <array>
#include <span>
#include <type_traits>

#include "base/result.hpp"
#include "base/types.hpp"
#include "machine/isa/usercopy.hpp"

namespace auk {

struct UserAddrTag;
/// A virtual address of the user half, or any number a program gave.
using UserAddr = Strong<UserAddrTag>;

}  // namespace auk

namespace auk::core {

/// First address behind the user half.
inline constexpr u64 user_end = 0x00007ffffffff000;

constexpr bool is_user_range(UserAddr at, u64 size) {
  return size <= user_end && at.value <= user_end - size;
}

/// What may be copied as it is: no padding that could carry kernel bytes out.
template <class T>
concept UapiType = std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>;

/// EFAULT when any byte cannot be reached.
inline Result<void> read_user(void* to, UserAddr from, usize n) {
  if (!is_user_range(from, n) || machine::copy_from_user(to, from.value, n) != 0)
    return Errno::efault;
  return {};
}
inline Result<void> write_user(UserAddr to, const void* from, usize n) {
  if (!is_user_range(to, n) || machine::copy_to_user(to.value, from, n) != 0) return Errno::efault;
  return {};
}
inline Result<void> clear_user(UserAddr to, usize n) {
  if (!is_user_range(to, n) || machine::clear_user(to.value, n) != 0) return Errno::efault;
  return {};
}

/// A field of the elements of an array, one at least, `stride` bytes apart on both sides.
inline Result<void> write_user_column(UserAddr to, const i16* from, usize count, usize stride) {
  if (!is_user_range(to, (count - 1) * stride + sizeof(*from)) ||
      machine::copy_column_to_user(to.value, from, count, stride) != 0)
    return Errno::efault;
  return {};
}

template <class T> class UserIn {
 protected:
  UserAddr at_;

 public:
  constexpr explicit UserIn(UserAddr at) : at_(at) {}
  bool is_null() const { return at_.value == 0; }
  UserAddr address() const { return at_; }
  UserIn operator+(usize n) const { return UserIn(at_ + n * sizeof(T)); }
  Result<T> load() const
    requires UapiType<T>
  {
    T v;
    TRY(read_user(&v, at_, sizeof(T)));
    return v;
  }
  /// For types whose padding comes from the program and goes nowhere.
  Result<void> load_into(T& v) const { return read_user(&v, at_, sizeof(T)); }
};

template <class T> class UserOut {
 protected:
  UserAddr at_;

 public:
  constexpr explicit UserOut(UserAddr at) : at_(at) {}
  bool is_null() const { return at_.value == 0; }
  UserAddr address() const { return at_; }
  UserOut operator+(usize n) const { return UserOut(at_ + n * sizeof(T)); }
  Result<void> store(const T& v) const
    requires UapiType<T>
  {
    return write_user(at_, &v, sizeof(T));
  }
};

/// An image of a type with padding or unions: zeroed first, so that every byte is ours.
template <class T> class AbiImage {
  static_assert(std::is_trivially_copyable_v<T>);
  alignas(T) std::array<byte, sizeof(T)> bytes_{};

 public:
  T* operator->() { return reinterpret_cast<T*>(bytes_.data()); }
  T& operator*() { return *reinterpret_cast<T*>(bytes_.data()); }
  Result<void> store(UserAddr at) const { return write_user(at, bytes_.data(), sizeof(T)); }
};

/// A string of the program.
class UserStr {
  UserAddr at_;

 public:
  constexpr explicit UserStr(UserAddr at) : at_(at) {}
  bool is_null() const { return at_.value == 0; }
  UserAddr address() const { return at_; }
  /// Its length without the zero; `to` holds it and the zero. EFAULT; ENAMETOOLONG if it does not
  /// fit.
  Result<usize> load(std::span<char> to) const {
    if (at_.value >= user_end) return Errno::efault;
    const usize room = std::min<u64>(to.size(), user_end - at_.value);
    const usize n = machine::copy_string_from_user(to.data(), at_.value, room);
    if (n == ~usize{0}) return Errno::efault;
    if (n == room) return room == to.size() ? Errno::enametoolong : Errno::efault;
    return n;
  }
};

}  // namespace auk::core
