// devpts: pseudoterminals as files. See pts(4), and Linux Documentation/filesystems/devpts.rst.
//
// Purpose: /dev/ptmx makes a pair; its terminal gets the smallest free number, and a name here for
// as long as the master is open.
// Data model: every mount is an instance of its own: a root directory in memory with `ptmx` and the
// terminals. The master's file holds the pair, its entry and the instance, which may have been
// unmounted meanwhile. Locking: the root's inode lock for entries, level driver for numbers.
// Context: threads. Differences from Linux: kernel.pty.reserve is absent.
#include <algorithm>

#include "core/init_graph.hpp"
#include "core/sysctl.hpp"
#include "drivers/tty/pty.hpp"
#include "fs/devpts/options.hpp"
#include "generated/uapi/ioctl.hpp"
#include "generated/uapi/resource.hpp"
#include "mem/numbers.hpp"
#include "vfs/device.hpp"
#include "vfs/mounting.hpp"
#include "vfs/notify.hpp"
#include "vfs/operations.hpp"

namespace auk::fs::devpts {
namespace {

using drivers::tty::Pty;

constexpr std::string_view type_name = "devpts";
constexpr u32 ptmx_major = 5, ptmx_minor = 2, terminal_major = 136;
constexpr u64 root_number = 1, ptmx_number = 2, first_terminal_number = 3;

constinit Atomic<i64> most_pairs{4096};
constinit Atomic<i64> pairs{0};
constinit core::NumberSysctl most_pairs_variable("kernel/pty/max", most_pairs, 0,
                                                 Options::most_terminals);
constinit core::ShownSysctl pairs_variable("kernel/pty/nr", pairs);
SYSCTL(most_pairs_variable);
SYSCTL(pairs_variable);

class RootInode final : public vfs::Inode {
  vfs::MemoryDirectory entries_;
  void dispose() override { mem::destroy(this); }

 public:
  RootInode(vfs::Superblock& super, const vfs::NewInode& fresh) : Inode(super, fresh) {
    links.store_relaxed(2);
  }
  ~RootInode() = default;
  vfs::MemoryDirectory& entries() { return entries_; }
  Result<void> read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) override {
    return entries_.read(dir, position, sink);
  }
};

/// A terminal, or `ptmx`, which has none.
class TerminalInode final : public vfs::Inode {
  const Ref<Pty> pty_;
  void dispose() override { mem::destroy(this); }

 public:
  TerminalInode(vfs::Superblock& super, const vfs::NewInode& fresh, Ref<Pty> pty)
      : Inode(super, fresh),
        pty_(std::move(pty)) {}
  ~TerminalInode() = default;
  Result<Ref<io::File>> open_special(const vfs::Path& at, u32 flags) override {
    if (!pty_) return Inode::open_special(at, flags);
    return drivers::tty::open_file(Ref<drivers::tty::Tty>(Ref<Pty>(pty_)), flags, true);
  }
};

class Instance final : public vfs::Superblock {
  core::Guarded<core::level::driver, mem::Numbers, core::SpinPreemptOff> numbers_{
      mem::Numbers::From::zero};
  core::Guarded<core::level::driver, Options, core::SpinPreemptOff> options_;
  void dispose() override { mem::destroy(this); }
  void kill() override;
  RootInode& root_inode() const { return static_cast<RootInode&>(root().inode()); }
  Result<Ref<vfs::Dentry>> add(std::string_view name, const vfs::NewInode& fresh, Ref<Pty> pty);
  void remove_locked(vfs::Dentry& entry);

 public:
  explicit Instance(const Options& o) : options_(o) {}
  ~Instance() = default;
  static Result<Ref<vfs::Superblock>> make(const Options& o);

  /// A new pair's number. ENOSPC, ENOMEM.
  Result<u32> take_number();
  void give_back(u32 number);
  /// Under its number, for the caller.
  Result<Ref<vfs::Dentry>> add_terminal(Ref<Pty> pty);
  void remove(vfs::Dentry& entry);

