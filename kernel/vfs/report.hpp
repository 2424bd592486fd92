// Files whose text the kernel writes while it is read, record by record: those of procfs and sysfs.
//
// Purpose: a table of a million rows is read without holding a lock across it and without writing
// all of it before the first byte.
// Data model: a record has a key, and keys grow; a file keeps the text of one record and the key of
// the next one. Records that come or go meanwhile shift nothing: each one that is there throughout
// is shown once. Who reads from the start, or goes back, begins anew.
// Locking: level report, held while a record is written; what that takes stands behind it.
// Context: threads.
// Differences from Linux (seq_file): one read(2) fills the whole buffer.
#pragma once
#include "io/file.hpp"
#include "mem/text.hpp"
#include "sched/lock.hpp"

namespace auk::vfs {

/// Where lseek(2) goes in a file that has no end to count from. EINVAL, EOVERFLOW.
Result<u64> sought_position(u64 position, i64 offset, int whence);

class ReportFile : public io::File {
  struct Place {
    u64 offset = 0;  ///< of the open file
    u64 begin = 0;   ///< where the kept record begins
    u64 key = 0;     ///< of the next one
    bool at_end = false;
    mem::Text record;
  };
  core::Guarded<core::level::report, Place, sched::SleepLock> place_;
  Atomic<u64> offset_{0};  ///< a copy for those who cannot wait for the lock

  Result<usize> read_from(Place& p, io::IoBuf& buf, u64 offset);
  Result<void> next(Place& p);

 protected:
  explicit ReportFile(u32 flags) : File(flags) {}
  ~ReportFile() = default;
  /// Writes the first record at or behind `key` and sets the key of the one behind it. False if
  /// there is none. The errors of read(2).
  virtual Result<bool> write_record(u64& key, mem::Text& out) = 0;

 public:
  Result<usize> read(io::IoBuf& buf) override;
  Result<usize> read_at(io::IoBuf& buf, u64 offset) override;
  Result<i64> seek(i64 offset, int whence) override;
  /// It has no bytes to lose.
  Result<void> truncate(u64) override { return {}; }
  /// Asked by a report about this file, which may be this one.
  u64 position() override { return offset_.load_relaxed(); }
};

}  // namespace auk::vfs
