// What an EROFS image says: superblock, inodes, directories, extended attributes.
//
// Purpose: everything that is read of an image that may be damaged or made to harm, apart from what
// is done with it. Pure functions over its bytes; an offset counts only once it is known to be
// inside. Data model: Image (where things begin) and Node (one inode, read out). Locking: none, the
// bytes are only read; if they change meanwhile, what is read may be wrong, never out of bounds.
// Context: any.
// Differences from Linux: no compression and no further devices, which are features that an image
// declares and that make open() fail as they do in a Linux built without.
// Source: Linux Documentation/filesystems/erofs.rst and the structures of erofs_fs.h.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::fs::erofs {

struct Node {
  enum class Layout : u8 { plain, inline_tail, chunks };
  u64 nid = 0;
  u64 size = 0;
  u32 mode = 0, uid = 0, gid = 0, links = 0;
  u32 raw_device = 0;
  i64 mtime_ns = 0;
  Layout layout = Layout::plain;
  u32 first_block = 0;          ///< of plain data, and of what is not in the tail
  u32 chunk_format = 0;         ///< of chunks
  u64 attributes = 0, end = 0;  ///< where extended attributes begin, and what stands behind them
};

/// A name in a directory.
struct Entry {
  std::string_view name;
  u64 nid = 0;
  u8 type = 0;  ///< as in d_type, as far as EROFS knows it
};

/// An extended attribute: its name is prefix and rest.
struct Attribute {
  std::string_view prefix, name;
  std::span<const byte> value;
};

class Image {
  std::span<const byte> bytes_;
  u64 block_size_ = 0, meta_at_ = 0, shared_attributes_at_ = 0, root_nid_ = 0;
  u64 build_time_ns_ = 0, blocks_ = 0, inodes_ = 0;

  /// EUCLEAN: not all of them are there.
  Result<std::span<const byte>> at(u64 offset, u64 size) const;
  Result<std::span<const byte>> directory_block(const Node& dir, u64 offset) const;
  Result<std::optional<u64>> chunk_at(const Node& n, u64 chunk) const;

 public:
  /// EINVAL: this is no EROFS; EOPNOTSUPP: one with features we do not have; EUCLEAN: a damaged
  /// one.
  static Result<Image> open(std::span<const byte> bytes);
  u64 root_nid() const { return root_nid_; }
  u64 block_size() const { return block_size_; }
  u64 blocks() const { return blocks_; }
  u64 inodes() const { return inodes_; }
  std::span<const byte> bytes() const { return bytes_; }

  /// EUCLEAN, EOPNOTSUPP: its data are compressed.
  Result<Node> node(u64 nid) const;
  /// Data from an offset on, below the size, as far as they stand together; empty: zeros until the
  /// next block begins. EUCLEAN.
  Result<std::span<const byte>> data(const Node& n, u64 offset) const;
  /// All of it, which is less than a block. EUCLEAN.
  Result<std::string_view> target(const Node& link) const;
  /// The first entry at a place of the directory or behind it; the place moves behind it. Nothing
  /// at the end. EUCLEAN.
  Result<std::optional<Entry>> next_entry(const Node& dir, u64& place) const;
  /// ENOENT, EUCLEAN. Names are sorted by their bytes.
  Result<Entry> find(const Node& dir, std::string_view name) const;
  /// Likewise; `place` begins with 0. EUCLEAN.
  Result<std::optional<Attribute>> next_attribute(const Node& n, u64& place) const;
};

}  // namespace auk::fs::erofs
