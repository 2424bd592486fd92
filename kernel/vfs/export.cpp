#include "vfs/export.hpp"

#include <algorithm>

#include "vfs/mount.hpp"

namespace auk::vfs {

FileHandle::FileHandle(u32 t, std::initializer_list<u32> w) : type(t), size(w.size()) {
  ASSERT(w.size() <= most_words);
  std::ranges::copy(w, words.begin());
}

FileHandle handle_of_number(u64 inode) {
  return {FileHandle::number_64, {static_cast<u32>(inode), static_cast<u32>(inode >> 32), 0}};
}

Result<FileHandle> handle_of(const Path& p, bool is_id) {
  Inode& inode = p.inode();
  Exporter* const exporter = inode.super().exporter();
  if (!is_id && (exporter == nullptr || !exporter->can_find())) return Errno::eopnotsupp;
  return exporter == nullptr ? handle_of_number(inode.number())
                             : exporter->handle_of(inode, p.dentry.get());
}

Result<Ref<Dentry>> find_by_handle(Superblock& super, const FileHandle& handle) {
  Exporter* const exporter = super.exporter();
  if (exporter == nullptr) return Errno::estale;
  Result<Ref<Dentry>> found = exporter->find(handle);
  if (!found.ok() && found.error() != Errno::enomem) return Errno::estale;
  return found;
}

}  // namespace auk::vfs
