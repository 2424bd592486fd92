// Anchors: what rules call a file by, for as long as there are rules about it.
//
// Purpose: a rule outlives every open file and every walk, and the inode that it was made for must
// stay the one that walks find; but no rule keeps a file system from being unmounted.
// Data model: Inode -> its Anchor, made with the first rule -> Anchor (counted: the rules) -> the
// inode, and the dentry it was named by, which is what walks look up where a file system makes
// inodes anew. An anchor is in the list of its Superblock until the end of one of the two: the last
// rule has gone, or the last mount. A file that loses its name keeps only its inode.
// Rules are found by the address of the anchor that a walk reads from an inode. That is never
// another file's: who has a rule has its anchor, so the address was not given out anew.
// Locking: level anchors, one spinning lock for what points to and from anchors; what is let go is
// let go behind it. When the last mount goes, whoever is letting go of an anchor is waited for.
// Context: threads.
// Differences from Linux: the dentry is held, too, since not all file systems here keep a table of
// their inodes.
#pragma once
#include "base/list.hpp"
#include "base/own.hpp"
#include "base/result.hpp"

namespace auk::vfs {

class Dentry;
class Inode;
class Superblock;

class Anchor final : public RefCounted<Anchor> {
  friend class Anchors;
  // The lock guards these; empty when the file system has gone.
  Ref<Inode> inode_;
  Ref<Dentry> dentry_;

 public:
  ListNode super_node;
  Anchor();
  ~Anchor();
  /// The one of a file that somebody has found. ENOMEM.
  static Result<Ref<Anchor>> of(Dentry& d);
  /// In a thread that holds no lock.
  static void destroy(Anchor* a);
};
using AnchorList = List<Anchor, &Anchor::super_node>;

/// The last mount has gone: rules about its files are about nothing from now on.
void release_anchors(Superblock& s);
/// The file with an anchor has lost its name; whoever calls it holds the dentry.
void drop_anchored_name(Dentry& d);

}  // namespace auk::vfs
