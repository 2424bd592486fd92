#include "fs/tmpfs/tmpfs.hpp"

#include <algorithm>

#include "core/init_graph.hpp"

namespace auk::fs::tmpfs {
namespace {

class TmpSuper final : public vfs::Superblock {
  std::string_view type_;
  void dispose() override { mem::destroy(this); }
  void kill() override;

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
  vfs::MemoryDirectory* entries_ = nullptr;  ///< owned; of directories
  void dispose() override { mem::destroy(this); }
  Result<void> fill(const vfs::NewInode& fresh);

 public:
  TmpInode(vfs::Superblock& super, const vfs::NewInode& fresh) : Inode(super, fresh) {}
  ~TmpInode() {
    mem::free(target_memory_);
    if (entries_ != nullptr) mem::destroy(entries_);
  }
  static Result<Ref<TmpInode>> make(vfs::Superblock& super, const vfs::NewInode& fresh);
  vfs::MemoryDirectory& entries() const { return *entries_; }

  u64 size_without_pages() const override { return target_.size(); }
  std::string_view target() const override { return target_; }
  Result<Ref<Inode>> create(vfs::Dentry& entry, const vfs::NewInode& fresh) override;
  Result<Ref<Inode>> create_unnamed(const vfs::NewInode& fresh) override;
  Result<void> link(vfs::Dentry& entry, Inode& target) override;
  Result<void> remove(vfs::Dentry& entry) override;
  Result<void> move(const vfs::Move& m) override;
  Result<void> read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) override {
    return entries_->read(dir, position, sink);
  }
};

Result<void> TmpInode::fill(const vfs::NewInode& fresh) {
  if (is_regular()) pages_ = TRY(vm::PageCache::create());
  if (is_directory()) {
    entries_ = TRY(mem::Box<vfs::MemoryDirectory>::make(ALLOC_SITE)).release();
    links.store_relaxed(2);
  }
  if (is_link()) {
    target_memory_ = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, fresh.target.size() + 1)));
    fresh.target.copy(target_memory_, fresh.target.size());
    target_ = {target_memory_, fresh.target.size()};
  }
  return {};
}

Result<Ref<TmpInode>> TmpInode::make(vfs::Superblock& super, const vfs::NewInode& fresh) {
  Ref<TmpInode> i = TRY(mem::make_ref<TmpInode>(ALLOC_SITE, super, fresh));
  TRY(i->fill(fresh));
  return i;
}

Result<Ref<vfs::Inode>> TmpInode::create(vfs::Dentry& entry, const vfs::NewInode& fresh) {
  Ref<TmpInode> i = TRY(make(super(), fresh));
  if (i->is_directory()) (void)links.fetch_add_relaxed(1);
  entries_->add(entry);
  touch(true);
  return Ref<vfs::Inode>(std::move(i));
}

Result<Ref<vfs::Inode>> TmpInode::create_unnamed(const vfs::NewInode& fresh) {
  Ref<TmpInode> i = TRY(make(super(), fresh));
  i->links.store_relaxed(0);
  return Ref<vfs::Inode>(std::move(i));
}

Result<void> TmpInode::link(vfs::Dentry& entry, Inode& target) {
  (void)target.links.fetch_add_relaxed(1);
  target.touch(false);
  entries_->add(entry);
  touch(true);
  return {};
}

Result<void> TmpInode::remove(vfs::Dentry& entry) {
  auto& i = static_cast<TmpInode&>(entry.inode());
  if (i.is_directory()) {
    if (!i.entries().is_empty()) return Errno::enotempty;
    i.links.store_relaxed(0);
    i.touch(false);
    (void)links.fetch_sub_relaxed(1);
  } else {
    i.drop_links(1);
  }
  entries_->remove(entry);
  touch(true);
  return {};
}

Result<void> TmpInode::move(const vfs::Move& m) {
  auto& to = static_cast<TmpInode&>(m.to_dir);
  if (m.victim != nullptr && !m.exchange) TRY(to.remove(*m.victim));
  const auto transfer = [](vfs::Dentry& d, TmpInode& out_of, TmpInode& into) {
    if (d.inode().is_directory()) {
      (void)out_of.links.fetch_sub_relaxed(1);
      (void)into.links.fetch_add_relaxed(1);
    }
    const Ref<vfs::Dentry> held(d);
    out_of.entries_->remove(d);
    into.entries_->add(d);
    d.inode().touch(false);
  };
  transfer(m.moving, *this, to);
  if (m.exchange) transfer(*m.victim, to, *this);
  touch(true);
  to.touch(true);
  return {};
}

/// Not recursive: from the leaves up, along the names.
void TmpSuper::kill() {
  vfs::Dentry* at = &root();
  for (;;) {
    auto& inode = static_cast<TmpInode&>(at->inode());
    vfs::Dentry* const child = inode.is_directory() ? inode.entries().first() : nullptr;
    if (child != nullptr) {
      at = child;
      continue;
    }
    if (at == &root()) return;
    vfs::Dentry* const above = at->directory();
    const Ref<vfs::Dentry> held(*at);
    static_cast<TmpInode&>(above->inode()).entries().remove(*at);
    vfs::unlink_dentry(*at);
    at = above;
  }
}

Result<Ref<vfs::Superblock>> make_super(std::string_view type, u32 mode) {
  Ref<TmpSuper> super = TRY(mem::make_ref<TmpSuper>(ALLOC_SITE, type));
  Ref<TmpInode> inode =
      TRY(TmpInode::make(*super, {.mode = vfs::mode::directory | (mode & 07777)}));
  super->set_root(TRY(vfs::Dentry::create(Ref<vfs::Inode>(std::move(inode)))));
  return Ref<vfs::Superblock>(std::move(super));
}

class Tmpfs final : public vfs::FileSystem {
 public:
  constexpr explicit Tmpfs(std::string_view name) : FileSystem(name) {}
  Result<Ref<vfs::Superblock>> open(std::string_view, std::string_view) override {
    constexpr u32 world_writable = 01777;
    return make_super(name(), world_writable);
  }
};
constinit Tmpfs tmpfs_kind("tmpfs");
constinit Tmpfs ramfs_kind("ramfs");

void setup() {
  vfs::register_file_system(tmpfs_kind);
  vfs::register_file_system(ramfs_kind);
}
INIT_TASK(tmpfs, "", "tmpfs", setup);

}  // namespace

Result<Ref<vfs::Mount>> make_root() {
  constexpr u32 mode = 0755;
  Ref<vfs::Superblock> super = TRY(make_super("rootfs", mode));
  Ref<vfs::Dentry> root(super->root());
  return vfs::Mount::create(std::move(super), std::move(root), "rootfs", 0);
}

}  // namespace auk::fs::tmpfs
