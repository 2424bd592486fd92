// Initial RAM disks: archives and compressed archives in any mixture.
#include "codec/initramfs.hpp"

#include "codec.hpp"

using namespace auk;

namespace {

class Counter final : public codec::CpioVisitor {
  static constexpr u64 limit = 512 * kib;

 public:
  u64 bytes = 0;
  Result<void> begin(const codec::CpioEntry& e) override {
    bytes += e.name.size();
    return {};
  }
  Result<void> data(std::span<const byte> piece) override {
    for (const byte b : piece) bytes += 1 + b / 256U;
    if (bytes > limit) return Fail(Errno::enospc);
    return {};
  }
  Result<void> end() override { return {}; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  static fuzz::Windows memory;
  static Counter counter;
  static codec::Initramfs reader(counter, memory);
  counter.bytes = 0;
  const fuzz::Exact input(std::span(data, size));
  const auto result = reader.unpack(input.span());
  if (reader.offset() > size) __builtin_trap();
  if (!result && result.error() == Errno::einval && reader.message().empty()) __builtin_trap();
  return 0;
}
