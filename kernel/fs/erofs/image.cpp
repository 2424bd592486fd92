#include "fs/erofs/image.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace auk::fs::erofs {
namespace {

constexpr u64 super_offset = 1024, super_size = 128;
constexpr u32 magic = 0xe0f5e1e2;
constexpr u32 has_checksum = 1;                     // of the features that may be unknown
constexpr u32 zero_padding = 1, chunked_files = 4;  // of those that may not
constexpr u64 slot_size = 32, entry_size = 12;
constexpr usize most_name = 255;

template <class T> T number(std::span<const byte> b, usize offset) {
  T v{};
  __builtin_memcpy(&v, b.subspan(offset, sizeof(T)).data(), sizeof(T));
  return v;
}

/// CRC-32C without the inversion at the end, as the superblock has it.
u32 checksum(std::span<const byte> bytes, u32 crc) {
  constexpr u32 polynomial = 0x82f63b78;
  for (const byte b : bytes) {
    crc ^= static_cast<u32>(b);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? polynomial : 0);
  }
  return crc;
}

std::string_view text_of(std::span<const byte> b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

/// The entries of one block of a directory.
class Block {
  std::span<const byte> bytes_;
  u32 count_ = 0;

  u32 name_offset(u32 i) const { return number<u16>(bytes_, usize{i} * entry_size + 8); }

 public:
  /// EUCLEAN.
  static Result<Block> of(std::span<const byte> bytes) {
    Block b;
    b.bytes_ = bytes;
    if (bytes.size() < entry_size) return Errno::euclean;
    const u32 first = b.name_offset(0);
    if (first == 0 || first % entry_size != 0 || first > bytes.size()) return Errno::euclean;
    b.count_ = static_cast<u32>(first / entry_size);
    return b;
  }
  u32 count() const { return count_; }
  /// `i` is below count(). EUCLEAN.
  Result<Entry> entry(u32 i) const {
    const u32 begin = name_offset(i);
    const u64 end = i + 1 < count_ ? name_offset(i + 1) : bytes_.size();
    if (begin > end || end > bytes_.size()) return Errno::euclean;
    std::string_view name = text_of(bytes_.subspan(begin, end - begin));
    // The last one ends where the block does, or with a zero.
    name = name.substr(0, name.find('\0'));
    if (name.empty() || name.size() > most_name || name.find('/') != name.npos)
      return Errno::euclean;
    return Entry{name, number<u64>(bytes_, usize{i} * entry_size),
                 number<u8>(bytes_, usize{i} * entry_size + 10)};
  }
};

}  // namespace

Result<std::span<const byte>> Image::at(u64 offset, u64 size) const {
  if (offset > bytes_.size() || bytes_.size() - offset < size) return Errno::euclean;
  return bytes_.subspan(offset, size);
}

Result<Image> Image::open(std::span<const byte> bytes) {
  Image image;
  image.bytes_ = bytes;
  if (bytes.size() < super_offset + super_size) return Errno::einval;
  const std::span<const byte> s = bytes.subspan(super_offset, super_size);
  if (number<u32>(s, 0) != magic) return Errno::einval;
  const u32 block_bits = number<u8>(s, 12);
  // Blocks are pages: what is larger Linux has not either.
  if (block_bits < 9 || block_bits > page_shift) return Errno::einval;
  image.block_size_ = u64{1} << block_bits;
  if ((number<u32>(s, 80) & ~(zero_padding | chunked_files)) != 0) return Errno::eopnotsupp;
  if (number<u16>(s, 86) != 0 || number<u8>(s, 90) != 0) return Errno::eopnotsupp;
  if ((number<u32>(s, 8) & has_checksum) != 0) {
    const u64 end = std::max(image.block_size_, super_offset + super_size);
    const std::span<const byte> rest = TRY(image.at(super_offset + 8, end - super_offset - 8));
    std::array<byte, 8> head{};
    std::ranges::copy(s.first<4>(), head.begin());
    if (checksum(rest, checksum(head, ~u32{0})) != number<u32>(s, 4)) return Errno::euclean;
  }
  image.root_nid_ = number<u16>(s, 14);
  image.inodes_ = number<u64>(s, 16);
  constexpr u64 ns_per_s = 1'000'000'000;
  image.build_time_ns_ = number<u64>(s, 24) * ns_per_s + number<u32>(s, 32);
  image.blocks_ = number<u32>(s, 36);
  image.meta_at_ = u64{number<u32>(s, 40)} * image.block_size_;
  image.shared_attributes_at_ = u64{number<u32>(s, 44)} * image.block_size_;
  return image;
}

