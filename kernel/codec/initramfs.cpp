#include "codec/initramfs.hpp"

#include <array>

#include "codec/bytes.hpp"

namespace auk::codec {
namespace {

/// Compressions that Linux may unpack and we do not.
struct Stranger {
  std::string_view magic;
  std::string_view message;
};
using namespace std::string_view_literals;
constexpr std::array strangers{
    Stranger{"\xfd\x37zXZ"sv, "compressed with xz, which is not supported: use gzip or zstd"sv},
    Stranger{"\x5d\0\0"sv, "compressed with lzma, which is not supported: use gzip or zstd"sv},
    Stranger{"BZh"sv, "compressed with bzip2, which is not supported: use gzip or zstd"sv},
    Stranger{"\x89LZO"sv, "compressed with lzo, which is not supported: use gzip or zstd"sv},
    Stranger{"\x02\x21\x4c\x18"sv,
             "compressed with lz4, which is not supported: use gzip or zstd"sv},
    Stranger{"\x04\x22\x4d\x18"sv,
             "compressed with lz4, which is not supported: use gzip or zstd"sv},
};

}  // namespace

Result<void> Initramfs::unpack(std::span<const byte> image) {
  complain_.clear();
  parser_.reset();
  offset_ = 0;
  while (offset_ < image.size()) {
    offset_ += CpioParser::skip_zeros(image.subspan(offset_));
    if (offset_ == image.size()) break;
    const auto rest = image.subspan(offset_);
    offset_ += TRY(part(rest));
  }
  if (!parser_.between_entries()) return complain_("archive ends in the middle of a file");
  return {};
}

Result<usize> Initramfs::part(std::span<const byte> rest) {
  if (!CpioParser::recognises(rest)) return compressed(rest);
  if (!parser_.between_entries()) return complain_("archive ends in the middle of a file");
  return archive(rest);
}

Result<usize> Initramfs::archive(std::span<const byte> rest) {
  parser_.reset();
  auto used = parser_.feed_archive(rest);
  if (used) return used.take();
  offset_ += parser_.position();
  return complain_(parser_.message(), used.error());
}

Result<usize> Initramfs::compressed(std::span<const byte> rest) {
  if (Gunzip::recognises(rest)) return finish(gunzip_, gunzip_.decode_member(rest, *this));
  if (Unzstd::recognises(rest)) return finish(unzstd_, unzstd_.decode_frame(rest, *this));
  for (const Stranger& s : strangers)
    if (begins_with(rest, s.magic)) return complain_(s.message, Errno::eopnotsupp);
  return complain_("neither an archive nor a known compression");
}

/// Says what stopped the decoder: the archive inside, or itself.
template <class Decoder> Result<usize> Initramfs::finish(Decoder& decoder, Result<usize> used) {
  if (used) return used.take();
  offset_ += decoder.position();
  if (!decoder.message().empty()) return complain_(decoder.message(), used.error());
  return complain_(parser_.message(), used.error());
}

Result<void> Initramfs::write(std::span<const byte> piece) { return parser_.feed(piece); }

}  // namespace auk::codec
