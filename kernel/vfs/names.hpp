// Names: what stands under which name in which directory, read without a lock.
//
// Purpose: one step of a path walk costs a hash, a chain of a bucket and no shared write.
// Data model: a Name is an immutable pair (directory, text) for one owner; it hangs in the bucket
// of its hash from link() until it is replaced. An owner has one word, its place: the Name it has,
// and whether that was taken away. A Name that is found counts only if it is its owner's place.
// The table has a bucket for each 8 KiB of memory, whatever the directories are like.
//
// Why readers need no lock. A Name never changes and never moves to another chain, so a scan is
// never led astray; it is freed a grace period after it left its chain. Whether a name is there is
// decided by one word:
//  - link of a fresh owner: the place is stored, then the Name is published in its chain (release);
//    that store is the moment.
//  - move: the new Name is published, not yet valid; storing it as the place (release) is the
//    moment at which the old name ends and the new one begins, so no scan that starts later finds
//    the owner under its old name, and none finds it under both. If somebody stood under the new
//    name, that one is marked afterwards. A scan that read the head of the chain before the new
//    Name was published and looks at the old one after it was marked finds neither, though the name
//    was there all the time: so a scan that finds nothing looks at the sequence count, which is odd
//    from before the new place until after the mark, and starts anew.
//  - unlink: marking the place (release) is the moment.
//  - exchange stores two places; between the two a name may have no valid Name. A scan that finds
//    nothing has then read one of the stored places (acquire), which came after the sequence count
//    went odd, and reads the count afterwards: it is odd or has changed, and the scan starts anew.
// A scan that finds nothing may have missed a Name that was published after it read the head. Such
// a Name made the last one of that owner or of that text invalid before the scan looked at it, so
// there was a moment during the scan at which the name was absent.
//
// All moves of directories change the sequence count: it tells who looks at several places one
// after the other (the path of a working directory, ".." of a walk that must not escape) that they
// belong together.
// Locking: level name_change for the count (exchanges, replacements, moves of directories), level
// name_chain for a bucket's writers. Changes of one directory are serialised by its inode's lock.
// Context: find() under RCU; the others threads.
// Differences from Linux: the name is an object of its own instead of a field guarded by a sequence
// count per dentry, so readers never retry for the sake of a plain rename.
#pragma once
#include <span>
#include <string_view>

#include "core/preempt.hpp"
#include "core/rcu.hpp"
#include "core/spin.hpp"
#include "mem/box.hpp"

namespace auk::vfs {

class Named;

class Name final : public core::RcuHead {
  friend class NameTable;
  Atomic<Name*> next_{nullptr};
  Named& directory_;
  Named& owner_;
  u64 hash_;
  u32 size_;

  Name(Named& directory, Named& owner, u64 hash, std::string_view text);

 public:
  ~Name() = default;
  /// ENOMEM. Nobody finds it before it is linked.
  static Result<mem::Box<Name>> create(Named& directory, Named& owner, std::string_view text);
  void retire() override { mem::destroy(this); }
  Named& directory() const { return directory_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(this + 1), size_}; }
};

/// What has a name: the base of dentries.
class Named {
  friend class NameTable;
  static constexpr uptr gone = 1;
  Atomic<uptr> place_{0};

 public:
  constexpr Named() = default;
  /// The Name it has, or had last; null if it never had one. Under RCU, or while it cannot change.
  const Name* name() const {
    return reinterpret_cast<const Name*>(place_.load_acquire() & ~gone);  // NOLINT
  }
  bool has_name() const {
    const uptr p = place_.load_acquire();
    return p != 0 && (p & gone) == 0;
  }
  /// It had one that was taken away.
  bool lost_name() const { return (place_.load_acquire() & gone) != 0; }

 protected:
  ~Named() = default;
};

/// A count that is odd while something changes.
class SequenceCount {
  Atomic<u64> count_{0};

 public:
  constexpr SequenceCount() = default;
  u64 begin() const {
    u64 n = count_.load_acquire();
    while ((n & 1) != 0) {
      machine::relax();
      n = count_.load_acquire();
    }
    return n;
  }
  /// What was read since begin(), with acquire, belongs together.
  bool is_still(u64 n) const { return count_.load_acquire() == n; }
  /// Held by the one writer around stores that release. Who waits for the end of it may not be
  /// able to sleep, so the writer keeps its CPU until then.
  class Change {
    const core::PreemptOff here_;
    SequenceCount& changing_;

   public:
    explicit Change(SequenceCount& c) : changing_(c) {
      c.count_.store_relaxed(c.count_.load_relaxed() + 1);
    }
    ~Change() { changing_.count_.store_release(changing_.count_.load_relaxed() + 1); }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
  };
};

/// Counts moves of directories, exchanges, and replacements.
extern SequenceCount name_changes;

/// Once, before the first name. As many buckets as a power of two.
void setup_names(std::span<Atomic<Name*>> buckets);

/// Who stands under a name, or null. The caller is in a section of RCU; the result is good until it
/// ends, and whether it is still being kept is for its own count to say.
Named* find_name(const Named& directory, std::string_view text);

// The lock of every directory that is named here is held.
/// Gives a fresh owner its first name, or one whose name was taken away another one.
void link_name(Named& owner, mem::Box<Name> name);
void unlink_name(Named& owner);
/// A fresh owner is called as if it had had this name and lost it; nobody finds it there.
void set_lost_name(Named& owner, mem::Box<Name> name);
/// `victim`, if there is one, stands under the new name. `is_directory`: the owner is one.
void move_name(Named& owner, mem::Box<Name> name, Named* victim, bool is_directory);
void exchange_names(Named& a, mem::Box<Name> for_a, Named& b, mem::Box<Name> for_b);
/// Calls f while no directory moves and nothing is exchanged. f may not sleep.
template <class F> void with_still_names(F f);

struct NameChangeNothing {};
extern core::Guarded<core::level::name_change, NameChangeNothing, core::SpinPreemptOff>
    name_change_lock;
template <class F> void with_still_names(F f) {
  auto still = name_change_lock.lock();
  f();
}

}  // namespace auk::vfs
