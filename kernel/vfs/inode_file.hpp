// An open regular file or directory.
//
// Data model: InodeFile -> Path. Locking: level file_position for the position, then the inode's.
// Context: threads.
#pragma once
#include "vfs/mount.hpp"

namespace auk::vfs {

/// The path a file was opened by.
class PathOrigin final : public io::FileOrigin {
  bool on_heap_;
  bool is_open_;  ///< watches were told; they are of the end, too

 public:
  Path path;
  PathOrigin(Path p, bool on_heap) : on_heap_(on_heap), is_open_(on_heap), path(std::move(p)) {}
  ~PathOrigin() = default;
  void dispose() override {
    if (on_heap_) mem::destroy(this);
  }
  void stat(io::FileStat& s) const override { path.inode().fill_stat(s); }
  io::LockSpace& lock_space() const override { return path.inode().lock_space; }
  void closed(const io::File& f) const override;
  /// Before anybody else sees the file.
  void tell_of_opening();
};

class InodeFile final : public io::File {
  PathOrigin opened_;
  WriteAccess write_;
  core::Guarded<core::level::file_position, u64, sched::SleepLock> position_;
  void dispose() override { destroy_late(this); }

  Inode& inode() const { return opened_.path.inode(); }
  Result<usize> copy_out(io::IoBuf& buf, u64 offset);
  Result<usize> copy_in(io::IoBuf& buf, u64& offset);
  Result<i64> next_data(i64 offset, i64 size);
  Result<i64> next_hole(i64 offset, i64 size);

 public:
  InodeFile(u32 flags, Path path) : File(flags), opened_(std::move(path), false) {
    set_origin(&opened_);
  }
  ~InodeFile() = default;
  void tell_of_opening() { opened_.tell_of_opening(); }
  /// For a file that is opened for writing, before anybody else sees it. EROFS.
  Result<void> begin_write() { return write_.begin(*opened_.path.mount); }

  Result<usize> read(io::IoBuf& buf) override;
  Result<usize> write(io::IoBuf& buf) override;
  Result<usize> read_at(io::IoBuf& buf, u64 offset) override;
  Result<usize> write_at(io::IoBuf& buf, u64 offset) override;
  Result<i64> seek(i64 offset, int whence) override;
  Result<u64> ioctl(u32 command, io::IoctlArg arg) override;
  Result<void> stat(io::FileStat& s) override;
  Result<void> truncate(u64 size) override;
  bool can_splice_from() const override { return inode().is_regular(); }
  bool can_splice_to() const override { return inode().is_regular(); }
  Result<void> make_hole(u64 start, u64 size) override;
  Result<void> sync() override { return {}; }
  Result<void> read_dir(io::DirSink& sink) override;
  Result<Ref<vm::MemObject>> map_object() override;
  Identity identity() const override { return {inode().super().device(), inode().number()}; }
};

}  // namespace auk::vfs
