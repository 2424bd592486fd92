// Telling watches of what happens to files. See inotify(7).
//
// Each call costs a look at one word while nothing in the file system is watched. Context: threads,
// with any lock before level dentry. Source of which call tells what, and in which order:
// inotify(7), "NOTES", and Linux's behaviour.
#pragma once
#include "generated/uapi/inotify.hpp"
#include "vfs/dentry.hpp"

namespace auk::vfs::notify {

inline bool is_watched(const Inode& i) { return i.super().watches.load_relaxed() != 0; }

void tell_dentry(Dentry& d, u32 event);
void tell_inode(Inode& i, u32 event);
void tell_entry(Inode& dir, u32 event, std::string_view name, bool is_directory, u32 cookie);
void tell_removed(Inode& i);

/// Something happened to a file: its own watches and those of the directory it was opened in.
inline void happened(Dentry& d, u32 event) {
  if (is_watched(d.inode())) tell_dentry(d, event);
}
/// The same for an open file, if it has a name.
void happened(const io::File& f, u32 event);
/// Something happened to an inode as such.
inline void happened(Inode& i, u32 event) {
  if (is_watched(i)) tell_inode(i, event);
}
/// Something happened to an entry of a directory.
inline void entry(Inode& dir, u32 event, std::string_view name, bool is_directory, u32 cookie = 0) {
  if (is_watched(dir)) tell_entry(dir, event, name, is_directory, cookie);
}
/// The last name and the last user are gone: watches end.
inline void removed(Inode& i) {
  if (is_watched(i)) tell_removed(i);
}
/// Connects the two events of one rename.
u32 new_cookie();

}  // namespace auk::vfs::notify
