// IoBuf: where the bytes of a read or write come from or go to, as a cursor with a tag.
//
// Data model: user memory (one range or an iovec list, copied in when it was decoded) or kernel
// memory; never decided by looking at an address. Context: threads; user copies may sleep.
#pragma once
#include <algorithm>
#include <span>

#include "core/user.hpp"

namespace auk::io {

struct UserRange {
  UserAddr start;
  u64 size = 0;
};

class IoBuf {
  std::span<const UserRange> user_;
  std::span<byte> kernel_;
  UserRange single_;
  bool is_user_ = false;
  u64 in_range_ = 0;
  u64 left_ = 0;

  template <class UserCopy, class KernelCopy>
  usize transfer(usize n, UserCopy user, KernelCopy kernel) {
    n = std::min<u64>(n, left_);
    if (!is_user_) {
      kernel(kernel_.first(n));
      kernel_ = kernel_.subspan(n);
      left_ -= n;
      return n;
    }
    usize done = 0;
    while (done < n) {
      const UserRange& r = user_.empty() ? single_ : user_.front();
      const u64 here = std::min<u64>(r.size - in_range_, n - done);
      const usize missed = here == 0 ? 0 : user(r.start + in_range_, done, here);
      done += here - missed;
      in_range_ += here - missed;
      left_ -= here - missed;
      if (missed != 0) break;
      if (in_range_ == r.size && !user_.empty()) {
        user_ = user_.subspan(1);
        in_range_ = 0;
      }
    }
    return done;
  }

 public:
  /// The ranges were checked to lie in the user half.
  explicit IoBuf(UserRange range) : single_(range), is_user_(true), left_(range.size) {}
  explicit IoBuf(std::span<const UserRange> ranges) : user_(ranges), is_user_(true) {
    for (const UserRange& r : ranges) left_ += r.size;
  }
  explicit IoBuf(std::span<byte> kernel) : kernel_(kernel), left_(kernel.size()) {}

  u64 left() const { return left_; }
  /// Bytes moved into the buffer; fewer than given and than left() means that user memory faulted.
  usize put(std::span<const byte> from) {
    return transfer(
        from.size(),
        [&](UserAddr to, usize at, usize n) {
          return machine::copy_to_user(to.value, from.data() + at, n);
        },
        [&](std::span<byte> to) { std::copy_n(from.begin(), to.size(), to.begin()); });
  }
  usize put_zeros(usize n) {
    return transfer(
        n, [](UserAddr to, usize, usize here) { return machine::clear_user(to.value, here); },
        [](std::span<byte> to) { std::fill(to.begin(), to.end(), byte{0}); });
  }
  /// Bytes taken out of the buffer.
  usize get(std::span<byte> to) {
    return transfer(
        to.size(),
        [&](UserAddr from, usize at, usize n) {
          return machine::copy_from_user(to.data() + at, from.value, n);
        },
        [&](std::span<byte> from) { std::copy(from.begin(), from.end(), to.begin()); });
  }
};

}  // namespace auk::io
