// Extended attributes: names with values that hang on an inode. See xattr(7).
//
// Purpose: who may see and change them, whatever the file system. Errors: those of setxattr(2),
// getxattr(2), listxattr(2), removexattr(2). Locking: takes the inode's lock.
// Context: threads. Differences from Linux: no security module and no access control list owns a
// name, so "security." is a namespace as "trusted." is, which all may read, but for capabilities
// (file_caps.hpp), and names under "system." have no handler.
#pragma once
#include "vfs/lookup.hpp"

namespace auk::vfs {

/// The value's size; it is copied if `to` is not empty. ENODATA, ERANGE.
Result<usize> get_attribute(const Asker& who, const Path& at, std::string_view name,
                            std::span<byte> to);
/// `flags`: XATTR_CREATE, XATTR_REPLACE. EEXIST, ENODATA, ENOMEM, EROFS.
Result<void> set_attribute(const Asker& who, const Path& at, std::string_view name,
                           std::span<const byte> value, u32 flags);
Result<void> remove_attribute(const Asker& who, const Path& at, std::string_view name);
/// The size of all names with the zeros behind them; copied if `to` is not empty. ERANGE.
Result<usize> list_attributes(const Asker& who, const Path& at, std::span<char> to);

}  // namespace auk::vfs
