#include "fs/tmpfs/tmpfs.hpp"

#include <algorithm>

#include "base/fmt.hpp"
#include "base/tree.hpp"
#include "core/init_graph.hpp"
#include "fs/tmpfs/attributes.hpp"
#include "fs/tmpfs/options.hpp"
#include "generated/uapi/fcntl.hpp"
#include "random/random.hpp"
#include "vfs/export.hpp"
#include "vfs/mount_options.hpp"
#include "vfs/seal.hpp"

namespace auk::fs::tmpfs {
namespace {

/// Something there may be only so much of. A limit of 0 is none.
class Allowance {
  Atomic<u64> used_{0}, limit_;

 public:
  explicit Allowance(u64 limit) : limit_(limit) {}
  bool take(u64 n = 1) {
    const u64 limit = limit_.load_relaxed();
    u64 have = used_.load_relaxed();
    do {
      if (limit != 0 && (have >= limit || n > limit - have)) return false;
    } while (!used_.cas_relaxed(have, have + n));
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
  bool take(u64 n) override { return pages.take(n); }
  void give_back(u64 n) override { pages.give_back(n); }
};

/// Linux's default: half of the memory, as many files as pages.
u64 default_limit() { return mem::count_pages().managed / 2; }

constexpr u32 ramfs_mode = 0755;

class TmpSuper;

class TmpInode final : public vfs::Inode {
  char* target_memory_ = nullptr;  ///< owned
  std::string_view target_;
  vfs::MemoryDirectory* entries_ = nullptr;  ///< owned; of directories
  bool is_counted_ = false;
  Attributes attributes_;

  using Aliases = List<vfs::Dentry, &vfs::Dentry::alias_node>;
  /// Its entries in directories, which hold them; the inode's lock guards it.
  Aliases names_;
  // Of those that have a handle, for TmpSuper.
  TreeHook by_number_;  ///< is linked and unlinked with the inode's lock, too, or by the last user
  u32 generation_ = 0;
  Aliases lost_;  ///< without a name, and not held
  friend class TmpSuper;

  void dispose() override { mem::destroy(this); }
  void evict() override;
  void alias_gone(vfs::Dentry& d) override;
  Result<void> fill(const vfs::NewInode& fresh);
  TmpSuper& tmp_super() const;

 public:
  struct ByNumber {
    bool operator()(const TmpInode& a, const TmpInode& b) const { return a.number() < b.number(); }
    bool operator()(u64 a, const TmpInode& b) const { return a < b.number(); }
    bool operator()(const TmpInode& a, u64 b) const { return a.number() < b; }
  };
  using Numbers = Tree<TmpInode, &TmpInode::by_number_, ByNumber>;

  TmpInode(vfs::Superblock& super, const vfs::NewInode& fresh) : Inode(super, fresh) {}
  ~TmpInode() {
    mem::free(target_memory_);
    if (entries_ != nullptr) mem::destroy(entries_);
  }
  static Result<Ref<TmpInode>> make(vfs::Superblock& super, const vfs::NewInode& fresh);
  vfs::MemoryDirectory& entries() const { return *entries_; }
  /// With the inode's lock, unless nobody else has the file system: it is no entry any more.
  void lose_name(vfs::Dentry& entry);

  u64 size_without_pages() const override;
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
  Result<void> allocate(vfs::Space what, u64 start, u64 end) override;
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

/// Handles: files that have one are in a tree by their numbers, from the first time somebody asks
/// for it until they are gone. All others cost no more than the list of their names.
class TmpSuper final : public vfs::Superblock, public vfs::Exporter {
  std::string_view type_;
  Ref<Budget> budget_;
  Options shown_;
  core::Guarded<core::level::object, TmpInode::Numbers, core::SpinPreemptOff> with_handle_;
  void dispose() override { mem::destroy(this); }
  void kill() override;
  vfs::FileHandle handle_of(vfs::Inode& i, vfs::Dentry* alias) override;
  Result<Ref<vfs::Dentry>> find(const vfs::FileHandle& h) override;
  Result<Ref<vfs::Dentry>> alias_of(TmpInode& i);

 public:
  Allowance inodes;

