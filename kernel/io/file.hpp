// File: an open file description. What read(2), write(2) and their family act on.
//
// Data model: FdTable -> File (counted) -> whatever it is open on. The position belongs to the
// File, under its own lock when the file has one. Locking: position lock at level inode's outside.
// Context: threads. Differences from Linux: one abstract class; what a file cannot do answers with
// the errno here.
#pragma once
#include "base/own.hpp"
#include "base/result.hpp"
#include "io/iobuf.hpp"
#include "io/poll.hpp"
#include "vm/object.hpp"

namespace auk::io {

/// What stat(2) says, in no particular layout.
struct FileStat {
  u64 device = 0, inode = 0, raw_device = 0;
  u32 mode = 0, links = 0, uid = 0, gid = 0;
  u64 size = 0, blocks = 0;
  u32 block_size = 4096;
  i64 atime_ns = 0, mtime_ns = 0, ctime_ns = 0, btime_ns = 0;
};

/// Takes directory entries; false when it is full.
class DirSink {
 public:
  virtual bool add(std::string_view name, u64 inode, u8 type, i64 next_offset) = 0;

 protected:
  ~DirSink() = default;
};

/// A system call's argument that is a number or a user address, as the command says.
struct IoctlArg {
  u64 value;
  UserAddr address() const { return UserAddr(value); }
};

/// Where a file was opened; vfs's business, carried along here.
class FileOrigin {
 public:
  virtual void dispose() = 0;
  /// stat(2) of what was opened.
  virtual void stat(FileStat& s) const = 0;

 protected:
  constexpr FileOrigin() = default;
  ~FileOrigin() = default;
};

class File : public vm::Backing {
  Atomic<u32> flags_;
  FileOrigin* origin_ = nullptr;

 public:
  /// Of `flags` those that fcntl(F_GETFL) shows.
  explicit File(u32 flags) : flags_(flags) {}

  const FileOrigin* origin() const { return origin_; }
  /// Once, before anybody else sees the file, which takes it over.
  void set_origin(FileOrigin* o) { origin_ = o; }
  u32 flags() const { return flags_.load_relaxed(); }
  void set_flags(u32 f) { flags_.store_relaxed(f); }
  bool is_readable() const { return (flags() & 3) != 1; }
  bool is_writable() const { return (flags() & 3) == 1 || (flags() & 3) == 2; }
  bool is_nonblocking() const { return (flags() & 04000) != 0; }

  /// At the file's own position, which moves. Bytes done; an error only if there were none.
  virtual Result<usize> read(IoBuf& buf);
  virtual Result<usize> write(IoBuf& buf);
  /// ESPIPE where there are no positions.
  virtual Result<usize> read_at(IoBuf& buf, u64 offset);
  virtual Result<usize> write_at(IoBuf& buf, u64 offset);
  virtual Result<i64> seek(i64 offset, int whence);
  virtual Result<u64> ioctl(u32 command, IoctlArg arg);
  virtual Result<void> stat(FileStat& s) = 0;
  virtual Result<void> truncate(u64 size);
  virtual Result<void> sync();
  /// ENOTDIR unless it is a directory.
  virtual Result<void> read_dir(DirSink& sink);
  /// ENODEV where nothing can be mapped.
  virtual Result<Ref<vm::MemObject>> map_object();
  /// What is ready now; registers with `table` if that is given.
  virtual PollEvents poll(PollTable* table);
  /// Bytes a pipe holds; 0 for other files.
  virtual u64 pipe_capacity() const { return 0; }
  /// An fd that points here is closed by somebody (F_GETLK locks, flush).
  virtual void closing() {}
  Identity identity() const override { return {}; }

 protected:
  ~File() {
    if (origin_ != nullptr) origin_->dispose();
  }
};

}  // namespace auk::io
