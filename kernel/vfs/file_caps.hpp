// Capabilities of program files: the attribute "security.capability". See capabilities(7), "File
// capabilities".
//
// Data model: the bytes of Linux's vfs_cap_data, kept as any other attribute; an inode remembers
// that it has none, so that a write need not look. Locking: the inode's lock, held by the caller.
// Context: threads.
// Differences from Linux: there is one user namespace, so the owner of a namespace that the third
// revision names is either user 0 or nobody.
#pragma once
#include "vfs/inode.hpp"

namespace auk::vfs {

inline constexpr std::string_view file_caps_name = "security.capability";

struct FileCaps {
  u64 permitted = 0, inheritable = 0;
  bool is_effective = false;  ///< what is permitted is in force at once
};
/// ENODATA: none, or none that count here. EINVAL: what is there says nothing. EIO, ENOMEM.
Result<FileCaps> file_caps(Inode& inode);
/// EINVAL: not what setxattr(2) takes.
Result<void> check_file_caps(std::span<const byte> value);
/// As getxattr(2) shows it: in the second revision where user 0 is meant. ERANGE, EINVAL,
/// EOVERFLOW.
Result<usize> show_file_caps(Inode& inode, std::span<byte> to);
/// They do not survive a change of the bytes or of the owner.
Result<void> drop_file_caps(Inode& inode);
/// drop_file_caps() would do something, or has to find out.
inline bool may_have_file_caps(const Inode& inode) {
  return !inode.is_without_caps.load_relaxed() && inode.is_regular();
}

}  // namespace auk::vfs
