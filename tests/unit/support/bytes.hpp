// Building firmware records byte by byte, and a physical memory to put them into.
#pragma once
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "bus/phys_reader.hpp"

namespace auk::test {

class Bytes : public std::vector<byte> {
 public:
  using std::vector<byte>::vector;

  template <class T> Bytes& put(usize offset, T v) {
    if (size() < offset + sizeof(T)) resize(offset + sizeof(T));
    for (usize i = 0; i < sizeof(T); ++i)
      (*this)[offset + i] = static_cast<byte>(static_cast<u64>(v) >> (8 * i));
    return *this;
  }
  Bytes& put_text(usize offset, std::string_view s) {
    if (size() < offset + s.size()) resize(offset + s.size());
    std::memcpy(data() + offset, s.data(), s.size());
    return *this;
  }
  Bytes& add(std::initializer_list<int> bytes) {
    for (const int b : bytes) push_back(static_cast<byte>(b));
    return *this;
  }
  template <class T> Bytes& add_number(T v) { return put(size(), v); }

  /// Makes the bytes of [0, covered) sum up to 0 by changing the one at `at`.
  Bytes& fix_sum(usize at, usize covered) {
    (*this)[at] = 0;
    u8 sum = 0;
    for (usize i = 0; i < covered; ++i) sum = static_cast<u8>(sum + (*this)[i]);
    (*this)[at] = static_cast<byte>(-sum);
    return *this;
  }
  std::span<const byte> span() const { return {data(), size()}; }
};

/// Physical memory with holes. Each answer is a fresh block of exactly the size asked for and dies
/// with the next question, so that the sanitizer sees who reads too much or too late.
class Memory final : public bus::PhysReader {
  std::map<u64, Bytes> pieces_;
  std::unique_ptr<byte[]> last_;

 public:
  usize questions = 0;

  void place(u64 at, Bytes bytes) { pieces_[at] = std::move(bytes); }
  Bytes& piece(u64 at) { return pieces_.at(at); }
  void erase(u64 at) { pieces_.erase(at); }

  std::span<const byte> bytes(PhysAddr at, u64 size) override {
    ++questions;
    last_.reset();
    auto it = pieces_.upper_bound(at.value);
    if (size == 0 || it == pieces_.begin()) return {};
    --it;
    const u64 offset = at.value - it->first;
    if (offset >= it->second.size() || size > it->second.size() - offset) return {};
    last_.reset(new byte[size]);
    std::memcpy(last_.get(), it->second.data() + offset, size);
    return {last_.get(), size};
  }
};

}  // namespace auk::test
