// Vectors of ranges that programs give to calls: see readv(2).
#pragma once
#include <algorithm>

#include "io/iobuf.hpp"
#include "mem/box.hpp"
#include "uapi/uio.hpp"

namespace auk::syscall {

/// What one call moves at most: Linux's MAX_RW_COUNT.
inline constexpr u64 most_bytes = 0x7ffff000;
inline constexpr u64 most_ranges = 1024;

/// A vector of ranges, copied in and checked.
class Ranges {
  static constexpr usize inline_count = 8;
  std::array<io::UserRange, inline_count> few_{};
  io::UserRange* many_ = nullptr;
  usize count_ = 0;

 public:
  Ranges() = default;
  ~Ranges() { mem::free(many_); }
  Ranges(const Ranges&) = delete;
  Ranges& operator=(const Ranges&) = delete;

  enum class Kind : u8 {
    own,     ///< checked to lie in the user half
    foreign  ///< numbers: who uses them checks
  };
  /// EINVAL, EFAULT, ENOMEM.
  Result<void> load(UserAddr vector, u64 count, Kind kind = Kind::own) {
    if (count > most_ranges) return Errno::einval;
    io::UserRange* to = few_.data();
    if (count > inline_count)
      to = many_ = static_cast<io::UserRange*>(
          TRY(mem::allocate(ALLOC_SITE, count * sizeof(io::UserRange))));
    u64 total = 0;
    for (u64 i = 0; i < count; ++i) {
      const uapi::iovec v = TRY((core::UserIn<uapi::iovec>(vector) + i).load());
      if (static_cast<i64>(v.iov_len) < 0) return Errno::einval;
      const u64 size = std::min(v.iov_len, most_bytes - total);
      if (kind == Kind::own && !core::is_user_range(UserAddr(v.iov_base), v.iov_len))
        return Errno::efault;
      to[i] = {UserAddr(v.iov_base), size};
      total += size;
    }
    count_ = count;
    return {};
  }
  std::span<const io::UserRange> all() const {
    return {many_ != nullptr ? many_ : few_.data(), count_};
  }
};

}  // namespace auk::syscall
