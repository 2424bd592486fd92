// File handles: what a program keeps of a file, to open it again without a path.
//
// Purpose: name_to_handle_at(2), open_by_handle_at(2). Data model: a handle is a type and a few
// words that only the file system understands which gave them out. A superblock whose files can be
// found by them has an Exporter. Without one a handle is no more than an id: two of them tell
// whether two files are the same.
// Locking: none is held by the caller; an Exporter may take locks of inodes. Context: threads.
// Source: Linux Documentation/filesystems/nfs/exporting.rst.
#pragma once
#include <initializer_list>

#include "vfs/dentry.hpp"

namespace auk::vfs {

struct FileHandle {
  static constexpr usize most_words = 32;
  /// Linux's FILEID_INO32_GEN, FILEID_INO64_GEN.
  static constexpr u32 number_32 = 1, number_64 = 0x81;
  u32 type = 0;
  usize size = 0;  ///< in words
  std::array<u32, most_words> words{};

  FileHandle() = default;
  FileHandle(u32 t, std::initializer_list<u32> w);
};

class Exporter {
 public:
  /// Its files can be found by what it gives out.
  virtual bool can_find() const { return true; }
  /// `alias`: the dentry that led to the inode, if one did.
  virtual FileHandle handle_of(Inode& inode, Dentry* alias) = 0;
  /// A dentry of the file, if it has a name one with a name; for a directory always one that
  /// stands where it stands. ESTALE: there is no such file any more, or never was. ENOMEM, EIO.
  virtual Result<Ref<Dentry>> find(const FileHandle& /*handle*/) { return Errno::estale; }

 protected:
  ~Exporter() = default;
};

/// `is_id`: nobody wants to find the file by it. EOPNOTSUPP.
Result<FileHandle> handle_of(const Path& p, bool is_id);
/// What is an id of a file of which nothing else is known.
FileHandle handle_of_number(u64 inode);
/// ESTALE, ENOMEM.
Result<Ref<Dentry>> find_by_handle(Superblock& super, const FileHandle& handle);

}  // namespace auk::vfs