Result<Node> Image::node(u64 nid) const {
  constexpr u64 most_nid = u64{1} << 58;
  if (nid > most_nid) return Errno::euclean;
  const u64 where = meta_at_ + nid * slot_size;
  const std::span<const byte> head = TRY(at(where, slot_size));
  const u16 format = number<u16>(head, 0);
  const bool is_long = (format & 1) != 0;
  if (format >> 4 != 0) return Errno::eopnotsupp;
  Node n;
  n.nid = nid;
  switch (format >> 1 & 7) {
    case 0: n.layout = Node::Layout::plain; break;
    case 2: n.layout = Node::Layout::inline_tail; break;
    case 4: n.layout = Node::Layout::chunks; break;
    default: return Errno::eopnotsupp;
  }
  n.mode = number<u16>(head, 4);
  const u32 special = number<u32>(head, 16);
  u64 size_of_head = slot_size;
  if (is_long) {
    size_of_head = 2 * slot_size;
    const std::span<const byte> all = TRY(at(where, size_of_head));
    n.size = number<u64>(all, 8);
    n.uid = number<u32>(all, 24);
    n.gid = number<u32>(all, 28);
    constexpr i64 ns_per_s = 1'000'000'000;
    if (__builtin_mul_overflow(number<i64>(all, 32), ns_per_s, &n.mtime_ns) ||
        __builtin_add_overflow(n.mtime_ns, number<u32>(all, 40) % ns_per_s, &n.mtime_ns))
      n.mtime_ns = 0;
    n.links = number<u32>(all, 44);
  } else {
    n.links = number<u16>(head, 6);
    n.size = number<u32>(head, 8);
    n.uid = number<u16>(head, 24);
    n.gid = number<u16>(head, 26);
    n.mtime_ns = static_cast<i64>(build_time_ns_);
  }
  if (n.size > bytes_.size() && n.layout != Node::Layout::chunks) return Errno::euclean;
  if (n.size > ~u64{0} >> 2) return Errno::euclean;
  n.first_block = n.chunk_format = n.raw_device = special;
  n.attributes = where + size_of_head;
  const u32 words = number<u16>(head, 2);
  // A head of twelve bytes, of which the count includes four.
  n.end = n.attributes + (words == 0 ? 0 : 12 + u64{words - 1} * 4);
  return n;
}

/// Where a chunk begins; nothing: it is a hole. EUCLEAN.
Result<std::optional<u64>> Image::chunk_at(const Node& n, u64 chunk) const {
  constexpr u32 has_indexes = 0x20, none = ~u32{0};
  const bool is_indexed = (n.chunk_format & has_indexes) != 0;
  const u64 width = is_indexed ? 8 : 4;
  const u64 table = (n.end + width - 1) / width * width;
  if (chunk > bytes_.size()) return Errno::euclean;
  const std::span<const byte> e = TRY(at(table + chunk * width, width));
  if (is_indexed && number<u16>(e, 2) != 0) return Errno::eopnotsupp;
  const u32 block = number<u32>(e, is_indexed ? 4 : 0);
  if (block == none) return std::optional<u64>();
  return std::optional<u64>(u64{block} * block_size_);
}

Result<std::span<const byte>> Image::data(const Node& n, u64 offset) const {
  if (offset >= n.size) return Errno::euclean;
  const u64 left = n.size - offset;
  if (n.layout == Node::Layout::chunks) {
    constexpr u32 bits_mask = 0x1f, most_bits = 40;
    const u32 bits = static_cast<u32>(__builtin_ctzll(block_size_)) + (n.chunk_format & bits_mask);
    if (bits > most_bits) return Errno::euclean;
    const u64 chunk_size = u64{1} << bits, inside = offset % chunk_size;
    const std::optional<u64> chunk = TRY(chunk_at(n, offset >> bits));
    if (!chunk) return std::span<const byte>();
    return at(*chunk + inside, std::min(left, chunk_size - inside));
  }
  u64 in_blocks = n.size;
  if (n.layout == Node::Layout::inline_tail) in_blocks -= n.size % block_size_;
  if (offset < in_blocks)
    return at(u64{n.first_block} * block_size_ + offset, std::min(left, in_blocks - offset));
  return at(n.end + (offset - in_blocks), left);
}

