#include "proc/nsfs.hpp"

#include "core/init_graph.hpp"
#include "core/panic.hpp"
#include "generated/uapi/nsfs.hpp"
#include "generated/uapi/sched.hpp"
#include "proc/task.hpp"
#include "sched/deaths.hpp"
#include "uapi/nsfs.hpp"
#include "vfs/operations.hpp"

namespace auk::proc {
namespace {

constexpr u64 nsfs_magic = 0x6e736673;
constexpr u32 mode_of_files = vfs::mode::regular | 0444;
/// As on Linux they lie beyond those of other files of the kernel.
constexpr u64 first_number = 0xf0000000;

constexpr io::FileKind kind_of_mounts{.name = "mnt", .is_numbered = true};
constexpr io::FileKind kind_of_pids{.name = "pid", .is_numbered = true};

/// Of all kinds, each once.
u64 number_of(const Namespaces& n) {
  constexpr u64 first_pid_namespace = 0xeffffffc;
  constexpr u64 kinds = 2;
  if (n.mounts) return first_number + n.mounts->id * kinds;
  return n.pids->level == 0 ? first_pid_namespace : first_number + n.pids->id * kinds + 1;
}

class NsSuper final : public vfs::Superblock {
  void dispose() override { mem::destroy(this); }

 public:
  NsSuper() = default;
  ~NsSuper() = default;
  std::string_view type() const override { return "nsfs"; }
  vfs::FsInfo info() override { return {.magic = nsfs_magic}; }
  bool is_internal() const override { return true; }
};

/// The one that all others are not in.
class NsRoot final : public vfs::Inode {
  void dispose() override { mem::destroy(this); }

 public:
  explicit NsRoot(vfs::Superblock& super)
      : Inode(super, {.mode = vfs::mode::directory | 0555, .number = 1}) {}
  ~NsRoot() = default;
};

class NsInode final : public vfs::Inode {
  NsInode* next_dead_ = nullptr;
  void dispose() override;

 public:
  const Namespaces of;

  NsInode(vfs::Superblock& super, Namespaces n)
      : Inode(super, {.mode = mode_of_files, .number = number_of(n)}),
        of(std::move(n)) {}
  ~NsInode() = default;
  const io::FileKind& kind() const { return of.mounts ? kind_of_mounts : kind_of_pids; }
  bool is_namespace() const override { return true; }
  vfs::MountNamespace* space_behind() const override { return of.mounts.get(); }
  std::string_view shown_name(std::span<char> out) const override {
    Writer text(out);
    format_to(text, "{}:[{}]", kind().name, number());
    return text.text();
  }
  Result<void> set_rights(u32, u32, u32) override { return Errno::eperm; }
  Result<void> resize(u64) override { return Errno::einval; }
  Result<Ref<io::File>> open_special(const vfs::Path& at, u32 flags) override;
};

/// The end of a namespace takes sleeping locks, and that of an inode comes wherever a grace period
/// ends.
void NsInode::dispose() {
  static constinit sched::Deaths<NsInode, &NsInode::next_dead_> deaths("nsfs");
  deaths.add(*this);
}

class NsFile : public io::File {
 public:
  const NsInode& inode;  ///< which the path that it was opened by keeps

  NsFile(u32 flags, const NsInode& i) : File(flags), inode(i) {}
  const io::FileKind* kind() const override { return &inode.kind(); }
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
  /// What the kind has no answer of its own to.
  Result<u64> ioctl(u32 command, io::IoctlArg) override {
    switch (command) {
      // It belongs to the one user namespace there is, which has no file.
      case uapi::ns_get_userns: return Errno::eperm;
      case uapi::ns_get_parent:
      case uapi::ns_get_owner_uid:
      case uapi::ns_get_mntns_id:
      case uapi::ns_get_pid_from_pidns:
      case uapi::ns_get_tgid_from_pidns:
      case uapi::ns_get_pid_in_pidns:
      case uapi::ns_get_tgid_in_pidns:
      case uapi::ns_mnt_get_info:
      case uapi::ns_mnt_get_next:
      case uapi::ns_mnt_get_prev: return Errno::einval;
      default: return Errno::enotty;
    }
  }

 protected:
  ~NsFile() = default;
};

class MountsFile final : public NsFile {
  void dispose() override { destroy_late(this); }

  static Result<void> put_info(vfs::MountNamespace& space, UserAddr to) {
    const uapi::mnt_ns_info info{
        .size = sizeof(info), .nr_mounts = vfs::mount_count(space), .mnt_ns_id = space.id};
    return core::UserOut<uapi::mnt_ns_info>(to).store(info);
  }
  /// The one that was made next, or before this one. EPERM, ENOENT.
  Result<u64> open_neighbour(bool is_later, UserAddr info) const {
    Task& me = current();
    if (!me.cred().has(ident::Cap::sys_admin)) return Errno::eperm;
    const Ref<vfs::MountNamespace> other = TRY(vfs::namespace_beside(*inode.of.mounts, is_later));
    if (info.value != 0) TRY(put_info(*other, info));
    return install_namespace(me, {.mounts = other, .pids = {}});
  }

