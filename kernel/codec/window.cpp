#include "codec/window.hpp"

#include <algorithm>

namespace auk::codec {

bool Window::repeat_older(usize distance, usize n) {
  if (old_end_ == 0 || distance > old_end_ - std::min(old_end_, copy_slack)) return false;
  const usize behind = distance - at_;
  const usize first = std::min(n, behind);
  copy_ahead(memory_.data() + at_, memory_.data() + (old_end_ - behind), first);
  at_ += first;
  if (first == n) return true;
  copy_match(memory_.data() + at_, distance, n - first);
  at_ += n - first;
  return true;
}

void Window::fill(byte b, usize n) {
  std::fill_n(memory_.data() + at_, n, b);
  at_ += n;
}

}  // namespace auk::codec
