#include "fs/secretmem/secretmem.hpp"

#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/resource.hpp"
#include "generated/uapi/statfs.hpp"
#include "proc/task.hpp"
#include "vfs/inode_file.hpp"

namespace auk::fs::secretmem {
namespace {

/// Null if there was no memory for it at the start.
constinit vfs::Mount* home = nullptr;

class SecretSuper final : public vfs::Superblock {
  void dispose() override { mem::destroy(this); }

 public:
  SecretSuper() = default;
  ~SecretSuper() = default;
  std::string_view type() const override { return "secretmem"; }
  vfs::FsInfo info() override { return {.magic = uapi::secretmem_magic}; }
};

class Root final : public vfs::Inode {
  void dispose() override { mem::destroy(this); }

 public:
  explicit Root(vfs::Superblock& super) : Inode(super, {.mode = vfs::mode::directory | 0555}) {}
  ~Root() = default;
};

/// Pages that cannot be taken away, as locked ones.
class LockedBudget final : public vm::PageBudget {
  Ref<ident::User> user_;
  void dispose() override { mem::destroy(this); }

 public:
  explicit LockedBudget(Ref<ident::User> u) : user_(std::move(u)) {}
  ~LockedBudget() = default;
  bool take(u64 pages) override {
    const u64 limit = proc::current().group->limit(uapi::rlimit_memlock) / page_size;
    u64 have = user_->locked_pages.load_relaxed();
    do {
      if (have >= limit || pages > limit - have) return false;
    } while (!user_->locked_pages.cas_relaxed(have, have + pages));
    return true;
  }
  void give_back(u64 pages) override { (void)user_->locked_pages.fetch_sub_relaxed(pages); }
};

/// Its pages are its own business: what reads and writes files does not find them.
class SecretInode final : public vfs::Inode {
  void dispose() override { mem::destroy(this); }
  void evict() override { secret = {}; }

 public:
  Ref<vm::PageCache> secret;

  SecretInode(vfs::Superblock& super, const vfs::NewInode& fresh, Ref<vm::PageCache> pages)
      : Inode(super, fresh),
        secret(std::move(pages)) {}
  ~SecretInode() = default;
  u64 size_without_pages() const override { return secret ? secret->size() : 0; }
  Result<void> resize(u64 size) override {
    if (secret->size() != 0) return Errno::einval;
    secret->grow(size);
    touch(true);
    return {};
  }
};

class SecretFile final : public io::File {
  vfs::PathOrigin opened_;
  void dispose() override { destroy_late(this); }
  SecretInode& inode() const { return static_cast<SecretInode&>(opened_.path.inode()); }

 public:
  SecretFile(u32 flags, vfs::Path at) : File(flags), opened_(std::move(at), false) {
    set_origin(&opened_);
  }
  ~SecretFile() = default;
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
  Result<void> truncate(u64 size) override {
    auto changing = inode().lock.lock();
    return inode().resize(size);
  }
  Result<Ref<vm::MemObject>> map_object() override {
    return Ref<vm::MemObject>(Ref<vm::PageCache>(*inode().secret));
  }
  Identity identity() const override { return {inode().super().device(), inode().number()}; }
};

Result<vfs::Mount*> make_home() {
  Ref<SecretSuper> super = TRY(mem::make_ref<SecretSuper>(ALLOC_SITE));
  Ref<vfs::Inode> root = TRY(mem::make_ref<Root>(ALLOC_SITE, *super));
  super->set_root(TRY(vfs::Dentry::create(std::move(root))));
  Ref<vfs::Dentry> top(super->root());
  return TRY(vfs::Mount::create(std::move(super), std::move(top), "secretmem",
                                vfs::mount_flag::no_exec | vfs::mount_flag::internal))
      .release();
}

void setup() {
  Result<vfs::Mount*> made = make_home();
  if (made.ok())
    home = made.take();
  else
    core::log_err("secretmem: {}", made.error());
}
INIT_TASK(secretmem, "", "secretmem", setup);

}  // namespace

Result<Ref<io::File>> make(const vfs::Asker& who) {
  if (home == nullptr) return Errno::enomem;
  Ref<vm::PageBudget> budget(TRY(mem::make_ref<LockedBudget>(ALLOC_SITE, who.cred.user)));
  Ref<vm::PageCache> pages = TRY(vm::PageCache::create_secret(std::move(budget)));
  const vfs::NewInode fresh{
      .mode = vfs::mode::regular | 0600, .uid = who.cred.fsuid, .gid = who.cred.fsgid};
  Ref<vfs::Inode> inode =
      TRY(mem::make_ref<SecretInode>(ALLOC_SITE, home->super(), fresh, std::move(pages)));
  vfs::Path at(Ref<vfs::Mount>(*home),
               TRY(vfs::make_lost(home->root(), std::move(inode), "secretmem")));
  constexpr u32 flags = u32{uapi::o_rdwr} | vfs::open_flag::large_file;
  return Ref<io::File>(TRY(mem::make_ref<SecretFile>(ALLOC_SITE, flags, std::move(at))));
}

}  // namespace auk::fs::secretmem
