#include "fs/procfs/node.hpp"

#include <algorithm>

#include "core/init_graph.hpp"
#include "vfs/operations.hpp"

namespace auk::fs::procfs {
namespace {

constexpr std::string_view type_of_proc = "proc";
constexpr u64 proc_magic = 0x9fa0;
constexpr u32 block_size = 1024;
constexpr u64 root_number = 1;

/// FNV-1a over the name, started with the directory's number.
u64 number_of(u64 directory, std::string_view name) {
  constexpr u64 prime = 0x100000001b3;
  u64 h = directory ^ 0xcbf29ce484222325;
  for (const char c : name) {
    h ^= static_cast<u8>(c);
    h *= prime;
  }
  // Not one of those that are given to single inodes.
  return h >> 1 | u64{1} << 32;
}

class ProcSuper final : public vfs::Superblock {
  void dispose() override { mem::destroy(this); }

 public:
  explicit ProcSuper(Ref<ident::PidNamespace> s) : space(std::move(s)) {}
  ~ProcSuper() = default;
  const Ref<ident::PidNamespace> space;
  const i64 made_ns = core::real_ns();
  std::string_view type() const override { return type_of_proc; }
  vfs::FsInfo info() override { return {.magic = proc_magic}; }
  bool is_internal() const override { return true; }
};

class ProcInode final : public vfs::Inode {
  const Node& node_;
  const Subject subject_;
  std::array<char, 32> target_memory_{};
  std::string_view target_;
  void dispose() override { mem::destroy(this); }

  u64 number_below(std::string_view name) const { return number_of(number(), name); }
  void set_owner() {
    const Owner o = owner_of(subject_, mode.load_relaxed());
    uid.store_relaxed(o.uid);
    gid.store_relaxed(o.gid);
  }

 public:
  ProcInode(ProcSuper& super, const Entry& e, u64 number)
      : Inode(super, {.mode = e.mode, .number = number}),
        node_(*e.node),
        subject_(e.subject),
        target_(node_.write_target(subject_, target_memory_)) {
    if (is_directory()) links.store_relaxed(2);
    btime_ns = subject_.pid ? start_time_of(subject_) : super.made_ns;
    for (Atomic<i64>* t : {&atime_ns, &mtime_ns, &ctime_ns}) t->store_relaxed(btime_ns);
    set_owner();
  }
  ~ProcInode() = default;
  static Result<Ref<Inode>> make(ProcSuper& super, const Entry& e, u64 number) {
    return Ref<Inode>(TRY(mem::make_ref<ProcInode>(ALLOC_SITE, super, e, number)));
  }

  void fill_stat(io::FileStat& s) const override {
    Inode::fill_stat(s);
    s.block_size = block_size;
  }
  u64 size_without_pages() const override { return node_.size(subject_); }
  bool grants() const override { return node_.grants(subject_); }
  vfs::Cached cached_names() const override {
    return is_directory() ? vfs::Cached::none : vfs::Cached::all;
  }
  bool is_still(std::string_view name, Inode& entry) override;
  Result<Ref<Inode>> lookup(vfs::Dentry& dir, std::string_view name) override;
  // What is not there cannot be looked up, and that is asked first.
  Result<Ref<Inode>> create(vfs::Dentry&, std::string_view, const vfs::NewInode&) override {
    return Errno::enoent;
  }
  Result<void> link(vfs::Dentry&, std::string_view, Inode&) override { return Errno::enoent; }
  Result<void> read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) override;
  std::string_view target() const override { return target_; }
  bool is_magic_link() const override { return node_.is_magic(); }
  Result<vfs::Path> jump() override { return node_.jump(subject_); }
  Result<usize> read_target(const vfs::Path& root, std::span<char> out) const override {
    return node_.read_target(subject_, root, out);
  }
  Result<Ref<io::File>> open_special(const vfs::Path&, u32 flags) override {
    return node_.open(subject_, flags);
  }
  ident::Pid* process() const {
    return &node_ == process_node && !subject_.is_thread ? subject_.pid.get() : nullptr;
  }
};

bool ProcInode::is_still(std::string_view name, Inode& entry) {
  auto& child = static_cast<ProcInode&>(entry);
  Result<Entry> now = node_.find(subject_, name);
  if (!now.ok()) return false;
  const Entry e = now.take();
  std::array<char, 32> memory;
  if (e.node != &child.node_ || e.subject != child.subject_ ||
      e.mode != child.mode.load_relaxed() ||
      e.node->write_target(e.subject, memory) != child.target_)
    return false;
  child.set_owner();
  return true;
}

Result<Ref<vfs::Inode>> ProcInode::lookup(vfs::Dentry&, std::string_view name) {
  const Entry e = TRY(node_.find(subject_, name));
  return make(static_cast<ProcSuper&>(super()), e, number_below(name));
}

Result<void> ProcInode::read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) {
  constexpr u8 directory_type = vfs::mode::directory >> 12;
  if (position == 0) {
    if (!sink.add(".", number(), directory_type, 1)) return {};
    position = 1;
  }
  if (position == 1) {
    if (!sink.add("..", dir.parent()->inode().number(), directory_type, 2)) return {};
    position = 2;
  }
  Listing out(number(), position, sink);
  const Result<void> r = node_.list(subject_, out);
  if (r.ok()) return {};
  return r.error() == Errno::esrch ? Errno::enoent : r.error();
}

/// What a descriptor of a file without a path leads to.
/// It does not keep the open file, whose end others may wait for.
class FileInode final : public vfs::Inode {
  const io::FileStat stat_;
  void dispose() override { mem::destroy(this); }