Result<std::string_view> Image::target(const Node& link) const {
  if (link.size == 0 || link.size >= page_size) return Errno::euclean;
  const std::span<const byte> all = TRY(data(link, 0));
  if (all.size() != link.size) return Errno::euclean;
  return text_of(all);
}

/// The block that an offset lies in.
Result<std::span<const byte>> Image::directory_block(const Node& dir, u64 offset) const {
  const u64 begin = offset / block_size_ * block_size_;
  const std::span<const byte> all = TRY(data(dir, begin));
  return all.first(std::min<usize>(all.size(), block_size_));
}

Result<std::optional<Entry>> Image::next_entry(const Node& dir, u64& place) const {
  while (place < dir.size) {
    const Block block = TRY(Block::of(TRY(directory_block(dir, place))));
    const u64 i = place % block_size_ / entry_size;
    if (i < block.count()) {
      place = place / block_size_ * block_size_ + (i + 1) * entry_size;
      return std::optional<Entry>(TRY(block.entry(static_cast<u32>(i))));
    }
    place = (place / block_size_ + 1) * block_size_;
  }
  return std::optional<Entry>();
}

Result<Entry> Image::find(const Node& dir, std::string_view name) const {
  // The last block whose first name is not behind it.
  u64 low = 0, high = (dir.size + block_size_ - 1) / block_size_;
  while (high - low > 1) {
    const u64 middle = low + (high - low) / 2;
    const Block block = TRY(Block::of(TRY(directory_block(dir, middle * block_size_))));
    const Entry first = TRY(block.entry(0));
    (first.name <= name ? low : high) = middle;
  }
  if (dir.size == 0) return Errno::enoent;
  const Block block = TRY(Block::of(TRY(directory_block(dir, low * block_size_))));
  u32 first = 0, last = block.count();
  while (first < last) {
    const u32 middle = first + (last - first) / 2;
    const Entry e = TRY(block.entry(middle));
    if (e.name == name) return e;
    if (e.name < name)
      first = middle + 1;
    else
      last = middle;
  }
  return Errno::enoent;
}

Result<std::optional<Attribute>> Image::next_attribute(const Node& n, u64& place) const {
  constexpr u64 head_size = 12, count_at = 4, of_entry = 4;
  constexpr std::array<std::string_view, 7> prefixes{
      "",        "user.",    "system.posix_acl_access", "system.posix_acl_default", "trusted.",
      "lustre.", "security."};
  if (n.end - n.attributes < head_size) return std::optional<Attribute>();
  const std::span<const byte> head = TRY(at(n.attributes, n.end - n.attributes));
  const u64 shared = number<u8>(head, count_at);
  // The shared ones first, by their numbers; then those that stand here.
  const u64 inline_at = head_size + shared * 4;
  if (inline_at > head.size()) return Errno::euclean;
  std::span<const byte> from;
  if (place < shared) {
    const u64 id = number<u32>(head, head_size + place * 4);
    from = TRY(at(shared_attributes_at_ + id * 4, of_entry));
    from = bytes_.subspan(shared_attributes_at_ + id * 4);
  } else {
    const u64 offset = inline_at + (place - shared);
    if (offset > head.size() || head.size() - offset < of_entry) return std::optional<Attribute>();
    from = head.subspan(offset);
  }
  const usize name_size = number<u8>(from, 0), value_size = number<u16>(from, 2);
  const u8 kind = number<u8>(from, 1);
  if (from.size() - of_entry < name_size + value_size || kind == 0 || kind >= prefixes.size())
    return Errno::euclean;
  if (place < shared)
    ++place;
  else
    place += (of_entry + name_size + value_size + 3) / 4 * 4;
  return std::optional<Attribute>(Attribute{prefixes[kind],
                                            text_of(from.subspan(of_entry, name_size)),
                                            from.subspan(of_entry + name_size, value_size)});
}

}  // namespace auk::fs::erofs
