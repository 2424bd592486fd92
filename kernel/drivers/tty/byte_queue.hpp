// ByteQueue: bytes on their way between the two sides of a pseudoterminal.
//
// Data model: pages in a row, four at most, used as a ring. Pages come from outside, so
// that nothing is allocated under the lock, and stay once they were needed. Locking: the owner's.
// Context: any.
#pragma once
#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "mem/slab.hpp"

namespace auk::drivers::tty {

class ByteQueue {
  static constexpr usize most_pages = 4;
  std::array<char*, most_pages> pages_{};
  u64 head_ = 0, tail_ = 0;
  u64 end_ = 0;  ///< behind the last page there is

  char* at(u64 position) const {
    return pages_[position / page_size % most_pages] + position % page_size;
  }
  /// From a position to the end of its page or `end`.
  static usize piece(u64 position, u64 end) {
    return std::min<u64>(end - position, page_size - position % page_size);
  }
  u64 first_page() const { return tail_ / page_size * page_size; }

 public:
  constexpr ByteQueue() = default;
  ~ByteQueue() {
    for (char* const p : pages_) mem::free(p);
  }
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;

  static constexpr usize most = (most_pages - 1) * page_size;
  usize size() const { return head_ - tail_; }
  usize room() const { return std::min<u64>(end_ - head_, most - size()); }
  usize possible_room() const { return most - size(); }
  /// It has become short of room, and may have another page.
  bool wants_page() const {
    constexpr usize little = 512;
    return end_ - head_ < little && end_ - first_page() < most_pages * page_size;
  }
  void add_page(char* page) {
    pages_[end_ / page_size % most_pages] = page;
    end_ += page_size;
  }
  usize push(std::string_view text) {
    text = text.substr(0, room());
    for (std::string_view left = text; !left.empty();) {
      const usize n = std::min(piece(head_, end_), left.size());
      left.copy(at(head_), n);
      left.remove_prefix(n);
      head_ += n;
    }
    return text.size();
  }
  usize pop(std::span<char> to) {
    usize done = 0;
    while (done < to.size() && tail_ != head_) {
      const usize n = std::min(piece(tail_, head_), to.size() - done);
      std::copy_n(at(tail_), n, to.begin() + static_cast<isize>(done));
      done += n;
      drop(n);
    }
    return done;
  }
  void clear() {
    while (tail_ != head_) drop(piece(tail_, head_));
  }

 private:
  /// Not beyond the end of a page; one that was read to its end becomes the last one.
  void drop(usize n) {
    const u64 page = first_page();
    tail_ += n;
    if (first_page() == page) return;
    char* const used = std::exchange(pages_[page / page_size % most_pages], nullptr);
    add_page(used);
  }
};

}  // namespace auk::drivers::tty