 public:
  FileInode(vfs::Superblock& super, const io::FileStat& s, Ref<io::Fifo> fifo)
      : Inode(super, {.mode = s.mode, .uid = s.uid, .gid = s.gid, .number = s.inode}),
        stat_(s) {
    fifo_ = std::move(fifo);
  }
  ~FileInode() = default;
  void fill_stat(io::FileStat& s) const override { s = stat_; }
  Result<Ref<io::File>> open_special(const vfs::Path&, u32 flags) override {
    if (!fifo_) return Errno::enxio;
    return fifo_->open(flags);
  }
};

Result<Ref<vfs::Superblock>> make_super(ident::PidNamespace& space) {
  Ref<ProcSuper> super = TRY(mem::make_ref<ProcSuper>(ALLOC_SITE, Ref<ident::PidNamespace>(space)));
  Ref<vfs::Inode> inode = TRY(ProcInode::make(
      *super, {.node = root_node, .subject = {.space = &space}, .mode = root_node->mode()},
      root_number));
  super->set_root(TRY(vfs::Dentry::create(std::move(inode))));
  return Ref<vfs::Superblock>(std::move(super));
}

class Procfs final : public vfs::SingleFileSystem {
  Result<Ref<vfs::Superblock>> make() override { return make_super(ident::first_pids()); }

 public:
  constexpr Procfs() : SingleFileSystem(type_of_proc) {}
  Result<Ref<vfs::Superblock>> open(const vfs::Asker& who, std::string_view source,
                                    const vfs::Parameters& p) override {
    const sched::Thread& me = sched::current();
    ident::PidNamespace& space = me.is_user() ? proc::current().pid_space() : ident::first_pids();
    // In any case: what has no path hangs in the first one's.
    Ref<vfs::Superblock> first = TRY(SingleFileSystem::open(who, source, p));
    if (space.level != 0) return make_super(space);
    return first;
  }
};
constinit Procfs procfs;

void setup() { vfs::register_file_system(procfs); }
INIT_TASK(procfs, "", "procfs", setup);

/// A text that is read, and perhaps written.
class TextFile final : public vfs::ReportFile {
  const TextNode& node_;
  const Subject subject_;
  void dispose() override { destroy_late(this); }
  Result<bool> write_record(u64& key, mem::Text& out) override {
    return node_.write_record(subject_, key, out);
  }

 public:
  TextFile(u32 flags, const TextNode& node, const Subject& s)
      : ReportFile(flags),
        node_(node),
        subject_(s) {}
  ~TextFile() = default;
  bool can_splice_from() const override { return node_.can_splice_from(subject_); }
  bool can_splice_to() const override { return node_.ways_of_writing() != io::WaysOf::nothing; }
  io::WaysOf ways_of_writing() const override { return node_.ways_of_writing(); }
  Result<usize> write(io::IoBuf& buf) override { return node_.store(subject_, buf); }
  Result<usize> write_at(io::IoBuf& buf, u64) override { return node_.store(subject_, buf); }
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
};

}  // namespace

ident::Pid* process_of_directory(const vfs::Inode& inode) {
  // Directories of this file system are all of one class.
  if (!inode.is_directory() || inode.super().type() != type_of_proc) return nullptr;
  return static_cast<const ProcInode&>(inode).process();
}

bool Listing::add(u64 position, std::string_view name, u32 mode) {
  if (position < position_) return true;
  constexpr u32 type_shift = 12;
  if (!sink_.add(name, number_of(directory_, name), static_cast<u8>(mode >> type_shift),
                 static_cast<i64>(position + 1)))
    return false;
  position_ = position + 1;
  return true;
}

bool Listing::add_number(u64 position, u32 number, u32 mode) {
  std::array<char, 10> digits;
  Writer text(digits);
  format_to(text, "{}", number);
  return add(position, text.text(), mode);
}

Result<Entry> Node::find(const Subject&, std::string_view) const { return Errno::enoent; }
Result<void> Node::list(const Subject&, Listing&) const { return {}; }
Result<vfs::Path> Node::jump(const Subject&) const { return Errno::einval; }
Result<usize> Node::read_target(const Subject&, const vfs::Path&, std::span<char>) const {
  return Errno::einval;
}
Result<Ref<io::File>> Node::open(const Subject&, u32) const { return Errno::enxio; }

Result<Entry> Directory::find(const Subject& s, std::string_view name) const {
  for (const Node* const* n : nodes())
    if ((*n)->name() == name) return Entry{*n, s, (*n)->mode()};
  return Errno::enoent;
}

Result<void> Directory::list(const Subject&, Listing& out) const {
  u64 at = 2;
  for (const Node* const* n : nodes())
    if (!out.add(at++, (*n)->name(), (*n)->mode())) break;
  return {};
}

Result<Ref<io::File>> TextNode::open(const Subject& s, u32 flags) const {
  TRY(check_reader(s));
  return Ref<io::File>(TRY(mem::make_ref<TextFile>(ALLOC_SITE, flags, *this, s)));
}

Result<bool> ShortText::write_record(const Subject& s, u64& key, mem::Text& out) const {
  if (std::exchange(key, 1) != 0) return false;
  TRY(write(s, out));
  return true;
}

vfs::Mount& hidden_mount() { return procfs.hidden_mount(); }

Result<vfs::Path> path_to(io::File& file) {
  io::FileStat s;
  TRY(file.stat(s));
  Ref<io::Fifo> fifo = TRY(file.fifo());
  vfs::Mount& m = hidden_mount();
  Ref<vfs::Inode> inode = TRY(mem::make_ref<FileInode>(ALLOC_SITE, m.super(), s, std::move(fifo)));
  return vfs::Path(Ref<vfs::Mount>(m), TRY(vfs::Dentry::create(std::move(inode))));
}

}  // namespace auk::fs::procfs