  TmpSuper(std::string_view type, const Options& o, Ref<Budget> budget)
      : type_(type),
        budget_(std::move(budget)),
        shown_(o),
        inodes(o.inodes) {}
  ~TmpSuper() = default;
  Ref<vm::PageBudget> budget() const { return Ref<vm::PageBudget>(Ref<Budget>(budget_)); }
  vfs::Taken check(const vfs::Parameter& p) const override { return check_option(p); }
  Result<void> reconfigure(const vfs::Parameters& p) override;
  usize show_options(std::span<char> out) override;
  std::string_view type() const override { return type_; }
  bool is_internal() const override { return shown_.is_internal; }
  vfs::Exporter* exporter() override { return type_ == "ramfs" ? nullptr : this; }
  // Of an inode that has a handle.
  void forget(TmpInode& i) {
    auto known = with_handle_.lock();
    known->erase(known->iterator_to(i));
  }
  void add_lost(TmpInode& i, vfs::Dentry& d) {
    auto known = with_handle_.lock();
    i.lost_.push_back(d);
  }
  void remove_lost(vfs::Dentry& d) {
    auto known = with_handle_.lock();
    TmpInode::Aliases::remove(d);
  }
  vfs::FsInfo info() override {
    constexpr u64 tmpfs_magic = 0x01021994, ramfs_magic = 0x858458f6;
    return {.magic = type_ == "ramfs" ? ramfs_magic : tmpfs_magic,
            .blocks = budget_->pages.limit(),
            .free_blocks = budget_->pages.left(),
            .files = inodes.limit(),
            .free_files = inodes.left()};
  }
};

TmpSuper& TmpInode::tmp_super() const { return static_cast<TmpSuper&>(super()); }

u64 TmpInode::size_without_pages() const {
  if (entries_ == nullptr) return target_.size();
  constexpr u64 of_entry = 20;  // Linux's guess at what an entry takes
  return tmp_super().type() == "ramfs" ? 0 : (entries_->count() + 2) * of_entry;
}

Result<void> TmpInode::fill(const vfs::NewInode& fresh) {
  if (!tmp_super().inodes.take()) return Errno::enospc;
  is_counted_ = true;
  if (is_regular()) {
    set_pages(TRY(vm::PageCache::create(tmp_super().budget())));
    if (tmp_super().type() != "ramfs") seals.store_relaxed(vfs::seal::possible | uapi::f_seal_seal);
  }
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
  if (by_number_.is_linked()) tmp_super().forget(*this);
  Inode::evict();
  if (is_counted_) tmp_super().inodes.give_back(1);
}

void TmpInode::alias_gone(vfs::Dentry& d) { tmp_super().remove_lost(d); }

void TmpInode::lose_name(vfs::Dentry& entry) {
  Aliases::remove(entry);
  if (by_number_.is_linked()) tmp_super().add_lost(*this, entry);
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
  i->names_.push_back(entry);
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
  static_cast<TmpInode&>(target).names_.push_back(entry);
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
  i.lose_name(entry);
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

Result<void> TmpInode::allocate(vfs::Space what, u64 start, u64 end) {
  vm::PageCache& bytes = *pages();
  if (tmp_super().type() == "ramfs") return Errno::eopnotsupp;
  TRY(vfs::seal::check_space(*this, what, end));
  if (what == vfs::Space::hole)
    TRY(bytes.punch(start, end));
  else
    TRY(bytes.reserve(start / page_size, (end + page_size - 1) / page_size));
  if (what == vfs::Space::reserve) bytes.grow(end);
  touch(true);
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
    inode.lose_name(*at);
    static_cast<TmpInode&>(above->inode()).entries().remove(*at);
    vfs::unlink_dentry(*at);
    at = above;
  }
}

vfs::FileHandle TmpSuper::handle_of(vfs::Inode& i, vfs::Dentry* alias) {
  auto& inode = static_cast<TmpInode&>(i);
  const u32 generation = static_cast<u32>(random::next_u64());
  auto named = i.lock.lock();
  auto known = with_handle_.lock();
  if (!inode.by_number_.is_linked()) {
    inode.generation_ = generation;
    known->insert_unique(inode);
  }
  if (alias != nullptr && alias != &root() && !alias->alias_node.is_linked())
    inode.lost_.push_back(*alias);
  const u64 number = i.number();
  return {vfs::FileHandle::number_32,
          {inode.generation_, static_cast<u32>(number), static_cast<u32>(number >> 32)}};
}

Result<Ref<vfs::Dentry>> TmpSuper::find(const vfs::FileHandle& h) {
  if (h.size < 3) return Errno::estale;
  const u64 number = h.words[1] | u64{h.words[2]} << 32;
  Ref<TmpInode> found;
  {
    auto known = with_handle_.lock();
    const auto at = known->find(number, TmpInode::ByNumber());
    if (at == known->end() || at->generation_ != h.words[0] || !at->try_get()) return Errno::estale;
    found = Ref<TmpInode>::adopt(&*at);
  }
  return alias_of(*found);
}

Result<Ref<vfs::Dentry>> TmpSuper::alias_of(TmpInode& i) {
  if (&i == &root().inode()) return Ref<vfs::Dentry>(root());
  {
    auto named = i.lock.lock();
    if (vfs::Dentry* const d = i.names_.front()) return Ref<vfs::Dentry>(*d);
  }
  {
    auto known = with_handle_.lock();
    for (vfs::Dentry& d : i.lost_)
      if (d.try_get()) return Ref<vfs::Dentry>::adopt(&d);
  }
  // Somebody has it by a name that it lost before it had a handle.
  return vfs::Dentry::create(Ref<vfs::Inode>(Ref<TmpInode>(i)));
}

Result<void> TmpSuper::reconfigure(const vfs::Parameters& p) {
  Options o = shown_;
  o.has_blocks = o.has_inodes = false;
  TRY(parse_options(p, mem::count_pages().managed, o));
  if (o.has_inodes) TRY(inodes.change(o.inodes));
  if (o.has_blocks) TRY(budget_->pages.change(o.blocks));
  return {};
}

usize TmpSuper::show_options(std::span<char> out) {
  Writer text(out);
  if (type_ == "ramfs") {
    if (shown_.mode != ramfs_mode) format_to(text, ",mode={:o}", shown_.mode);
    return text.text().size();
  }
  if (type_ != "tmpfs" && type_ != "devtmpfs") return 0;
  if (budget_->pages.limit() != default_limit())
    format_to(text, ",size={}k", budget_->pages.limit() * (page_size / kib));
  if (inodes.limit() != default_limit()) format_to(text, ",nr_inodes={}", inodes.limit());
  if (constexpr u32 usual = 01777; shown_.mode != usual)
    format_to(text, ",mode={:03o}", shown_.mode);
  if (shown_.uid != 0) format_to(text, ",uid={}", shown_.uid);
  if (shown_.gid != 0) format_to(text, ",gid={}", shown_.gid);
  text.put(shown_.is_inode32 ? ",inode32" : ",inode64");
  if (shown_.is_never_swapped) text.put(",noswap");
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
  vfs::Taken check(const vfs::Parameter& p) const override { return check_option(p); }
  Result<Ref<vfs::Superblock>> open(const vfs::Asker&, std::string_view,
                                    const vfs::Parameters& p) override {
    Options o = default_options();
    TRY(parse_options(p, mem::count_pages().managed, o));
    return make_super(name(), o);
  }
};
constinit Tmpfs tmpfs_kind("tmpfs");

/// Without limits.
class Ramfs final : public vfs::FileSystem {
 public:
  constexpr Ramfs() : FileSystem("ramfs") {}
  /// Of all but the mode it takes no notice, as ever.
  vfs::Taken check(const vfs::Parameter& p) const override {
    return p.name == "mode" ? check_option(p) : vfs::Taken::ignored;
  }
  Result<Ref<vfs::Superblock>> open(const vfs::Asker&, std::string_view,
                                    const vfs::Parameters& p) override {
    Options o;
    o.mode = ramfs_mode;
    TRY(p.each([&](const vfs::Parameter& one) -> Result<void> {
      o.mode = static_cast<u32>(TRY(vfs::whole_number(one.value, 8))) & 07777;
      return {};
    }));
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
