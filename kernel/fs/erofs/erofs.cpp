// EROFS: a file system that is only read, on a disk that stands in memory.
//
// Purpose: an image is used where it lies. Whole pages of files are pages of the image; only what
// does not begin with a page (the ends of files, small ones) is copied when it is read.
// Data model: Super -> Image and Disk. An inode stands for a number (nid) and is one as long as
// somebody has it: the table of those that live finds it again for other names. A handle is the
// number; dentries that led to one are known to its inode for as long as they live. Locking: level
// object for the table and what stands in it. Context: threads.
// Differences from Linux: neither compression nor fscache nor further devices; POSIX ACLs are not
// looked at.
// Source: Linux Documentation/filesystems/erofs.rst.
#include <algorithm>
#include <cstring>

#include "base/tree.hpp"
#include "block/disk.hpp"
#include "core/init_graph.hpp"
#include "fs/erofs/image.hpp"
#include "mem/folio.hpp"
#include "vfs/export.hpp"
#include "vfs/mounting.hpp"
#include "vm/object.hpp"

namespace auk::fs::erofs {
namespace {

constexpr u64 erofs_magic = 0xe0f5e1e2;

class Super;

class ErofsInode final : public vfs::Inode, public vm::PageSource {
  const Node node_;
  TreeHook by_nid_;
  using Aliases = List<vfs::Dentry, &vfs::Dentry::alias_node>;
  Aliases aliases_;  ///< of which a handle was made, or that were made of one; not held
  friend class Super;

  const Image& image() const;
  void dispose() override { mem::destroy(this); }
  void evict() override;
  void alias_gone(vfs::Dentry& d) override;

 public:
  struct ByNid {
    bool operator()(const ErofsInode& a, const ErofsInode& b) const {
      return a.node_.nid < b.node_.nid;
    }
    bool operator()(u64 a, const ErofsInode& b) const { return a < b.node_.nid; }
    bool operator()(const ErofsInode& a, u64 b) const { return a.node_.nid < b; }
  };
  using Table = Tree<ErofsInode, &ErofsInode::by_nid_, ByNid>;

  ErofsInode(Super& super, const Node& n);
  ~ErofsInode() = default;
  Result<void> fill();
  Super& erofs_super() const;

  void fill_stat(io::FileStat& s) const override {
    constexpr u64 sector = 512;
    Inode::fill_stat(s);
    s.blocks = (node_.size + sector - 1) / sector;
  }
  u64 size_without_pages() const override { return node_.size; }
  std::string_view target() const override;
  vfs::Cached cached_names() const override {
    return is_directory() ? vfs::Cached::some : vfs::Cached::all;
  }
  Result<Ref<Inode>> lookup(vfs::Dentry& dir, std::string_view name) override;
  Result<void> read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) override;
  Result<Ref<vm::Folio>> read_page(u64 index) override;
  Result<usize> get_attribute(std::string_view name, std::span<byte> to) override;
  Result<usize> list_attributes(bool with_trusted, std::span<char> to) override;
  // What changes something has been refused before: the file system is only read.
};

/// Those that say what is so anyway.
vfs::Taken check_option(const vfs::Parameter& p) {
  constexpr std::array flags{"user_xattr", "acl"};
  if (std::find(flags.begin(), flags.end(), p.name) != flags.end()) return vfs::Taken::yes;
  if (p.name != "cache_strategy") return vfs::Taken::unknown;
  return p.value == "readaround" ? vfs::Taken::yes : vfs::Taken::bad_value;
}

class Super final : public vfs::Superblock, public vfs::Exporter {
  block::Disk& disk_;
  core::Guarded<core::level::object, ErofsInode::Table, core::SpinPreemptOff> living_;
  void dispose() override { mem::destroy(this); }
  vfs::FileHandle handle_of(vfs::Inode& i, vfs::Dentry* alias) override;
  Result<Ref<vfs::Dentry>> find(const vfs::FileHandle& h) override;
  Ref<vfs::Dentry> known_alias(ErofsInode& i);
  void note_alias(vfs::Dentry& d);
  Result<Ref<vfs::Dentry>> entry_of(vfs::Dentry& dir, const ErofsInode& i);
  Result<Ref<vfs::Dentry>> connect(Ref<ErofsInode> dir);

