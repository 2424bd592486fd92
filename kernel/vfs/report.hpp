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
#include "base/annotations.hpp"
#include "base/fmt.hpp"
#include "io/file.hpp"
#include "sched/lock.hpp"

namespace auk::vfs {

/// Text in memory that grows. What there was no memory for is missing, and remembered.
class Text {
  char* at_ = nullptr;  ///< owned
  usize room_ = 0, used_ = 0;
  bool failed_ = false;

  bool grow(usize least);

 public:
  Text() = default;
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text();
  void put(std::string_view s);
  void put(char c) { put(std::string_view(&c, 1)); }
  void repeat(char c, usize n);
  /// Not inlined: the arguments of many calls would stand in one frame.
  template <Formattable... Args>
  AUK_NOINLINE void print(FormatString<std::type_identity_t<Args>...> format, const Args&... args) {
    const std::array<FormatArg, sizeof...(Args)> erased{format_arg(args)...};
    vprint(format.text, erased);
  }
  void vprint(std::string_view format, std::span<const FormatArg> args);
  /// With each of these written as a backslash and an octal number.
  void put_escaped(std::string_view s, std::string_view special);
  void clear() {
    used_ = 0;
    failed_ = false;
  }
  std::string_view text() const { return {at_, used_}; }
  bool failed() const { return failed_; }
};

/// Where lseek(2) goes in a file that has no end to count from. EINVAL, EOVERFLOW.
Result<u64> sought_position(u64 position, i64 offset, int whence);

class ReportFile : public io::File {
  struct Place {
    u64 offset = 0;  ///< of the open file
    u64 begin = 0;   ///< where the kept record begins
    u64 key = 0;     ///< of the next one
    bool at_end = false;
    Text record;
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
  virtual Result<bool> write_record(u64& key, Text& out) = 0;

 public:
  Result<usize> read(io::IoBuf& buf) override;
  Result<usize> read_at(io::IoBuf& buf, u64 offset) override;
  Result<i64> seek(i64 offset, int whence) override;
  /// Asked by a report about this file, which may be this one.
  u64 position() override { return offset_.load_relaxed(); }
};

}  // namespace auk::vfs
