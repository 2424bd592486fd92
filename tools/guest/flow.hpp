// Purpose: one direction of the relay of auk-init: from a descriptor, through a buffer, to another
// one that may be full or gone.
#pragma once

#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace auk::guest {

class Flow {
 public:
  // The target is written to without waiting; a pipe loses nothing by that, nor does a port.
  void connect(int from, int to) {
    from_ = from;
    to_ = to;
    fcntl(to, F_SETFL, O_WRONLY | O_NONBLOCK);
  }

  bool empty() const { return begin_ == end_; }
  // What was written to the target.
  unsigned long long total() const { return written_; }

  // What to poll for; nothing if the flow has ended.
  pollfd wanted() const {
    if (empty()) return {.fd = from_, .events = POLLIN, .revents = 0};
    return {.fd = to_, .events = POLLOUT, .revents = 0};
  }

  // After poll() said that there is something to do.
  void move() {
    if (empty()) fill();
    if (!empty()) drain();
  }

  // Whatever still comes is thrown away.
  void close_target() {
    if (to_ >= 0) close(to_);
    to_ = -1;
    forget(end_ - begin_);
  }

  // Waits until a serial port has sent what it was given.
  void settle() const {
    if (to_ >= 0) tcdrain(to_);
  }

  // The bytes that left since the last question.
  unsigned long long take_count() {
    auto const count = total_ - counted_;
    counted_ = total_;
    return count;
  }

 private:
  static bool is_passing(int error) { return error == EINTR || error == EAGAIN; }

  void fill() {
    ssize_t const got = read(from_, data_, sizeof data_);
    if (got > 0) {
      begin_ = 0;
      end_ = static_cast<std::size_t>(got);
    } else if (got == 0 || !is_passing(errno)) {
      from_ = -1;
    }
  }

  void drain() {
    if (to_ < 0) return forget(end_ - begin_);
    ssize_t const put = write(to_, data_ + begin_, end_ - begin_);
    if (put >= 0) {
      written_ += static_cast<unsigned long long>(put);
      return forget(static_cast<std::size_t>(put));
    }
    if (is_passing(errno)) return;
    close_target();
  }

  void forget(std::size_t count) {
    begin_ += count;
    total_ += count;
  }

  int from_ = -1, to_ = -1;
  char data_[32768];
  std::size_t begin_ = 0, end_ = 0;
  unsigned long long total_ = 0, counted_ = 0, written_ = 0;
};

}  // namespace auk::guest
