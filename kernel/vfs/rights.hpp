// Who may change a directory: the checks that open, make, link, unlink and rename share.
#pragma once
#include "vfs/operations.hpp"

namespace auk::vfs {

inline Result<void> may_change(const Asker& who, const Inode& dir) {
  return check_permission(dir, who.cred, Wants(Want::write) | Want::execute);
}
/// Sticky directories: only the owner of the entry or of the directory takes it away.
Result<void> may_remove(const Asker& who, const Inode& dir, const Inode& victim);
inline bool owns(const Asker& who, const Inode& inode) {
  return who.cred.fsuid == inode.uid.load_relaxed() || who.cred.has(ident::Cap::fowner);
}
// In directories that are open to all, protected.cpp. EACCES, EPERM.
/// To follow a link at the end of a path.
Result<void> may_follow(const Asker& who, const Inode& dir, const Inode& link);
/// To open with O_CREAT what was there already.
Result<void> may_open_found(const Asker& who, const FoundIn& dir, const Inode& inode);
/// To give a file another name.
Result<void> may_link(const Asker& who, const Inode& inode);
/// Owner, group and mode of what is made in a directory.
void fill_owner(const Asker& who, const Inode& dir, NewInode& fresh);
/// Makes an entry that is missing. The directory's lock is held and its mount may be written.
Result<Ref<Dentry>> make_entry(const Asker& who, const Path& dir, std::string_view name,
                               NewInode fresh);

}  // namespace auk::vfs