 public:
  const Image image;
  Super(block::Disk& disk, const Image& i)
      : Superblock(false, disk.number()),
        disk_(disk),
        image(i) {
    set_read_only(true);
  }
  ~Super() = default;
  block::Disk& disk() const { return disk_; }
  std::string_view type() const override { return "erofs"; }
  vfs::Exporter* exporter() override { return this; }
  vfs::FsInfo info() override {
    constexpr u64 no_limit = ~u64{0};
    return {.magic = erofs_magic,
            .blocks = image.blocks(),
            .files = no_limit,
            .free_files = no_limit - image.inodes(),
            .block_size = static_cast<u32>(image.block_size())};
  }
  vfs::Taken check(const vfs::Parameter& p) const override { return check_option(p); }
  usize show_options(std::span<char> out) override {
    constexpr std::string_view options = ",user_xattr,acl,cache_strategy=readaround";
    return options.copy(out.data(), out.size());
  }
  /// It stays as it is, whatever is asked for.
  Result<void> begin_writing() override { return {}; }

  /// The inode of a number. EUCLEAN, EOPNOTSUPP, ENOMEM.
  Result<Ref<ErofsInode>> inode(u64 nid);
  void forget(ErofsInode& i);
  void remove_alias(vfs::Dentry& d) {
    auto table = living_.lock();
    ErofsInode::Aliases::remove(d);
  }
};

Super& ErofsInode::erofs_super() const { return static_cast<Super&>(super()); }
const Image& ErofsInode::image() const { return erofs_super().image; }

ErofsInode::ErofsInode(Super& super, const Node& n)
    : Inode(super, {.mode = n.mode,
                    .uid = n.uid,
                    .gid = n.gid,
                    .raw_device = n.raw_device,
                    .number = n.nid}),
      node_(n) {
  links.store_relaxed(n.links);
  btime_ns = n.mtime_ns;
  for (Atomic<i64>* t : {&atime_ns, &mtime_ns, &ctime_ns}) t->store_relaxed(n.mtime_ns);
}

Result<void> ErofsInode::fill() {
  if (is_link()) return image().target(node_).ok() ? Result<void>() : Errno::euclean;
  if (is_regular()) set_pages(TRY(vm::PageCache::create_read_only(*this, node_.size)));
  return {};
}

std::string_view ErofsInode::target() const {
  if (!is_link()) return {};
  Result<std::string_view> t = image().target(node_);
  return t.ok() ? t.take() : std::string_view();
}

void ErofsInode::evict() {
  Inode::evict();
  erofs_super().forget(*this);
}

void ErofsInode::alias_gone(vfs::Dentry& d) { erofs_super().remove_alias(d); }

void Super::forget(ErofsInode& i) {
  auto table = living_.lock();
  if (i.by_nid_.is_linked()) table->erase(table->iterator_to(i));
}

Result<Ref<ErofsInode>> Super::inode(u64 nid) {
  const Node n = TRY(image.node(nid));
  const Ref<ErofsInode> fresh = TRY(mem::make_ref<ErofsInode>(ALLOC_SITE, *this, n));
  TRY(fresh->fill());
  auto table = living_.lock();
  const auto at = table->find(nid, ErofsInode::ByNid());
  if (at != table->end()) {
    if (at->try_get()) return Ref<ErofsInode>::adopt(&*at);
    // It is on its way out.
    table->erase(at);
  }
  table->insert_unique(*fresh);
  return fresh;
}

Result<Ref<vfs::Inode>> ErofsInode::lookup(vfs::Dentry&, std::string_view name) {
  const Entry e = TRY(image().find(node_, name));
  return Ref<vfs::Inode>(TRY(erofs_super().inode(e.nid)));
}

Result<void> ErofsInode::read_dir(vfs::Dentry&, u64& position, io::DirSink& sink) {
  // By the types of EROFS: those of Linux's directories, in another order.
  constexpr std::array<u8, 8> types{0, 8, 4, 2, 6, 1, 12, 10};
  for (;;) {
    u64 place = position;
    const std::optional<Entry> e = TRY(image().next_entry(node_, place));
    if (!e) return {};
    const u8 type = e->type < types.size() ? types[e->type] : u8{0};
    if (!sink.add(e->name, e->nid, type, static_cast<i64>(place))) return {};
    position = place;
  }
}

Result<Ref<vm::Folio>> ErofsInode::read_page(u64 index) {
  const u64 begin = index * page_size, end = std::min(begin + page_size, node_.size);
  const std::span<const byte> first = TRY(image().data(node_, begin));
  if (first.empty() && image().block_size() >= page_size) return Errno::enoent;
  const u64 at = static_cast<u64>(first.data() - image().bytes().data());
  if (first.size() >= page_size && at % page_size == 0)
    return vm::Folio::borrow(ALLOC_SITE, pfn_of(erofs_super().disk().memory() + at));
  Ref<vm::Folio> copy = TRY(vm::Folio::create(ALLOC_SITE, false));
  for (u64 offset = begin; offset < end;) {
    const std::span<const byte> piece = TRY(image().data(node_, offset));
    // Of a hole the rest of a block is zero, as the page is.
    const u64 block = image().block_size();
    const u64 n =
        std::min<u64>(piece.empty() ? block - offset % block : piece.size(), end - offset);
    if (!piece.empty()) std::memcpy(copy->bytes().data() + (offset - begin), piece.data(), n);
    offset += n;
  }
  return copy;
}

Result<usize> ErofsInode::get_attribute(std::string_view name, std::span<byte> to) {
  for (u64 place = 0;;) {
    const std::optional<Attribute> a = TRY(image().next_attribute(node_, place));
    if (!a) return Errno::enodata;
    if (!name.starts_with(a->prefix) || name.substr(a->prefix.size()) != a->name) continue;
    if (to.empty()) return a->value.size();
    if (to.size() < a->value.size()) return Errno::erange;
    std::ranges::copy(a->value, to.begin());
    return a->value.size();
  }
}

Result<usize> ErofsInode::list_attributes(bool with_trusted, std::span<char> to) {
  usize size = 0;
  for (u64 place = 0;;) {
    const std::optional<Attribute> a = TRY(image().next_attribute(node_, place));
    if (!a) return size;
    if (a->prefix == "trusted." && !with_trusted) continue;
    const usize n = a->prefix.size() + a->name.size() + 1;
    if (!to.empty()) {
      if (to.size() - size < n) return Errno::erange;
      a->prefix.copy(&to[size], n);
      a->name.copy(&to[size + a->prefix.size()], n);
      to[size + n - 1] = '\0';
    }
    size += n;
  }
}

vfs::FileHandle Super::handle_of(vfs::Inode& i, vfs::Dentry* alias) {
  if (alias != nullptr) note_alias(*alias);
  const u64 nid = static_cast<ErofsInode&>(i).node_.nid;
  return {vfs::FileHandle::number_64, {static_cast<u32>(nid >> 32), static_cast<u32>(nid), 0}};
}

Result<Ref<vfs::Dentry>> Super::find(const vfs::FileHandle& h) {
  constexpr u32 with_parent = 0x82;
  if ((h.type != vfs::FileHandle::number_64 && h.type != with_parent) || h.size < 3)
    return Errno::estale;
  Ref<ErofsInode> i = TRY(inode(u64{h.words[0]} << 32 | h.words[1]));
  if (i->is_directory()) return connect(std::move(i));
  if (Ref<vfs::Dentry> known = known_alias(*i)) return known;
  // Nothing says where it stands.
  Ref<vfs::Dentry> fresh = TRY(vfs::Dentry::create(Ref<vfs::Inode>(std::move(i))));
  note_alias(*fresh);
  return fresh;
}

Ref<vfs::Dentry> Super::known_alias(ErofsInode& i) {
  if (i.node_.nid == image.root_nid()) return Ref<vfs::Dentry>(root());
  auto table = living_.lock();
  for (vfs::Dentry& d : i.aliases_)
    if (d.try_get()) return Ref<vfs::Dentry>::adopt(&d);
  return {};
}

void Super::note_alias(vfs::Dentry& d) {
  auto table = living_.lock();
  if (!d.alias_node.is_linked()) static_cast<ErofsInode&>(d.inode()).aliases_.push_back(d);
}

/// ESTALE: it is not there, whatever it says itself.
Result<Ref<vfs::Dentry>> Super::entry_of(vfs::Dentry& dir, const ErofsInode& i) {
  const Node& node = static_cast<ErofsInode&>(dir.inode()).node_;
  for (u64 place = 0;;) {
    const std::optional<Entry> e = TRY(image.next_entry(node, place));
    if (!e) return Errno::estale;
    if (sched::current().has_work(sched::Interruptible::fatal)) return Errno::eintr;
    if (e->nid != i.node_.nid || e->name == "." || e->name == "..") continue;
    Ref<vfs::Dentry> found;
    {
      auto looking = dir.inode().lock.lock();
      found = TRY(vfs::look_up(dir, e->name));
    }
    if (&found->inode() != &i) return Errno::estale;
    note_alias(*found);
    return found;
  }
}

/// Directories on the way up.
class Ancestors {
  struct Step {
    ListNode node;
    Ref<ErofsInode> inode;
    explicit Step(Ref<ErofsInode> i) : inode(std::move(i)) {}
  };
  List<Step, &Step::node> steps_;