  std::string_view type() const override { return type_name; }
  vfs::FsInfo info() override {
    constexpr u64 devpts_magic = 0x1cd1;
    return {.magic = devpts_magic};
  }
  vfs::Taken check(const vfs::Parameter& p) const override { return check_option(p); }
  Result<void> reconfigure(const vfs::Parameters& p) override;
  usize show_options(std::span<char> out) override {
    Writer text(out);
    devpts::show_options(*options_.lock(), text);
    return text.text().size();
  }
};

Result<Ref<vfs::Superblock>> Instance::make(const Options& o) {
  Ref<Instance> super = TRY(mem::make_ref<Instance>(ALLOC_SITE, o));
  Ref<RootInode> root = TRY(mem::make_ref<RootInode>(
      ALLOC_SITE, *super,
      vfs::NewInode{.mode = vfs::mode::directory | 0755, .number = root_number}));
  super->set_root(TRY(vfs::Dentry::create(Ref<vfs::Inode>(std::move(root)))));
  const ident::Cred& who = proc::current().cred();
  (void)TRY(super->add("ptmx",
                       {.mode = vfs::mode::character | o.ptmx_mode,
                        .uid = who.fsuid,
                        .gid = who.fsgid,
                        .raw_device = dev::make_number(ptmx_major, ptmx_minor),
                        .number = ptmx_number},
                       {}));
  return Ref<vfs::Superblock>(std::move(super));
}

Result<Ref<vfs::Dentry>> Instance::add(std::string_view name, const vfs::NewInode& fresh,
                                       Ref<Pty> pty) {
  Ref<vfs::Inode> inode =
      TRY(mem::make_ref<TerminalInode>(ALLOC_SITE, *this, fresh, std::move(pty)));
  Ref<vfs::Dentry> entry = TRY(vfs::Dentry::create(std::move(inode)));
  mem::Box<vfs::Name> linked = TRY(vfs::Name::create(root(), *entry, name));
  auto changing = root_inode().lock.lock();
  root_inode().entries().add(*entry);
  root_inode().touch(true);
  vfs::link_dentry(root(), *entry, std::move(linked));
  return entry;
}

Result<u32> Instance::take_number() {
  if (pairs.fetch_add_relaxed(1) >= most_pairs.load_relaxed()) {
    (void)pairs.fetch_sub_relaxed(1);
    return Errno::enospc;
  }
  const u32 max = options_.lock()->max;
  Result<u32> n = numbers_.lock()->take();
  if (n.ok() && *n >= max) {
    give_back(*n);
    return Errno::enospc;
  }
  if (!n.ok()) (void)pairs.fetch_sub_relaxed(1);
  return n;
}

void Instance::give_back(u32 number) {
  numbers_.lock()->give_back(number);
  (void)pairs.fetch_sub_relaxed(1);
}

Result<Ref<vfs::Dentry>> Instance::add_terminal(Ref<Pty> pty) {
  const Options o = *options_.lock();
  const ident::Cred& who = proc::current().cred();
  std::array<char, 10> digits;
  Writer name(digits);
  format_to(name, "{}", pty->index());
  const vfs::NewInode fresh{.mode = vfs::mode::character | o.mode,
                            .uid = o.uid == Options::no_id ? who.fsuid : o.uid,
                            .gid = o.gid == Options::no_id ? who.fsgid : o.gid,
                            .raw_device = pty->device(),
                            .number = first_terminal_number + pty->index()};
  Ref<vfs::Dentry> entry = TRY(add(name.text(), fresh, std::move(pty)));
  vfs::notify::entry(root_inode(), uapi::in_create, name.text(), false);
  return entry;
}

/// The root's lock is held.
void Instance::remove_locked(vfs::Dentry& entry) {
  entry.inode().drop_links(1);
  root_inode().entries().remove(entry);
  root_inode().touch(true);
  vfs::unlink_dentry(entry);
}

void Instance::remove(vfs::Dentry& entry) {
  {
    auto changing = root_inode().lock.lock();
    // Unless the instance was unmounted before.
    if (entry.inode().links.load_relaxed() == 0) return;
    remove_locked(entry);
  }
  std::array<char, 10> digits;
  Writer name(digits);
  format_to(name, "{}", entry.inode().number() - first_terminal_number);
  vfs::notify::entry(root_inode(), uapi::in_delete, name.text(), false);
  vfs::notify::removed(entry.inode());
  vfs::unmount_from(entry);
}

void Instance::kill() {
  for (;;) {
    auto changing = root_inode().lock.lock();
    vfs::Dentry* const first = root_inode().entries().first();
    if (first == nullptr) return;
    const Ref<vfs::Dentry> held(*first);
    remove_locked(*held);
  }
}

Result<void> Instance::reconfigure(const vfs::Parameters& p) {
  const Options o = TRY(parse_options(p));
  *options_.lock() = o;
  if (const Ref<vfs::Dentry> ptmx = vfs::child_of(root(), "ptmx"))
    ptmx->inode().mode.store_relaxed(vfs::mode::character | o.ptmx_mode);
  return {};
}

/// The instance that a ptmx belongs to, by a path into it: its own, or what is mounted on `pts`
/// beside it. ENODEV.
Result<vfs::Path> instance_of(const vfs::Path& ptmx) {
  if (ptmx.inode().super().type() == type_name) return ptmx;
  const vfs::Path folder(ptmx.mount, ptmx.dentry->parent());
  Result<vfs::Path> found =
      vfs::find(proc::current().asker(), folder, "pts", vfs::WalkFlag::directory);
  if (!found.ok()) return Errno::enodev;
  vfs::Path pts = found.take();
  if (pts.inode().super().type() != type_name) return Errno::enodev;
  return pts;
}

class MasterFile final : public io::File {
  const Ref<Instance> instance_;
  const Ref<Pty> pty_;
  const Ref<vfs::Dentry> entry_;
  void dispose() override { destroy_late(this); }
  Result<u64> open_peer(u32 flags);

