#include "codec/gzip.hpp"

#include <algorithm>

#include "codec/crc32.hpp"

namespace auk::codec {
namespace {

enum HeaderFlag : u8 { has_sum = 2, has_extra = 4, has_name = 8, has_comment = 16, reserved = 224 };

constexpr std::string_view magic = "\x1f\x8b";
constexpr u64 method_deflate = 8;
constexpr usize trailer_size = 8;
constexpr std::string_view truncated = "gzip member ends early";

/// Sums what passes through.
class Summing final : public ByteSink {
  ByteSink& next_;

 public:
  u32 sum = 0;
  u32 size = 0;  ///< modulo 2^32, as the trailer has it

  explicit Summing(ByteSink& next) : next_(next) {}
  Result<void> write(std::span<const byte> piece) override {
    sum = crc32(piece, sum);
    size += static_cast<u32>(piece.size());
    return next_.write(piece);
  }
};

}  // namespace

bool Gunzip::recognises(std::span<const byte> input) { return begins_with(input, magic); }

Result<usize> Gunzip::header(std::span<const byte> input) {
  if (!recognises(input)) return complain_("not a gzip member");
  ByteReader in(input);
  in.take(magic.size());
  const u64 method = in.number(1);
  const u64 flags = in.number(1);
  in.take(6);  // time, compressor's notes, operating system
  if (in.ran_out()) return complain_(truncated);
  if (method != method_deflate) return complain_("unknown gzip method");
  if ((flags & reserved) != 0) return complain_("unknown flags in a gzip header");
  if ((flags & has_extra) != 0) in.take(in.number(2));
  if ((flags & has_name) != 0) in.skip_text();
  if ((flags & has_comment) != 0) in.skip_text();
  if ((flags & has_sum) != 0) {
    const u32 sum = crc32(input.first(in.position())) & 0xffff;
    if (in.number(2) != sum && !in.ran_out()) return complain_("gzip header is damaged");
  }
  if (in.ran_out()) return complain_(truncated);
  return in.position();
}

Result<usize> Gunzip::decode_member(std::span<const byte> input, ByteSink& sink) {
  complain_.clear();
  position_ = 0;
  position_ = TRY(header(input));
  const auto body = input.subspan(position_);
  Summing summing(sink);
  auto used = inflater_.decode(body, summing);
  if (!used) {
    position_ += inflater_.position();
    return complain_(inflater_.message(), used.error());
  }
  position_ += *used;
  ByteReader trailer(input.subspan(position_));
  const u64 sum = trailer.number(4);
  const u64 size = trailer.number(4);
  if (trailer.ran_out()) return complain_(truncated);
  if (sum != summing.sum) return complain_("gzip checksum is wrong");
  if (size != summing.size) return complain_("gzip size is wrong");
  return position_ += trailer_size;
}

Result<void> Gunzip::decode(std::span<const byte> input, ByteSink& sink) {
  usize at = 0;
  do {
    auto used = decode_member(input.subspan(at), sink);
    position_ += at;
    if (!used) return Fail(used.error());
    at += *used;
  } while (recognises(input.subspan(at)));
  const auto rest = input.subspan(at);
  if (!std::ranges::all_of(rest, [](byte b) { return b == 0; }))
    return complain_("junk after the last gzip member");
  return {};
}

}  // namespace auk::codec
