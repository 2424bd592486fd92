// Locks of programs on files: flock(2), and record locks of fcntl(2).
//
// Data model: LockSpace (of an inode, or of what has none) -> FileLocks, made with the first lock
// -> two tables, flock's and the record locks'; a table has an entry for each owner, with the
// owner's ranges in order: they never overlap or touch with the same type. An owner is a descriptor
// table (POSIX locks) or an open file (OFD locks, flock). Who waits stands in the table with the
// owner that is in the way, and is woken when that one gives up what is wanted.
// A range is found in O(log n) of an owner's, a conflict in that for each owner.
// Files that have locks stand in a register, by when they came to have some, for /proc/locks.
// Locking: level file_lock, one per space, then lock_graph (who waits for whom, for deadlocks;
// taken only to sleep) or lock_register. Context: threads. Differences from Linux: no leases, no
// mandatory locks; deadlocks are found among up to 64 owners, not 10, of which one thread each
// waits.
#pragma once
#include "base/atomic.hpp"
#include "base/result.hpp"
#include "ident/pid.hpp"
#include "mem/text.hpp"

namespace auk::io {

class File;
class FileLocks;

enum class LockType : u8 { none, read, write };
enum class LockKind : u8 { posix, open_file, whole };

/// Both ends are inside.
struct LockRange {
  static constexpr u64 last = ~u64{0} >> 1;
  u64 start = 0, end = last;
  bool overlaps(const LockRange& o) const { return start <= o.end && o.start <= end; }
};

struct LockRequest {
  LockType type{};
  LockKind kind{};
  LockRange range;
  const void* owner = nullptr;
  u32 pid = 0;  ///< of the process that took it, in the first namespace
};

class LockSpace {
  Atomic<FileLocks*> locks_{nullptr};  ///< owned

  Result<FileLocks*> made(File& f);

 public:
  constexpr LockSpace() = default;
  ~LockSpace();
  LockSpace(const LockSpace&) = delete;
  LockSpace& operator=(const LockSpace&) = delete;

  bool was_used() const { return locks_.load_acquire() != nullptr; }
  /// Takes, changes or gives up a lock of one of the space's files. EAGAIN if another owner is in
  /// the way and `may_wait` is not set; ENOLCK: no memory; EDEADLK, only POSIX locks; restart::sys.
  Result<void> set(File& f, const LockRequest& r, bool may_wait);
  /// The first lock that would be in the way; type none if there is none. A request of type none
  /// asks for a lock of its own owner.
  LockRequest find_conflict(const LockRequest& r);
  /// The owner gives up all it has here.
  void release(const void* owner);
};

/// All locks of processes of a namespace and who waits for one, as /proc/locks shows them:
/// proc_locks(5). Those that come or go meanwhile may be missing.
void show_locks(ident::PidNamespace& space, mem::Text& out);

}  // namespace auk::io
