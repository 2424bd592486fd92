#include "fs/tmpfs/tmpfs.hpp"

#include <algorithm>

#include "base/fmt.hpp"
#include "core/init_graph.hpp"
#include "fs/tmpfs/attributes.hpp"
#include "fs/tmpfs/options.hpp"

namespace auk::fs::tmpfs {
namespace {

/// Something there may be only so much of. A limit of 0 is none.
class Allowance {
  Atomic<u64> used_{0}, limit_;

 public:
  explicit Allowance(u64 limit) : limit_(limit) {}
  bool take() {
    const u64 limit = limit_.load_relaxed();
    u64 have = used_.load_relaxed();
    do {
      if (limit != 0 && have >= limit) return false;
    } while (!used_.cas_relaxed(have, have + 1));
    return true;
  }
  void give_back(u64 n) { (void)used_.fetch_sub_relaxed(n); }
  u64 limit() const { return limit_.load_relaxed(); }
  u64 left() const {
    const u64 used = used_.load_relaxed(), most = limit();
    return used < most ? most - used : 0;
  }
  /// EINVAL: more is in use, or a limit would come where none was.
  Result<void> change(u64 limit) {
    if (limit == this->limit()) return {};
    if (this->limit() == 0 || limit == 0 || used_.load_relaxed() > limit) return Errno::einval;
    limit_.store_relaxed(limit);
    return {};
  }
};

class Budget final : public vm::PageBudget {
  void dispose() override { mem::destroy(this); }

 public:
  Allowance pages;
  explicit Budget(u64 limit) : pages(limit) {}
  ~Budget() = default;
  bool take() override { return pages.take(); }
  void give_back(u64 n) override { pages.give_back(n); }
};

/// Linux's default: half of the memory, as many files as pages.
u64 default_limit() { return mem::count_pages().managed / 2; }

class TmpSuper final : public vfs::Superblock {
  std::string_view type_;
  Ref<Budget> budget_;
  Options shown_;
  void dispose() override { mem::destroy(this); }
  void kill() override;

 public:
  Allowance inodes;

  TmpSuper(std::string_view type, const Options& o, Ref<Budget> budget)
      : type_(type),
        budget_(std::move(budget)),
        shown_(o),
        inodes(o.inodes) {}
  ~TmpSuper() = default;
  Ref<vm::PageBudget> budget() const { return Ref<vm::PageBudget>(Ref<Budget>(budget_)); }
  Result<void> reconfigure(std::string_view options) override;
  usize show_options(std::span<char> out) override;
  std::string_view type() const override { return type_; }
  vfs::FsInfo info() override {
    constexpr u64 tmpfs_magic = 0x01021994, ramfs_magic = 0x858458f6;
    return {.magic = type_ == "ramfs" ? ramfs_magic : tmpfs_magic,
            .blocks = budget_->pages.limit(),
            .free_blocks = budget_->pages.left(),
            .files = inodes.limit(),
            .free_files = inodes.left()};
  }
};

class TmpInode final : public vfs::Inode {
  char* target_memory_ = nullptr;  ///< owned
  std::string_view target_;
  vfs::MemoryDirectory* entries_ = nullptr;  ///< owned; of directories
  bool is_counted_ = false;
  Attributes attributes_;
  void dispose() override { mem::destroy(this); }
  void evict() override;
  Result<void> fill(const vfs::NewInode& fresh);
  TmpSuper& tmp_super() const { return static_cast<TmpSuper&>(super()); }

 public:
  TmpInode(vfs::Superblock& super, const vfs::NewInode& fresh) : Inode(super, fresh) {}
  ~TmpInode() {
    mem::free(target_memory_);
    if (entries_ != nullptr) mem::destroy(entries_);
  }
  static Result<Ref<TmpInode>> make(vfs::Superblock& super, const vfs::NewInode& fresh);
  vfs::MemoryDirectory& entries() const { return *entries_; }

