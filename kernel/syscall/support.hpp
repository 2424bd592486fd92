// What the calls share: paths, descriptors, times.
#pragma once
#include <algorithm>

#include "generated/uapi/fcntl.hpp"
#include "sched/wait.hpp"
#include "syscall/bind.hpp"
#include "uapi/time.hpp"
#include "vfs/operations.hpp"

namespace auk::syscall {

/// The directory of calls that name none.
inline constexpr Fd cwd{uapi::at_fdcwd};

/// What a call without a value answers.
inline Value done(Result<void> r) {
  if (!r.ok()) return r.error();
  return u64{0};
}

/// A path of the program, copied in.
class PathText {
  usize size_ = 0;  ///< of the text, which stands behind

  static Result<mem::Box<PathText>> with_room(usize room);
  char* text() { return reinterpret_cast<char*>(this + 1); }

 public:
  std::string_view view() const { return {reinterpret_cast<const char*>(this + 1), size_}; }
  bool empty() const { return size_ == 0; }
  /// EFAULT, ENAMETOOLONG, ENOMEM.
  static Result<mem::Box<PathText>> load(core::UserStr s);
};

/// Where a relative path starts: an open directory, or nothing for the working directory. EBADF,
/// ENOTDIR.
Result<vfs::Path> start_of(Task& me, Fd dir, std::string_view path);
/// A path of the program, found. `flags`: AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH count.
Result<vfs::Path> find_path(Task& me, Fd dir, core::UserStr path, int flags);

/// EINVAL: the flags of open(2) ask for O_TMPFILE, and for something that cannot go with it.
Result<void> check_temporary(u32 flags);

/// A structure that grows from version to version, `least` bytes in the first: what the program has
/// less of is zero, what it has more of must be. E2BIG: too large for any version, or not zero;
/// EINVAL: too small; EFAULT.
template <class T> Result<void> load_grown(T& out, UserAddr from, u64 size, u64 least) {
  if (size > page_size) return Errno::e2big;
  if (size < least) return Errno::einval;
  TRY(core::read_user(&out, from, std::min<u64>(size, sizeof(T))));
  std::array<byte, 64> chunk{};
  for (u64 at = sizeof(T); at < size; at += chunk.size()) {
    const usize n = std::min<u64>(chunk.size(), size - at);
    TRY(core::read_user(chunk.data(), from + at, n));
    if (std::any_of(chunk.begin(), chunk.begin() + static_cast<isize>(n),
                    [](byte b) { return b != 0; }))
      return Errno::e2big;
  }
  return {};
}

/// The same of one that has not grown yet.
template <class T> Result<T> load_sized(UserAddr at, u64 size) {
  T v{};
  TRY(load_grown(v, at, size, sizeof(T)));
  return v;
}

/// EBADF; also for files that are open only as a path.
Result<io::FileLoan> file_of(Task& me, Fd fd);
// The same for files that are open for it. EBADF.
Result<io::FileLoan> readable(Task& me, Fd fd);
Result<io::FileLoan> writable(Task& me, Fd fd);
using proc::install_file;

/// Two descriptors at once, which the program is told of first. EMFILE, EFAULT.
Value install_pair(Task& me, UserAddr numbers, Ref<io::File> first, Ref<io::File> second,
                   bool close_on_exec);

/// vfs::drop_privileges() of an open file that the thread is about to write.
inline Result<void> prepare_change(Task& me, const io::File& f) {
  vfs::Inode* const inode = vfs::inode_of(f);
  return inode == nullptr ? Result<void>() : vfs::drop_privileges(me.cred(), *inode);
}

/// What a write does to the writer, beside failing.
void signal_writer(Task& me, u32 signal);
/// EFBIG and SIGXFSZ for a size beyond RLIMIT_FSIZE.
Result<void> check_file_size(Task& me, u64 size);

inline constexpr u64 ns_per_s = 1'000'000'000;
/// EINVAL for what is no time.
Result<u64> to_ns(const uapi::kernel_timespec& t);
uapi::kernel_timespec to_timespec(u64 ns);
/// Nanoseconds from now on the clock of deadlines; never wraps.
u64 deadline_in(u64 ns);
/// Sleeps until the deadline or a signal.
sched::WaitResult sleep_until_signal(u64 deadline_ns);
/// A mask for the duration of a call: it comes back when the call ends, or in the signal frame.
void set_temporary_mask(Task& me, proc::SignalSet mask);
/// It comes back now: the call has something to say, and what it let through waits again.
void end_temporary_mask(Task& me);

}  // namespace auk::syscall