 public:
  using NsFile::NsFile;
  ~MountsFile() = default;
  Result<u64> ioctl(u32 command, io::IoctlArg arg) override {
    switch (command) {
      case uapi::ns_get_nstype: return u64{uapi::clone_newns};
      case uapi::ns_get_mntns_id: {
        TRY(core::UserOut<u64>(arg.address()).store(inode.of.mounts->id));
        return u64{0};
      }
      case uapi::ns_mnt_get_info: {
        if (arg.value == 0) return Errno::einval;
        TRY(put_info(*inode.of.mounts, arg.address()));
        return u64{0};
      }
      case uapi::ns_mnt_get_next: return open_neighbour(true, arg.address());
      case uapi::ns_mnt_get_prev: return open_neighbour(false, arg.address());
      default: return NsFile::ioctl(command, arg);
    }
  }
};

class PidsFile final : public NsFile {
  void dispose() override { destroy_late(this); }

  /// What a number is on the other side. ESRCH: nobody, or not seen there.
  static Result<u64> translated(ident::PidNamespace& from, const ident::PidNamespace& to,
                                u64 number, bool is_process) {
    const Ref<ident::Pid> pid = TRY(from.find(static_cast<u32>(number)));
    Ref<ident::Pid> seen;
    {
      auto t = tree.lock();
      // The first thread may have ended; its number is the process's.
      if (pid->task == nullptr && pid->group == nullptr) return Errno::esrch;
      seen = is_process && pid->group == nullptr ? static_cast<Task*>(pid->task)->group->pid : pid;
    }
    const u32 there = seen->number_in(to);
    return there == 0 ? Errno::esrch : Result<u64>(there);
  }

 public:
  using NsFile::NsFile;
  ~PidsFile() = default;
  Result<u64> ioctl(u32 command, io::IoctlArg arg) override {
    Task& me = current();
    ident::PidNamespace &mine = me.pid_space(), &other = *inode.of.pids;
    switch (command) {
      case uapi::ns_get_nstype: return u64{uapi::clone_newpid};
      case uapi::ns_get_parent:
        // Not one that the caller does not see.
        if (!other.parent || !other.parent->is_in(mine)) return Errno::eperm;
        return install_namespace(me, {.mounts = {}, .pids = other.parent});
      case uapi::ns_get_pid_from_pidns: return translated(other, mine, arg.value, false);
      case uapi::ns_get_tgid_from_pidns: return translated(other, mine, arg.value, true);
      case uapi::ns_get_pid_in_pidns: return translated(mine, other, arg.value, false);
      case uapi::ns_get_tgid_in_pidns: return translated(mine, other, arg.value, true);
      default: return NsFile::ioctl(command, arg);
    }
  }
};

Result<Ref<io::File>> NsInode::open_special(const vfs::Path&, u32 flags) {
  if (of.mounts) return Ref<io::File>(TRY(mem::make_ref<MountsFile>(ALLOC_SITE, flags, *this)));
  return Ref<io::File>(TRY(mem::make_ref<PidsFile>(ALLOC_SITE, flags, *this)));
}

constinit vfs::Mount* hidden = nullptr;

Result<vfs::Mount*> make_hidden() {
  Ref<NsSuper> super = TRY(mem::make_ref<NsSuper>(ALLOC_SITE));
  Ref<vfs::Inode> root = TRY(mem::make_ref<NsRoot>(ALLOC_SITE, *super));
  super->set_root(TRY(vfs::Dentry::create(std::move(root))));
  Ref<vfs::Dentry> top(super->root());
  Ref<vfs::Mount> mount =
      TRY(vfs::Mount::create(std::move(super), std::move(top), "nsfs", vfs::mount_flag::internal));
  return mount.release();
}

void setup() {
  Result<vfs::Mount*> made = make_hidden();
  if (!made.ok()) core::panic("nsfs: no memory for it");
  hidden = made.take();
}
INIT_TASK(nsfs, "", "nsfs", setup);

}  // namespace

Result<vfs::Path> path_to(Namespaces n) {
  Ref<vfs::Inode> inode = TRY(mem::make_ref<NsInode>(ALLOC_SITE, hidden->super(), std::move(n)));
  return vfs::Path(Ref<vfs::Mount>(*hidden), TRY(vfs::Dentry::create(std::move(inode))));
}

Result<u64> install_namespace(Task& me, Namespaces n) {
  const vfs::Path at = TRY(path_to(std::move(n)));
  return install_file(me, TRY(vfs::open_path(me.asker(), at, 0, false)), true);
}

Namespaces namespace_behind(const io::File& f) {
  if (f.kind() != &kind_of_mounts && f.kind() != &kind_of_pids) return {};
  return static_cast<const NsFile&>(f).inode.of;
}

bool is_on_nsfs(const vfs::Path& p) { return p.mount.get() == hidden; }

}  // namespace auk::proc
