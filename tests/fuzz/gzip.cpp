// gzip members, and the deflate streams in them without the header and the sums that would keep
// the fuzzer out.
#include "codec/gzip.hpp"
#include "codec.hpp"

using namespace auk;

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  if (size == 0) return 0;
  static codec::Gunzip gunzip;
  static codec::Inflater inflater;
  const fuzz::Exact input(std::span(data, size).subspan(1));
  fuzz::Sink sink;
  if ((data[0] & 1) != 0) {
    const auto result = gunzip.decode(input.span(), sink);
    if (gunzip.position() > input.span().size()) __builtin_trap();
    if (!result && result.error() == Errno::einval && gunzip.message().empty()) __builtin_trap();
    return 0;
  }
  auto used = inflater.decode(input.span(), sink);
  if (inflater.position() > input.span().size()) __builtin_trap();
  if (used && *used > input.span().size()) __builtin_trap();
  if (!used && used.error() == Errno::einval && inflater.message().empty()) __builtin_trap();
  return 0;
}
