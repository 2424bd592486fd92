// What the model tests of the allocators share: seeded chance, a book of blocks that is obviously
// right, and the machine whose memory they allocate.
#pragma once
#include <cstdlib>
#include <format>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/isa/bug.hpp"
#include "core/percpu.hpp"
#include "mem/alloc_site.hpp"

namespace auk::test {

/// Operations of a whole run of one allocator's model.
inline constexpr u64 model_operations = 1'000'000;

/// The same sequence for the same seed. AUK_TEST_SEED chooses another one.
class Random {
  u64 state_;

 public:
  explicit Random(u64 seed) : state_(seed) {}
  static u64 seed() {
    const char* const wanted = std::getenv("AUK_TEST_SEED");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 0) : 20240229;
  }
  /// Multiplication by an odd constant and taking the high half: good enough for choices.
  u64 next() {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return (state_ >> 32) ^ (state_ << 32 >> 13);
  }
  /// Below `n`, which is not 0.
  u64 below(u64 n) { return (next() & 0xffffffff) * n >> 32; }
  u64 between(u64 low, u64 high) { return low + below(high - low + 1); }
  bool one_in(u64 n) { return below(n) == 0; }
};

/// What the model says when the allocator is wrong.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};
template <class... A> void require(bool right, std::format_string<A...> text, A&&... args) {
  if (!right) [[unlikely]]
    throw Broken(std::format(text, std::forward<A>(args)...));
}

/// What the model, or the kernel's own assertions, had to say about the run; "" if nothing.
template <class F> std::string complaint_of(F run) {
  try {
    run();
  } catch (const Broken& b) {
    return b.what();
  } catch (const HostBug& b) {
    return std::format("{}:{}: {}", b.file, b.line, b.text);
  }
  return "";
}

/// Blocks that are in use: whoever gets one that overlaps another was given it twice.
///
/// Listed under every page that they touch. (An ordered map would be shorter; the library's checks
/// walk the whole of it at each removal.)
class Claims {
  struct Block {
    u64 start, end;
  };
  std::unordered_map<u64, std::vector<Block>> pages_;
  std::unordered_map<u64, u64> ends_;
  u64 bytes_ = 0;

  template <class F> void each_page(u64 start, u64 end, F f) {
    for (u64 p = start >> page_shift; p <= (end - 1) >> page_shift; ++p) f(pages_[p]);
  }

 public:
  void take(u64 start, u64 size) {
    const u64 end = start + size;
    each_page(start, end, [&](const std::vector<Block>& blocks) {
      for (const Block& b : blocks)
        require(end <= b.start || b.end <= start, "[{:#x}, {:#x}) overlaps [{:#x}, {:#x})", start,
                end, b.start, b.end);
    });
    each_page(start, end, [&](std::vector<Block>& blocks) { blocks.push_back({start, end}); });
    ends_[start] = end;
    bytes_ += size;
  }
  void give(u64 start) {
    const auto it = ends_.find(start);
    require(it != ends_.end(), "{:#x} is not in use", start);
    each_page(start, it->second, [&](std::vector<Block>& blocks) {
      std::erase_if(blocks, [&](const Block& b) { return b.start == start; });
    });
    bytes_ -= it->second - start;
    ends_.erase(it);
  }
  u64 bytes() const { return bytes_; }
};

/// Fails one allocation in so many, on purpose; 0 fails none. Only while it lives.
class RandomFailures final : public mem::FailureInjector {
  Random random_;
  u64 one_in_;

 public:
  u64 injected = 0;

  RandomFailures(u64 seed, u64 one_in) : random_(seed), one_in_(one_in) {
    mem::set_failure_injector(this);
  }
  RandomFailures(const RandomFailures&) = delete;
  RandomFailures& operator=(const RandomFailures&) = delete;
  ~RandomFailures() { mem::set_failure_injector(nullptr); }
  bool should_fail(mem::AllocSite&) override {
    if (one_in_ == 0 || !random_.one_in(one_in_)) return false;
    ++injected;
    return true;
  }
};

/// From here on this thread plays the CPU.
inline void play_cpu(u64 n) { machine::set_percpu_offset(n); }

}  // namespace auk::test
