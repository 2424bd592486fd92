#include "proc/pidfd.hpp"

#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/resource.hpp"
#include "generated/uapi/wait.hpp"
#include "proc/access.hpp"
#include "proc/nsfs.hpp"
#include "vfs/operations.hpp"

namespace auk::proc {
namespace {

constexpr io::FileKind kind_of_pidfd{"[pidfd]"};

/// Linux shows no type of file.
constexpr u32 mode_of_pidfd = 0700;

class PidFile final : public io::File {
  void dispose() override { destroy_late(this); }

 public:
  const Ref<ident::Pid> pid;

  PidFile(u32 flags, Ref<ident::Pid> p) : File(flags), pid(std::move(p)) {}
  ~PidFile() = default;
  const io::FileKind* kind() const override { return &kind_of_pidfd; }
  bool can_poll() const override { return true; }
  io::PollEvents poll(io::PollTable* table) override {
    if (table != nullptr) table->watch(pid->changed);
    constexpr io::PollEvents ended = io::PollEvents(io::PollEvent::in) | io::PollEvent::read_normal;
    switch (pid->end()) {
      case ident::End::none: return {};
      case ident::End::process: return ended;
      case ident::End::all: return ended | io::PollEvent::hang_up;
    }
    return {};
  }
  Result<void> stat(io::FileStat& s) override {
    s.mode = mode_of_pidfd;
    s.inode = pid->serial();
    s.links = 1;
    return {};
  }
  Result<void> truncate(u64) override { return Errno::eopnotsupp; }
  Result<u64> ioctl(u32 command, io::IoctlArg arg) override {
    if (command < uapi::pidfd_get_cgroup_namespace || command > uapi::pidfd_get_uts_namespace)
      return Errno::enotty;
    const Ref<Task> t = TRY(task_behind(*pid));
    if (arg.value != 0) return Errno::einval;
    Ref<NamespaceSet> set = TRY(t->namespace_set());
    Task& me = current();
    if (!may_access(me, *t, Ids::file_system).ok()) return Errno::eacces;
    switch (command) {
      case uapi::pidfd_get_mnt_namespace:
        return install_namespace(me, {.mounts = set->mounts, .pids = {}});
      case uapi::pidfd_get_pid_namespace:
        return install_namespace(me,
                                 {.mounts = {}, .pids = Ref<ident::PidNamespace>(t->pid_space())});
      case uapi::pidfd_get_pid_for_children_namespace:
        return install_namespace(me, {.mounts = {}, .pids = set->pids_of_children});
      default: return Errno::eopnotsupp;
    }
  }
  void show_info(const ident::PidNamespace& viewer, mem::Text& out) const override {
    const i64 number = pid->end() == ident::End::all ? -1 : i64{pid->number_in(viewer)};
    out.print("Pid:\t{}\nNSpid:\t{}", number, number);
    if (number > 0) pid->put_inner_numbers(viewer, out);
    out.put('\n');
  }
};

}  // namespace

Result<Ref<io::File>> make_pidfd(Ref<ident::Pid> pid, u32 flags) {
  return Ref<io::File>(
      TRY(mem::make_ref<PidFile>(ALLOC_SITE, flags | uapi::o_rdwr, std::move(pid))));
}

ident::Pid* pid_behind(const io::File& f) {
  return f.kind() == &kind_of_pidfd ? static_cast<const PidFile&>(f).pid.get() : nullptr;
}

bool stands_for_thread(const io::File& f) { return (f.flags() & uapi::o_excl) != 0; }

Result<void> ChildPidfd::make(Task& me, Ref<ident::Pid> pid, bool is_thread, UserAddr number_at) {
  Ref<io::File> file = TRY(make_pidfd(std::move(pid), is_thread ? uapi::o_excl : 0));
  fd_ = TRY(table_.reserve(0, me.group->limit(uapi::rlimit_nofile)));
  file_ = std::move(file);
  return core::UserOut<u32>(number_at).store(static_cast<u32>(fd_));
}

}  // namespace auk::proc
