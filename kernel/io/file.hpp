// File: an open file description. What read(2), write(2) and their family act on.
//
// Data model: FdTable -> File (counted) -> whatever it is open on. The position belongs to the
// File, under its own lock when the file has one. Who watches a file without keeping it has a
// FileLink in it. Locking: position lock at level inode's outside; level file_links for the links.
// Context: threads. Differences from Linux: one abstract class; what a file cannot do answers with
// the errno here.
#pragma once
#include "base/flags.hpp"
#include "base/own.hpp"
#include "base/result.hpp"
#include "ident/pid.hpp"
#include "io/file_lock.hpp"
#include "io/iobuf.hpp"
#include "io/poll.hpp"
#include "mem/text.hpp"
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

/// What preadv2(2) and pwritev2(2) may ask of a file.
enum class WaysOf : u8 {
  nothing,  ///< RWF_HIPRI, which says nothing
  flags,    ///< all but RWF_NOWAIT
  no_wait,  ///< all
};

class File;

/// What whoever opened a file had no right to, and nobody does with it afterwards: landlock(7).
enum class Withheld : u8 { truncate = 1, ioctl = 2 };

/// Where a file was opened; vfs's business, carried along here.
class FileOrigin {
 public:
  virtual void dispose() = 0;
  /// stat(2) of what was opened.
  virtual void stat(FileStat& s) const = 0;
  virtual LockSpace& lock_space() const = 0;
  /// The last reference to the file is gone.
  virtual void closed(const File& f) const = 0;

 protected:
  constexpr FileOrigin() = default;
  ~FileOrigin() = default;
};

/// What a file without a path is, as /proc/PID/fd calls it: "name:[inode]", or "anon_inode:name".
/// One object for each class.
struct FileKind {
  std::string_view name;
  bool is_numbered = false;
};

class FdTable;

/// Has links to files without keeping them.
class LinkOwner : public RefCounted<LinkOwner> {
 public:
  static void destroy(LinkOwner* o) { o->dispose(); }
  /// The file's last reference is gone: drops every link to it. The file is whole until then.
  virtual void file_gone(File& f) = 0;

 protected:
  LinkOwner() = default;
  ~LinkOwner() = default;
  virtual void dispose() = 0;
};

struct FileLink {
  Ref<LinkOwner> owner;
  ListNode file_node;
  explicit FileLink(Ref<LinkOwner> o) : owner(std::move(o)) {}
};

class File : public vm::Backing {
  using Links = List<FileLink, &FileLink::file_node>;
  core::Guarded<core::level::file_links, Links, core::SpinPreemptOff> links_;
  Atomic<bool> was_linked_{false};
  Atomic<bool> has_locks_{false};
  Flags<Withheld> withheld_;
  Atomic<u32> flags_;
  FileOrigin* origin_ = nullptr;

 public:
  /// Of `flags` those that fcntl(F_GETFL) shows.
  explicit File(u32 flags) : flags_(flags) {}

  const FileOrigin* origin() const { return origin_; }
  /// Once, before anybody else sees the file, which takes it over.
  void set_origin(FileOrigin* o) { origin_ = o; }
  /// EACCES.
  Result<void> check(Withheld what) const {
    return withheld_.has(what) ? Errno::eacces : Result<void>();
  }
  /// Once, before anybody else sees the file.
  void withhold(Flags<Withheld> what) { withheld_ = what; }
  u32 flags() const { return flags_.load_relaxed(); }
  void set_flags(u32 f) { flags_.store_relaxed(f); }
  /// Mode 3 of open(2) is neither.
  bool is_readable() const { return (flags() & 3) == 0 || (flags() & 3) == 2; }
  bool is_writable() const { return (flags() & 3) == 1 || (flags() & 3) == 2; }
  bool is_nonblocking() const { return (flags() & 04000) != 0; }
  bool may_wait(const IoBuf& b) const { return !is_nonblocking() && b.way().may_wait; }
  /// A write with this buffer goes to the end.
  bool appends(const IoBuf& b) const {
    const bool as_opened = (flags() & 02000) != 0;
    return b.way().append == IoWay::Append::as_opened ? as_opened
                                                      : b.way().append == IoWay::Append::yes;
  }
  // Whether splice(2) and sendfile(2) take bytes from it, or give it some; pipes are not asked.
  virtual bool can_splice_from() const { return false; }
  virtual bool can_splice_to() const { return false; }
  virtual WaysOf ways_of_reading() const { return WaysOf::flags; }
  virtual WaysOf ways_of_writing() const { return WaysOf::flags; }

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
  Result<void> make_hole(u64 /*start*/, u64 /*size*/) override { return Errno::eopnotsupp; }
  virtual Result<void> sync();
  /// ENOTDIR unless it is a directory.
  virtual Result<void> read_dir(DirSink& sink);
  /// ENODEV where nothing can be mapped.
  virtual Result<Ref<vm::MemObject>> map_object();
  /// What can be opened anew through /proc/PID/fd/N where there is no path: a pipe. Null for
  /// others.
  virtual Result<Ref<class Fifo>> fifo();
  /// As lseek(2) with SEEK_CUR tells; 0 where there are no positions.
  virtual u64 position() { return static_cast<u64>(seek(0, 1).value_or(0)); }
  /// Null for files that always have a path.
  virtual const FileKind* kind() const { return nullptr; }
  /// Lines of its own in /proc/PID/fdinfo, behind those that every file has.
  virtual void show_info(const ident::PidNamespace& /*viewer*/, mem::Text& /*out*/) const {}
  /// There is something to wait for; otherwise poll() answers "always", and epoll refuses.
  virtual bool can_poll() const { return false; }
  /// What is ready now; registers with `table` if that is given. Takes no sleeping lock before
  /// level epoll, and does not keep the file.
  virtual PollEvents poll(PollTable* table);
  /// The caller has a reference; unlink() may come when nobody has.
  void link(FileLink& l);
  void unlink(FileLink& l);
  void released() final;
  /// A write that fails with EPIPE is a signal too.
  virtual bool breaks_pipe() const { return true; }
  /// Null for files that are no end of a pipe.
  virtual class Pipe* pipe() { return nullptr; }
  /// Where programs' locks on it are kept; null where there can be none.
  virtual LockSpace* lock_space() { return origin_ == nullptr ? nullptr : &origin_->lock_space(); }
  /// Locks of the open file itself are given up with it, from the first one on.
  void note_lock() { has_locks_.store_relaxed(true); }
  /// A descriptor that points here was closed in a table, which gives up its POSIX locks.
  void closing(const FdTable& table);
  Identity identity() const override { return {}; }

 protected:
  ~File() {
    if (origin_ != nullptr) origin_->dispose();
  }
};

}  // namespace auk::io
