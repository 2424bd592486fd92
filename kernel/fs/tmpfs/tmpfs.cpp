#include "fs/tmpfs/tmpfs.hpp"

#include <algorithm>

#include "fs/tmpfs/attributes.hpp"

namespace auk::fs::tmpfs {
namespace {

class TmpSuper final : public vfs::Superblock {
  std::string_view type_;
  void dispose() override { mem::destroy(this); }

 public:
  explicit TmpSuper(std::string_view type) : type_(type) {}
  ~TmpSuper() = default;
  std::string_view type() const override { return type_; }
  vfs::FsInfo info() override {
    constexpr u64 tmpfs_magic = 0x01021994;
    const mem::PageCounts pages = mem::count_pages();
    // Linux's default limit: half of the memory, as many files as pages.
    return {.magic = tmpfs_magic,
            .blocks = pages.managed / 2,
            .free_blocks = std::min(pages.free, pages.managed / 2),
            .files = pages.managed / 2,
            .free_files = pages.managed / 2};
  }
};

class TmpInode final : public vfs::Inode {
  char* target_memory_ = nullptr;  ///< owned
  std::string_view target_;
  Attributes attributes_;
  void dispose() override { mem::destroy(this); }

 public:
  TmpInode(Ref<vfs::Superblock> super, const vfs::NewInode& fresh)
      : Inode(std::move(super), fresh) {}
  ~TmpInode() { mem::free(target_memory_); }

  static Result<Ref<TmpInode>> create(vfs::Superblock& super, const vfs::NewInode& fresh) {
    Ref<TmpInode> i = TRY(mem::make_ref<TmpInode>(ALLOC_SITE, Ref<vfs::Superblock>(super), fresh));
    if (i->is_regular()) i->pages_ = TRY(vm::PageCache::create());
    if (i->is_link()) {
      auto* const text =
          static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, fresh.target.size() + 1)));
      fresh.target.copy(text, fresh.target.size());
      i->target_memory_ = text;
      i->target_ = {text, fresh.target.size()};
    }
    return i;
  }
  u64 size_without_pages() const override { return target_.size(); }
  std::string_view target() const override { return target_; }
  Result<usize> get_attribute(std::string_view name, std::span<byte> to) override {
    return attributes_.get(name, to);
  }
  Result<void> set_attribute(std::string_view name, std::span<const byte> value,
                             u32 flags) override {
    return attributes_.set(name, value, flags);
  }
  Result<void> remove_attribute(std::string_view name) override { return attributes_.remove(name); }
  Result<usize> list_attributes(bool with_trusted, std::span<char> to) override {
    return attributes_.list(with_trusted, to);
  }
  Result<Ref<vfs::Inode>> make(const vfs::NewInode& fresh) override {
    return Ref<vfs::Inode>(TRY(create(super(), fresh)));
  }
};

}  // namespace

Result<Ref<vfs::Mount>> mount(std::string_view type, u32 mode, u64 flags) {
  Ref<TmpSuper> super = TRY(mem::make_ref<TmpSuper>(ALLOC_SITE, type));
  Ref<TmpInode> inode =
      TRY(TmpInode::create(*super, {.mode = vfs::mode::directory | (mode & 07777)}));
  inode->links.store_relaxed(2);
  Ref<vfs::Dentry> root = TRY(vfs::Dentry::create("", Ref<vfs::Inode>(std::move(inode))));
  return mem::make_ref<vfs::Mount>(ALLOC_SITE, Ref<vfs::Superblock>(std::move(super)),
                                   std::move(root), flags);
}

}  // namespace auk::fs::tmpfs
