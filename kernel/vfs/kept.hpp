// Dentries that are kept although nobody uses them, until memory is short.
//
// Purpose: what a file system was asked for once is found again without asking it.
// Data model: the superblock of a file system that is asked for names may have a KeptDentries: a
// list of dentries that it holds, at the front those that were not used for longest, as far as
// anybody looked. A dentry leaves the list when its name is taken away, when memory is short, and
// with the file system. The lists stand in a list of lists.
// Locking: level kept_lists for the list of lists, kept_dentries for one list. Context: threads;
// shrink_kept_dentries() with any sleeping locks held.
#pragma once
#include "base/list.hpp"
#include "vfs/dentry.hpp"

namespace auk::vfs {

class KeptDentries {
  friend class KeptLists;
  struct Content {
    List<Dentry, &Dentry::kept_node> by_age;
    u64 count = 0;
  };
  core::Guarded<core::level::kept_dentries, Content, core::SpinPreemptOff> content_;
  ListNode node_;
  Atomic<u32> shrinkers_{0};

  static bool is_unused(const Dentry& d);
  Ref<Dentry> take_oldest(u64& looks);
  u64 shrink(u64 wanted);

 public:
  KeptDentries();
  ~KeptDentries();
  /// It has got its name just now.
  void keep(Dentry& d);
  /// Its name was taken away. The caller holds it, too.
  void forget(Dentry& d);
};

/// Lets go of that many, if so many are kept that nobody uses; of how many. Their memory comes back
/// a grace period later.
u64 shrink_kept_dentries(u64 wanted);

/// What that would give back if nobody uses any, in pages, about.
u64 kept_dentry_pages();

}  // namespace auk::vfs
