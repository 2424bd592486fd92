#include "codec/zstd.hpp"

#include <algorithm>
#include <array>

#include "codec/bytes.hpp"
#include "codec/xxh64.hpp"

namespace auk::codec {
namespace {

constexpr u32 magic = 0xfd2fb528;
constexpr u32 skippable_magic = 0x184d2a50;
constexpr u32 skippable_mask = 0xfffffff0;

constexpr usize max_block = 128 * kib;
constexpr u64 unknown = ~u64{0};
enum BlockType : u8 { raw = 0, one_byte = 1, coded = 2 };

constexpr std::string_view truncated = "zstd frame ends early";

/// Eighths of powers of two.
constexpr u64 window_size(u64 descriptor) {
  const u64 base = u64{1} << (10 + (descriptor >> 3));
  return base + base / 8 * (descriptor & 7);
}

u32 magic_of(std::span<const byte> input) { return static_cast<u32>(ByteReader(input).number(4)); }
bool is_skippable(u32 number) { return (number & skippable_mask) == skippable_magic; }

}  // namespace

/// What the blocks of one frame share.
struct Unzstd::Frame {
  usize block_size;
  u64 left;  ///< of the content
  bool content_known;
  bool has_sum;
  Xxh64 sum;
};

bool Unzstd::recognises(std::span<const byte> input) {
  const u32 number = magic_of(input);
  return number == magic || is_skippable(number);
}

Result<Unzstd::FrameHeader> Unzstd::header(ByteReader& in) {
  const u64 flags = in.number(1);
  const bool single_segment = (flags & 0x20) != 0;
  if ((flags & 0x08) != 0) return complain_("unknown flags in a zstd frame");
  FrameHeader h{.window = 0, .content = unknown, .has_sum = (flags & 0x04) != 0};
  if (!single_segment) h.window = window_size(in.number(1));
  constexpr std::array<usize, 4> dictionary_bytes{0, 1, 2, 4};
  if (in.number(dictionary_bytes[flags & 3]) != 0)
    return complain_("zstd frame needs a dictionary", Errno::eopnotsupp);
  constexpr std::array<usize, 4> content_bytes{0, 2, 4, 8};
  const usize bytes = content_bytes[flags >> 6 & 3];
  if (bytes != 0)
    h.content = in.number(bytes) + (bytes == 2 ? 256 : 0);
  else if (single_segment)
    h.content = in.number(1);
  if (single_segment) h.window = h.content;
  if (in.ran_out()) return complain_(truncated);
  if (h.window > max_window) return complain_("zstd window is larger than 128 MiB");
  return h;
}

/// The window, and behind it the literals of one block.
Result<void> Unzstd::prepare(const FrameHeader& h, usize block_size) {
  const usize literals = std::min<u64>(block_size, h.content) + copy_slack;
  usize window = Window::memory_for(h.window, block_size);
  // What never wraps needs no history beside the content.
  if (h.content < window) window = std::min<usize>(window, h.content + copy_slack);
  const auto memory = TRY(memory_.window(window + literals));
  if (memory.size() < window + literals) return complain_("too little memory for a zstd window");
  out_ = Window(memory.first(window), h.window);
  literals_memory_ = memory.subspan(window, literals);
  literals_.reset();
  sequences_.reset();
  return {};
}

Result<usize> Unzstd::decode_frame(std::span<const byte> input, ByteSink& sink) {
  complain_.clear();
  position_ = 0;
  ByteReader in(input);
  const auto number = static_cast<u32>(in.number(4));
  if (is_skippable(number)) {
    TRY(skippable(in));
    return in.position();
  }
  if (number != magic) return complain_("not a zstd frame");
  const FrameHeader h = TRY(header(in));
  const usize block_size = std::min<u64>(h.window, max_block);
  TRY(prepare(h, block_size));
  Frame frame{.block_size = block_size,
              .left = h.content,
              .content_known = h.content != unknown,
              .has_sum = h.has_sum,
              .sum = Xxh64()};
  TRY(blocks(in, frame, sink));
  if (frame.content_known && frame.left != 0) return complain_("zstd frame is too short");
  if (h.has_sum) {
    const u64 sum = in.number(4);
    if (in.ran_out()) return complain_(truncated);
    if (sum != (frame.sum.sum() & 0xffffffff)) return complain_("zstd checksum is wrong");
  }
  return position_ = in.position();
}

Result<void> Unzstd::skippable(ByteReader& in) {
  in.take(in.number(4));
  if (in.ran_out()) return complain_(truncated);
  position_ = in.position();
  return {};
}

Result<void> Unzstd::blocks(ByteReader& in, Frame& frame, ByteSink& sink) {
  for (bool last = false; !last;) {
    position_ = in.position();
    const u64 head = in.number(3);
    if (in.ran_out()) return complain_(truncated);
    last = (head & 1) != 0;
    const usize size = head >> 3;
    if (size > frame.block_size) return complain_("zstd block is larger than its frame allows");
    const usize limit = std::min<u64>(frame.block_size, frame.left);
    if (out_.room() < limit) out_.wrap();
    TRY(block(head >> 1 & 3, in, size, limit));
    const auto piece = out_.hand_out();
    if (frame.content_known) frame.left -= piece.size();
    if (frame.has_sum) frame.sum.update(piece);
    if (!piece.empty()) TRY(sink.write(piece));
  }
  return {};
}

Result<void> Unzstd::block(unsigned type, ByteReader& in, usize size, usize limit) {
  if (type != coded && size > limit) return complain_("zstd frame is too long");
  const auto readable = in.rest();
  const auto bytes = in.take(type == one_byte ? 1 : size);
  if (in.ran_out()) return complain_(truncated);
  switch (type) {
    case raw: out_.append(readable.data(), size, readable.size()); return {};
    case one_byte: out_.fill(bytes[0], size); return {};
    case coded: return compressed_block(bytes, limit);
    default: return complain_("unknown type of a zstd block");
  }
}

Result<void> Unzstd::compressed_block(std::span<const byte> bytes, usize limit) {
  ByteReader in(bytes);
  const auto literals = TRY(literals_.read(in, literals_memory_, limit));
  return sequences_.execute(in, literals, out_, limit);
}

Result<void> Unzstd::decode(std::span<const byte> input, ByteSink& sink) {
  usize at = 0;
  do {
    auto used = decode_frame(input.subspan(at), sink);
    position_ += at;
    if (!used) return Fail(used.error());
    at += *used;
  } while (at < input.size());
  return {};
}

}  // namespace auk::codec
