// IoBuf: where the bytes of a read or write come from or go to, as a cursor with a tag.
//
// Data model: user memory (one range or an iovec list, copied in when it was decoded) or kernel
// memory; never decided by looking at an address. Context: threads; user copies may sleep.
#pragma once
#include <algorithm>
#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "core/user.hpp"

namespace auk::io {

struct UserRange {
  UserAddr start;
  u64 size = 0;
};

/// How one call wants its bytes moved, beside what the file's flags say. See preadv2(2).
struct IoWay {
  bool may_wait = true;  ///< else EAGAIN (RWF_NOWAIT)
  enum class Append : u8 { as_opened, yes, no } append = Append::as_opened;
};

class IoBuf {
  IoWay way_;
  std::span<const UserRange> user_;
  std::span<byte> kernel_;
  std::span<const byte> kernel_source_;
  UserRange single_;
  bool is_user_ = false, is_broken_ = false;
  u64 file_size_limit_ = ~u64{0};
  u64 in_range_ = 0;
  u64 left_ = 0;

  usize kernel_done(usize n) {
    if (!kernel_.empty()) kernel_ = kernel_.subspan(n);
    if (!kernel_source_.empty()) kernel_source_ = kernel_source_.subspan(n);
    left_ -= n;
    return n;
  }
  template <class UserCopy> usize transfer(usize n, UserCopy user) {
    n = std::min<u64>(n, left_);
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
  /// To be read into, or written from.
  explicit IoBuf(std::span<byte> kernel)
      : kernel_(kernel),
        kernel_source_(kernel),
        left_(kernel.size()) {}
  /// To be written from.
  static IoBuf source(std::span<const byte> kernel) {
    IoBuf b(std::span<byte>{});
    b.kernel_source_ = kernel;
    b.left_ = kernel.size();
    return b;
  }

  u64 left() const { return left_; }
  const IoWay& way() const { return way_; }
  /// Nobody will read what is left, though some of it was taken.
  bool is_broken() const { return is_broken_; }
  void set_broken() { is_broken_ = true; }
  void set_way(IoWay w) { way_ = w; }
  /// RLIMIT_FSIZE of who writes: a regular file does not grow beyond it.
  u64 file_size_limit() const { return file_size_limit_; }
  void limit_file_size(u64 limit) { file_size_limit_ = limit; }
  /// Bytes moved into the buffer; fewer than given and than left() means that user memory faulted.
  usize put(std::span<const byte> from) {
    if (!is_user_) {
      const usize n = std::min<u64>(from.size(), left_);
      std::copy_n(from.begin(), n, kernel_.begin());
      return kernel_done(n);
    }
    return transfer(from.size(), [&](UserAddr to, usize at, usize n) {
      return machine::copy_to_user(to.value, from.data() + at, n);
    });
  }
  usize put_text(std::string_view text) {
    return put({reinterpret_cast<const byte*>(text.data()), text.size()});
  }
  usize put_zeros(usize n) {
    if (!is_user_) {
      n = std::min<u64>(n, left_);
      fill_bytes(kernel_.first(n));
      return kernel_done(n);
    }
    return transfer(
        n, [](UserAddr to, usize, usize here) { return machine::clear_user(to.value, here); });
  }
  /// Bytes taken out of the buffer.
  usize get_text(std::span<char> to) {
    return get({reinterpret_cast<byte*>(to.data()), to.size()});
  }
  usize get(std::span<byte> to) {
    if (!is_user_) {
      const usize n = std::min<u64>(to.size(), left_);
      std::copy_n(kernel_source_.begin(), n, to.begin());
      return kernel_done(n);
    }
    return transfer(to.size(), [&](UserAddr from, usize at, usize n) {
      return machine::copy_from_user(to.data() + at, from.value, n);
    });
  }
};

}  // namespace auk::io
