// Extended attributes of one inode, in memory.
//
// Data model: a list, the last name first as Linux lists them; each node is one allocation with
// name and value behind it. Locking: the inode's lock, held by the caller.
#pragma once
#include <span>
#include <string_view>

#include "base/result.hpp"

namespace auk::fs::tmpfs {

class Attributes {
  struct Node;
  Node* first_ = nullptr;

  Node** find(std::string_view name);

 public:
  Attributes() = default;
  ~Attributes();
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  /// See vfs/xattr.hpp.
  Result<usize> get(std::string_view name, std::span<byte> to);
  Result<void> set(std::string_view name, std::span<const byte> value, u32 flags);
  Result<void> remove(std::string_view name);
  Result<usize> list(bool with_trusted, std::span<char> to);
};

}  // namespace auk::fs::tmpfs