  u64 size_without_pages() const override {
    if (entries_ == nullptr) return target_.size();
    constexpr u64 of_entry = 20;  // Linux's guess at what an entry takes
    return tmp_super().type() == "ramfs" ? 0 : (entries_->count() + 2) * of_entry;
  }
  std::string_view target() const override { return target_; }
  Result<Ref<Inode>> create(vfs::Dentry& entry, std::string_view name,
                            const vfs::NewInode& fresh) override;
  Result<Ref<Inode>> create_unnamed(const vfs::NewInode& fresh) override;
  Result<void> link(vfs::Dentry& entry, std::string_view name, Inode& target) override;
  Result<void> remove(vfs::Dentry& entry) override;
  Result<void> move(const vfs::Move& m) override;
  Result<void> read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) override {
    return entries_->read(dir, position, sink);
  }
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
};

Result<void> TmpInode::fill(const vfs::NewInode& fresh) {
  if (!tmp_super().inodes.take()) return Errno::enospc;
  is_counted_ = true;
  if (is_regular()) set_pages(TRY(vm::PageCache::create(tmp_super().budget())));
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

void TmpInode::evict() {
  Inode::evict();
  if (is_counted_) tmp_super().inodes.give_back(1);
}

Result<Ref<TmpInode>> TmpInode::make(vfs::Superblock& super, const vfs::NewInode& fresh) {
  Ref<TmpInode> i = TRY(mem::make_ref<TmpInode>(ALLOC_SITE, super, fresh));
  TRY(i->fill(fresh));
  return i;
}

Result<Ref<vfs::Inode>> TmpInode::create(vfs::Dentry& entry, std::string_view,
                                         const vfs::NewInode& fresh) {
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

Result<void> TmpInode::link(vfs::Dentry& entry, std::string_view, Inode& target) {
  // Each further name counts like a file.
  if (target.links.load_relaxed() > 0 && !tmp_super().inodes.take()) return Errno::enospc;
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
    if (i.links.load_relaxed() > 1) tmp_super().inodes.give_back(1);
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

Result<void> TmpSuper::reconfigure(std::string_view options) {
  Options o = shown_;
  o.has_blocks = o.has_inodes = false;
  TRY(parse_options(options, mem::count_pages().managed, o));
  if (o.has_inodes) TRY(inodes.change(o.inodes));
  if (o.has_blocks) TRY(budget_->pages.change(o.blocks));
  return {};
}

usize TmpSuper::show_options(std::span<char> out) {
  if (type_ != "tmpfs") return 0;
  Writer text(out);
  if (budget_->pages.limit() != default_limit())
    format_to(text, ",size={}k", budget_->pages.limit() * (page_size / kib));
  if (inodes.limit() != default_limit()) format_to(text, ",nr_inodes={}", inodes.limit());
  if (constexpr u32 usual = 01777; shown_.mode != usual)
    format_to(text, ",mode={:03o}", shown_.mode);
  if (shown_.uid != 0) format_to(text, ",uid={}", shown_.uid);
  if (shown_.gid != 0) format_to(text, ",gid={}", shown_.gid);
  return text.text().size();
}

}  // namespace

Options default_options() {
  Options o;
  o.blocks = o.inodes = default_limit();
  return o;
}

Result<Ref<vfs::Superblock>> make_super(std::string_view type, const Options& o) {
  Ref<Budget> budget = TRY(mem::make_ref<Budget>(ALLOC_SITE, o.blocks));
  Ref<TmpSuper> super = TRY(mem::make_ref<TmpSuper>(ALLOC_SITE, type, o, std::move(budget)));
  Ref<TmpInode> inode = TRY(
      TmpInode::make(*super, {.mode = vfs::mode::directory | o.mode, .uid = o.uid, .gid = o.gid}));
  super->set_root(TRY(vfs::Dentry::create(Ref<vfs::Inode>(std::move(inode)))));
  return Ref<vfs::Superblock>(std::move(super));
}

namespace {

class Tmpfs final : public vfs::FileSystem {
 public:
  constexpr explicit Tmpfs(std::string_view name) : FileSystem(name) {}
  Result<Ref<vfs::Superblock>> open(const vfs::Asker&, std::string_view,
                                    std::string_view options) override {
    Options o = default_options();
    TRY(parse_options(options, mem::count_pages().managed, o));
    return make_super(name(), o);
  }
};
constinit Tmpfs tmpfs_kind("tmpfs");

/// Without limits.
class Ramfs final : public vfs::FileSystem {
 public:
  constexpr Ramfs() : FileSystem("ramfs") {}
  Result<Ref<vfs::Superblock>> open(const vfs::Asker&, std::string_view,
                                    std::string_view options) override {
    constexpr u32 mode = 0755;
    Options o;
    o.mode = mode;
    // Of the others it takes no notice, as ever.
    Options wanted = o;
    if (parse_options(options, 0, wanted).ok()) o.mode = wanted.mode;
    return make_super(name(), o);
  }
};
constinit Ramfs ramfs_kind;

void setup() {
  vfs::register_file_system(tmpfs_kind);
  vfs::register_file_system(ramfs_kind);
}
INIT_TASK(tmpfs, "", "tmpfs", setup);

}  // namespace

Result<Ref<vfs::Mount>> make_root() {
  Options o = default_options();
  o.mode = 0755;
  Ref<vfs::Superblock> super = TRY(make_super("rootfs", o));
  Ref<vfs::Dentry> root(super->root());
  return vfs::Mount::create(std::move(super), std::move(root), "rootfs", 0);
}

}  // namespace auk::fs::tmpfs
