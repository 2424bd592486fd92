#include "syscall/support.hpp"

#include "generated/uapi/resource.hpp"

namespace auk::syscall {

Result<mem::Box<PathText>> PathText::with_room(usize room) {
  void* const at = TRY(mem::allocate(ALLOC_SITE, sizeof(PathText) + room));
  return mem::Box<PathText>::adopt(::new (at) PathText);
}

Result<mem::Box<PathText>> PathText::load(core::UserStr s) {
  // Most are short, and memory for the longest would be cleared for each of them.
  std::array<char, 256> usual;
  Result<usize> n = s.load(usual);
  if (!n.ok() && n.error() != Errno::enametoolong) return n.error();
  mem::Box<PathText> p = TRY(with_room(n.ok() ? *n : vfs::path_max));
  if (n.ok()) std::copy_n(usual.begin(), *n, p->text());
  p->size_ = n.ok() ? *n : TRY(s.load({p->text(), vfs::path_max}));
  return p;
}

Result<vfs::Path> start_of(Task& me, Fd dir, std::string_view path) {
  if (dir.number == uapi::at_fdcwd || path.starts_with('/')) return vfs::Path();
  const Ref<io::File> f = TRY(me.files->get(dir.number));
  const vfs::Path* const p = vfs::path_of(*f);
  if (p == nullptr || (!p->inode().is_directory() && !path.empty())) return Errno::enotdir;
  return *p;
}

Result<vfs::Path> find_path(Task& me, Fd dir, core::UserStr path, int flags) {
  mem::Box<PathText> text;
  if (!path.is_null() || (flags & uapi::at_empty_path) == 0) text = TRY(PathText::load(path));
  const std::string_view name = text ? text->view() : std::string_view();
  const vfs::Path start = TRY(start_of(me, dir, name));
  if (name.empty()) {
    if ((flags & uapi::at_empty_path) == 0) return Errno::enoent;
    return start ? start : me.fs->cwd();
  }
  vfs::WalkFlags how;
  if ((flags & uapi::at_symlink_nofollow) == 0) how |= vfs::WalkFlag::follow;
  return vfs::find(me.asker(), start, name, how);
}

// O_TMPFILE includes O_DIRECTORY's bit, so that kernels without it fail.
Result<void> check_temporary(u32 flags) {
  constexpr u32 both = vfs::open_flag::temporary | vfs::open_flag::directory;
  if ((flags & vfs::open_flag::temporary) == 0 || (flags & vfs::open_flag::path) != 0) return {};
  if ((flags & both) != both || (flags & vfs::open_flag::create) != 0 ||
      (flags & vfs::open_flag::access_mask) == 0)
    return Errno::einval;
  return {};
}

Result<io::FileLoan> file_of(Task& me, Fd fd) {
  io::FileLoan f = TRY(me.files->lend(fd.number));
  if ((f->flags() & vfs::open_flag::path) != 0) return Errno::ebadf;
  return f;
}

Value install_pair(Task& me, UserAddr numbers, Ref<io::File> first, Ref<io::File> second,
                   bool close_on_exec) {
  const u64 limit = me.group->limit(uapi::rlimit_nofile);
  std::array<int, 2> fds{};
  fds[0] = TRY(me.files->reserve(0, limit));
  Result<int> other = me.files->reserve(0, limit);
  if (!other.ok()) {
    me.files->unreserve(fds[0]);
    return other.error();
  }
  fds[1] = *other;
  if (const Result<void> r = core::write_user(numbers, fds.data(), sizeof(fds)); !r.ok()) {
    for (const int fd : fds) me.files->unreserve(fd);
    return r.error();
  }
  me.files->install(fds[0], std::move(first), close_on_exec);
  me.files->install(fds[1], std::move(second), close_on_exec);
  return u64{0};
}

void signal_writer(Task& me, u32 signal) {
  (void)proc::send_to_task(me, proc::user_signal(signal, me, uapi::si_user));
}

Result<io::FileLoan> readable(Task& me, Fd fd) {
  io::FileLoan f = TRY(file_of(me, fd));
  if (!f->is_readable()) return Errno::ebadf;
  return f;
}
Result<io::FileLoan> writable(Task& me, Fd fd) {
  io::FileLoan f = TRY(file_of(me, fd));
  if (!f->is_writable()) return Errno::ebadf;
  return f;
}

Result<void> check_file_size(Task& me, u64 size) {
  if (size <= me.group->limit(uapi::rlimit_fsize)) return {};
  signal_writer(me, uapi::sigxfsz);
  return Errno::efbig;
}

Result<u64> to_ns(const uapi::kernel_timespec& t) {
  if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= static_cast<i64>(ns_per_s))
    return Errno::einval;
  constexpr u64 most = ~u64{0} / 2;
  const auto seconds = static_cast<u64>(t.tv_sec);
  if (seconds >= most / ns_per_s) return most;
  return seconds * ns_per_s + static_cast<u64>(t.tv_nsec);
}

uapi::kernel_timespec to_timespec(u64 ns) {
  return {static_cast<i64>(ns / ns_per_s), static_cast<i64>(ns % ns_per_s)};
}

u64 deadline_in(u64 ns) {
  const u64 now = core::clock_ns();
  return ns >= sched::no_deadline - now ? sched::no_deadline - 1 : now + ns;
}

sched::WaitResult sleep_until_signal(u64 deadline_ns) {
  sched::WaitQueue nothing;
  return sched::wait_interruptible(nothing, [] { return false; }, deadline_ns);
}

void set_temporary_mask(Task& me, proc::SignalSet mask) {
  me.saved_mask = me.blocked;
  (void)me.work_bits.fetch_or_acq_rel(core::work::restore_mask);
  proc::set_blocked(me, mask);
}

void end_temporary_mask(Task& me) {
  if ((me.work_bits.fetch_and_acq_rel(~core::work::restore_mask) & core::work::restore_mask) != 0)
    proc::set_blocked(me, me.saved_mask);
}

}  // namespace auk::syscall
