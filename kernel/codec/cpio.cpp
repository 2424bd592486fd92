#include "codec/cpio.hpp"

#include <algorithm>
#include <optional>

#include "base/math.hpp"
#include "codec/bytes.hpp"
#include "generated/uapi/stat.hpp"

namespace auk::codec {
namespace {

constexpr std::string_view magic_newc = "070701";
constexpr std::string_view magic_crc = "070702";
constexpr std::string_view trailer_name = "TRAILER!!!";
constexpr std::string_view no_header = "no cpio header where one is due";
constexpr usize alignment = 4;

/// The fields of a header, in their order; each has 8 hexadecimal digits.
enum Field : u8 {
  ino,
  mode,
  uid,
  gid,
  nlink,
  mtime,
  size,
  dev_major,
  dev_minor,
  rdev_major,
  rdev_minor,
  name_size,
  checksum,
  field_count
};
constexpr usize field_digits = 8;
static_assert(magic_newc.size() + field_count * field_digits == CpioParser::header_size);

constexpr usize padding_after(usize size) { return align_up(size, alignment) - size; }

/// Above 15 for what is no digit.
constexpr u32 digit(byte c) {
  if (c >= '0' && c <= '9') return c - u32{'0'};
  const u32 letter = c | 0x20U;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : 16;
}

constexpr std::optional<u32> read_field(std::span<const byte> digits) {
  u32 value = 0;
  for (const byte c : digits) {
    const u32 d = digit(c);
    if (d > 15) return std::nullopt;
    value = value << 4 | d;
  }
  return value;
}

std::string_view as_text(std::span<const byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

u32 sum_of(std::span<const byte> bytes) {
  u32 sum = 0;
  for (const byte b : bytes) sum += b;
  return sum;
}

}  // namespace

bool CpioParser::recognises(std::span<const byte> bytes) {
  return begins_with(bytes, magic_newc) || begins_with(bytes, magic_crc);
}

Result<usize> CpioParser::feed_archive(std::span<const byte> bytes) {
  complain_.clear();
  position_ = 0;
  bool begun = state_ != State::between;
  while (position_ < bytes.size()) {
    if (state_ == State::between) {
      position_ += skip_zeros(bytes.subspan(position_));
      if (position_ == bytes.size() || (begun && is_trailer_)) break;
      // At once, not after as many bytes as a header has: there may be fewer.
      if (bytes[position_] != magic_newc[0]) return complain_(no_header);
      state_ = State::header;
      begun = true;
    }
    position_ += TRY(step(bytes.subspan(position_)));
  }
  return position_;
}

Result<void> CpioParser::feed(std::span<const byte> bytes) {
  usize at = 0;
  while (at < bytes.size()) {
    auto used = feed_archive(bytes.subspan(at));
    position_ += at;
    if (!used) return Fail(used.error());
    at += *used;
  }
  return {};
}

Result<usize> CpioParser::step(std::span<const byte> bytes) {
  switch (state_) {
    case State::between:
    case State::header: return on_header(bytes);
    case State::name: return on_name(bytes);
    case State::contents: return on_contents(bytes);
    case State::padding: return on_padding(bytes);
  }
  return complain_("parser lost its way");
}

usize CpioParser::skip_zeros(std::span<const byte> bytes) {
  usize n = 0;
  while (bytes.size() - n >= 8 && load<u64>(bytes.data() + n) == 0) n += 8;
  while (n < bytes.size() && bytes[n] == 0) ++n;
  return n;
}

/// `wanted` bytes in one run as soon as that many have arrived, else nothing.
std::span<const byte> CpioParser::collect(std::span<const byte> bytes, usize wanted, usize& used) {
  if (collected_ == 0 && bytes.size() >= wanted) {
    used = wanted;
    return bytes.first(wanted);
  }
  used = std::min(wanted - collected_, bytes.size());
  std::ranges::copy(bytes.first(used), collection_.begin() + static_cast<isize>(collected_));
  collected_ += used;
  if (collected_ < wanted) return {};
  collected_ = 0;
  return std::span(collection_).first(wanted);
}

Result<usize> CpioParser::on_header(std::span<const byte> bytes) {
  usize used = 0;
  const auto header = collect(bytes, header_size, used);
  if (!header.empty()) TRY(read_header(header));
  return used;
}

Result<void> CpioParser::read_header(std::span<const byte> header) {
  has_sum_ = begins_with(header, magic_crc);
  if (!has_sum_ && !begins_with(header, magic_newc)) {
    if (begins_with(header, "070707")) return complain_("old cpio format: use \"cpio -H newc\"");
    return complain_(no_header);
  }
  std::array<u32, field_count> fields{};
  auto rest = header.subspan(magic_newc.size());
  for (u32& field : fields) {
    const auto value = read_field(rest.first(field_digits));
    if (!value) return complain_("cpio header with a field that is no number");
    field = *value;
    rest = rest.subspan(field_digits);
  }
  entry_ = {.ino = fields[ino],
            .mode = fields[mode],
            .uid = fields[uid],
            .gid = fields[gid],
            .nlink = fields[nlink],
            .mtime = fields[mtime],
            .size = fields[size],
            .dev_major = fields[dev_major],
            .dev_minor = fields[dev_minor],
            .rdev_major = fields[rdev_major],
            .rdev_minor = fields[rdev_minor],
            .name = {}};
  wanted_sum_ = fields[checksum];
  name_size_ = fields[name_size];
  if (name_size_ < 2) return complain_("cpio entry without a name");
  if (name_size_ > max_name) return complain_("cpio entry with a name that is too long");
  state_ = State::name;
  return {};
}

Result<usize> CpioParser::on_name(std::span<const byte> bytes) {
  usize used = 0;
  const usize padded = name_size_ + padding_after(header_size + name_size_);
  const auto name = collect(bytes, padded, used);
  if (!name.empty()) TRY(begin_entry(name.first(name_size_)));
  return used;
}

Result<void> CpioParser::begin_entry(std::span<const byte> name) {
  const auto end = std::ranges::find(name, byte{0});
  if (end == name.end()) return complain_("cpio entry with a name without an end");
  entry_.name = as_text(name.first(static_cast<usize>(end - name.begin())));
  if (entry_.name.empty()) return complain_("cpio entry without a name");
  is_trailer_ = entry_.name == trailer_name;
  // Archivers write a sum for regular files only, and none for links without contents.
  has_sum_ = has_sum_ && entry_.size != 0 && (entry_.mode & uapi::s_ifmt) == uapi::s_ifreg;
  sum_ = 0;
  left_ = entry_.size;
  padding_ = padding_after(left_);
  if (!is_trailer_) TRY(visitor_.begin(entry_));
  entry_.name = {};
  state_ = State::contents;
  if (left_ == 0) TRY(end_entry());
  return {};
}

Result<usize> CpioParser::on_contents(std::span<const byte> bytes) {
  const auto piece = bytes.first(std::min(left_, bytes.size()));
  if (has_sum_) sum_ += sum_of(piece);
  if (!is_trailer_) TRY(visitor_.data(piece));
  left_ -= piece.size();
  if (left_ == 0) TRY(end_entry());
  return piece.size();
}

Result<void> CpioParser::end_entry() {
  if (has_sum_ && sum_ != wanted_sum_) return complain_("checksum of a cpio entry is wrong");
  TRY(is_trailer_ ? visitor_.archive_end() : visitor_.end());
  left_ = padding_;
  state_ = left_ != 0 ? State::padding : State::between;
  return {};
}

Result<usize> CpioParser::on_padding(std::span<const byte> bytes) {
  const usize n = std::min(left_, bytes.size());
  left_ -= n;
  if (left_ == 0) state_ = State::between;
  return n;
}

}  // namespace auk::codec
