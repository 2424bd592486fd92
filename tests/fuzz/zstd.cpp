// zstd frames, or with a first byte that is odd one block in a frame whose header fits.
#include "codec.hpp"

using namespace auk;

namespace {

/// A frame of 32 KiB window that is one coded block and a sum that nobody asks for.
std::vector<byte> framed(std::span<const byte> block) {
  const usize size = std::min<usize>(block.size(), 0x7fff);
  const usize head = size << 3 | 2 << 1 | 1;
  std::vector<byte> out{0x28, 0xb5, 0x2f, 0xfd, 0, 5 << 3};
  for (const unsigned shift : {0, 8, 16}) out.push_back(static_cast<byte>(head >> shift));
  out.insert(out.end(), block.begin(), block.begin() + static_cast<isize>(size));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  if (size == 0) return 0;
  static fuzz::Windows memory;
  static codec::Unzstd unzstd(memory);
  const auto rest = std::span(data, size).subspan(1);
  const fuzz::Exact input((data[0] & 1) != 0 ? std::span<const byte>(framed(rest)) : rest);
  fuzz::Sink sink;
  const auto result = unzstd.decode(input.span(), sink);
  if (unzstd.position() > input.span().size()) __builtin_trap();
  if (!result && result.error() == Errno::einval && unzstd.message().empty()) __builtin_trap();
  return 0;
}