 public:
  MasterFile(u32 flags, Ref<Instance> instance, Ref<Pty> pty, Ref<vfs::Dentry> entry)
      : File(flags),
        instance_(std::move(instance)),
        pty_(std::move(pty)),
        entry_(std::move(entry)) {}
  ~MasterFile() {
    pty_->close_master();
    instance_->remove(*entry_);
    instance_->give_back(pty_->index());
  }
  bool can_splice_from() const override { return true; }
  bool can_splice_to() const override { return true; }
  Result<usize> read(io::IoBuf& buf) override { return pty_->read_master(buf, is_nonblocking()); }
  Result<usize> write(io::IoBuf& buf) override { return pty_->write_master(buf, is_nonblocking()); }
  bool can_poll() const override { return true; }
  io::PollEvents poll(io::PollTable* table) override { return pty_->poll_master(table); }
  Result<u64> ioctl(u32 command, io::IoctlArg arg) override {
    if (command == uapi::tiocgptpeer) return open_peer(static_cast<u32>(arg.value));
    return pty_->ioctl_master(command, arg);
  }
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
};

/// The terminal's own file, found even where the mount that shows it is out of reach.
Result<u64> MasterFile::open_peer(u32 flags) {
  proc::Task& me = proc::current();
  const vfs::Path* const ptmx = vfs::path_of(*this);
  if (ptmx == nullptr) return Errno::enodev;
  const vfs::Path shown = TRY(instance_of(*ptmx));
  if (&shown.inode().super() != instance_.get()) return Errno::enodev;
  const vfs::Path at(shown.mount, entry_);
  Ref<io::File> f = TRY(vfs::open_path(me.asker(), at, flags, true));
  return proc::install_file(me, std::move(f), (flags & vfs::open_flag::close_on_exec) != 0);
}

class PtmxNumber final : public vfs::CharDriver {
 public:
  constexpr PtmxNumber() : CharDriver("/dev/ptmx", ptmx_major, ptmx_minor, 1) {}
  Result<Ref<io::File>> open(const vfs::Path& at, u32, u32 flags) override {
    const vfs::Path pts = TRY(instance_of(at));
    const Ref<Instance> instance(static_cast<Instance&>(pts.inode().super()));
    const u32 index = TRY(instance->take_number());
    Result<Ref<io::File>> made = make(instance, index, flags);
    // A file gives its number back itself.
    if (!made.ok()) instance->give_back(index);
    return made;
  }

 private:
  static Result<Ref<io::File>> make(const Ref<Instance>& instance, u32 index, u32 flags) {
    Ref<Pty> pty =
        TRY(mem::make_ref<Pty>(ALLOC_SITE, index, dev::make_number(terminal_major, index)));
    Ref<vfs::Dentry> entry = TRY(instance->add_terminal(pty));
    Result<Ref<MasterFile>> f = mem::make_ref<MasterFile>(ALLOC_SITE, flags, instance, pty, entry);
    if (!f.ok()) {
      instance->remove(*entry);
      return f.error();
    }
    return Ref<io::File>(f.take());
  }
};
constinit PtmxNumber ptmx_driver;

/// Terminals are opened by their names only: a number that somebody made a node of says nothing of
/// the instance.
class TerminalNumbers final : public vfs::CharDriver {
 public:
  constexpr TerminalNumbers() : CharDriver("pts", terminal_major, 0, Options::most_terminals) {}
  Result<Ref<io::File>> open(const vfs::Path&, u32, u32) override { return Errno::eio; }
};
constinit TerminalNumbers terminal_numbers;

class Devpts final : public vfs::FileSystem {
 public:
  constexpr Devpts() : FileSystem(type_name) {}
  vfs::Taken check(const vfs::Parameter& p) const override { return check_option(p); }
  Result<Ref<vfs::Superblock>> open(const vfs::Asker&, std::string_view,
                                    const vfs::Parameters& p) override {
    return Instance::make(TRY(parse_options(p)));
  }
};
constinit Devpts kind;

void setup() {
  vfs::register_file_system(kind);
  vfs::register_char_driver(ptmx_driver);
  vfs::register_char_driver(terminal_numbers);
  dev::add_device(drivers::tty::terminal_class(), "ptmx", dev::make_number(ptmx_major, ptmx_minor),
                  vfs::mode::character | 0666);
}
INIT_TASK(devpts, "terminal_class", "devpts", setup);

}  // namespace
}  // namespace auk::fs::devpts
