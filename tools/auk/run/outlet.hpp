// Purpose: bytes on their way to a descriptor that may be slow, full or gone.
#pragma once

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <unistd.h>

namespace auk {

class Outlet {
 public:
  // Of what may pile up here before the source is left alone.
  static constexpr std::size_t limit = 65536;

  explicit Outlet(int fd) : fd_(fd) {}

  void add(std::string_view bytes) {
    if (!broken_) pending_ += bytes;
  }
  bool waiting() const { return !pending_.empty(); }
  bool full() const { return pending_.size() >= limit; }
  bool broken() const { return broken_; }
  int fd() const { return fd_; }

  // After poll() said that there is room; a pipe then takes this much without making us wait.
  void write_some() {
    constexpr std::size_t sure = 4096;
    ssize_t const put = write(fd_, pending_.data(), std::min(pending_.size(), sure));
    if (put > 0) {
      pending_.erase(0, static_cast<std::size_t>(put));
    } else if (errno != EINTR && errno != EAGAIN) {
      broken_ = true;
      pending_.clear();
    }
  }

 private:
  int fd_;
  std::string pending_;
  bool broken_ = false;
};

}  // namespace auk