 public:
  Ancestors() = default;
  Ancestors(const Ancestors&) = delete;
  Ancestors& operator=(const Ancestors&) = delete;
  ~Ancestors() {
    while (pop()) {}
  }
  Result<void> push(Ref<ErofsInode> i) {
    steps_.push_front(*TRY(mem::Box<Step>::make(ALLOC_SITE, std::move(i))).release());
    return {};
  }
  /// The topmost; null: there is none left.
  Ref<ErofsInode> pop() {
    Step* const s = steps_.pop_front();
    if (s == nullptr) return {};
    const mem::Box<Step> dying = mem::Box<Step>::adopt(s);
    return std::move(s->inode);
  }
};

/// The one dentry that a directory has, below that of the root.
Result<Ref<vfs::Dentry>> Super::connect(Ref<ErofsInode> dir) {
  Ancestors below;
  Ref<vfs::Dentry> at = known_alias(*dir);
  // A damaged image may lead in a circle: a mark that is moved ever further apart stands on it.
  u64 mark = dir->node_.nid, steps = 0, until_next_mark = 1;
  while (!at) {
    const u64 up = TRY(image.find(dir->node_, "..")).nid;
    TRY(below.push(std::move(dir)));
    if (up == mark) return Errno::estale;
    if (++steps == until_next_mark) {
      mark = up;
      steps = 0;
      until_next_mark *= 2;
    }
    dir = TRY(inode(up));
    if (!dir->is_directory()) return Errno::estale;
    at = known_alias(*dir);
  }
  while (const Ref<ErofsInode> next = below.pop()) at = TRY(entry_of(*at, *next));
  return at;
}

class Erofs final : public vfs::FileSystem {
 public:
  constexpr Erofs() : FileSystem("erofs") {}
  bool is_on_disk() const override { return true; }
  vfs::Taken check(const vfs::Parameter& p) const override { return check_option(p); }
  Result<Ref<vfs::Superblock>> open(const vfs::Asker& who, std::string_view source,
                                    const vfs::Parameters&) override {
    block::Disk* const disk = block::find_disk(TRY(vfs::disk_number(who, source)));
    if (disk == nullptr) return Errno::enxio;
    const Image image = TRY(Image::open(disk->bytes()));
    Ref<Super> super = TRY(mem::make_ref<Super>(ALLOC_SITE, *disk, image));
    Ref<ErofsInode> root = TRY(super->inode(image.root_nid()));
    if (!root->is_directory()) return Errno::einval;
    TRY(super->keep_dentries());
    super->set_root(TRY(vfs::Dentry::create(Ref<vfs::Inode>(std::move(root)))));
    return Ref<vfs::Superblock>(super);
  }
};
constinit Erofs erofs;

void setup() { vfs::register_file_system(erofs); }
INIT_TASK(erofs, "", "erofs", setup);

}  // namespace
}  // namespace auk::fs::erofs
