// Whether two threads share something: see kcmp(2).
#include "generated/uapi/kcmp.hpp"
#include "io/epoll.hpp"
#include "proc/access.hpp"
#include "random/random.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {
namespace {

/// An object as a number that tells nothing of where it lies, and orders objects of one kind.
struct Disguise {
  Atomic<u64> mask{0}, factor{0};
  u64 of(const void* object) {
    return (reinterpret_cast<uptr>(object) ^ secret(mask)) * secret(factor);
  }

 private:
  static u64 secret(Atomic<u64>& at) {
    u64 none = 0;
    if (at.load_relaxed() == none) (void)at.cas_relaxed(none, random::next_u64() | 1);
    return at.load_relaxed();
  }
};
constinit std::array<Disguise, uapi::kcmp_types> disguises;

Value compare(int kind, const void* a, const void* b) {
  Disguise& d = disguises[static_cast<usize>(kind)];
  const u64 first = d.of(a), second = d.of(b);
  return first == second ? u64{0} : first < second ? u64{1} : u64{2};
}

/// What a thread has in one of its places; null past its end.
template <class T> const void* place_of(Task& t, Ref<T> Task::* where) {
  Result<const void*> r = t.inspect(where, [](T& it) { return Result<const void*>(&it); });
  return r.ok() ? r.take() : nullptr;
}

/// Linux makes one for a thread that has a priority of its own at disks.
const void* disk_context(const Task& t) { return t.io_priority.load_relaxed() != 0 ? &t : nullptr; }

/// EBADF.
Result<Ref<io::File>> file_at(Task& t, u64 number) {
  if (number > INT32_MAX) return Errno::ebadf;
  Result<Ref<io::File>> r = t.inspect(
      &Task::files, [&](io::FdTable& files) { return files.get(static_cast<int>(number)); });
  if (!r.ok()) return Errno::ebadf;
  return r;
}

Value compare_files(Task& a, u64 number, Task& b, u64 other) {
  Result<Ref<io::File>> first = file_at(a, number), second = file_at(b, other);
  if (!first.ok() || !second.ok()) return Errno::ebadf;
  return compare(uapi::kcmp_file, first.take().get(), second.take().get());
}

/// A file, and one that an epoll of another thread watches.
Value compare_watched(Task& a, u64 number, Task& b, UserAddr at) {
  struct Slot {
    u32 epoll, number, offset;
  };
  const Slot slot = TRY(UserIn<Slot>(at).load());
  const Ref<io::File> file = TRY(file_at(a, number));
  const Ref<io::File> epoll = TRY(file_at(b, slot.epoll));
  io::Epoll* const watching = TRY(io::epoll_of(*epoll));
  const io::File* const watched =
      TRY(io::watched_file(*watching, static_cast<int>(slot.number), slot.offset));
  return compare(uapi::kcmp_file, file.get(), watched);
}

}  // namespace

Value kcmp(Task& me, int first, int second, int kind, u64 a, u64 b) {
  if (first <= 0 || second <= 0) return Errno::esrch;
  const Ref<Task> t = TRY(proc::find_task(static_cast<u32>(first)));
  const Ref<Task> u = TRY(proc::find_task(static_cast<u32>(second)));
  TRY(proc::may_access(me, *t));
  TRY(proc::may_access(me, *u));
  switch (kind) {
    case uapi::kcmp_file: return compare_files(*t, a, *u, b);
    case uapi::kcmp_vm: return compare(kind, t->space_of().get(), u->space_of().get());
    case uapi::kcmp_files:
      return compare(kind, place_of(*t, &Task::files), place_of(*u, &Task::files));
    case uapi::kcmp_fs: return compare(kind, place_of(*t, &Task::fs), place_of(*u, &Task::fs));
    case uapi::kcmp_sighand:
      return compare(kind, t->group->handlers.get(), u->group->handlers.get());
    case uapi::kcmp_io: return compare(kind, disk_context(*t), disk_context(*u));
    case uapi::kcmp_sysvsem: return Errno::eopnotsupp;
    case uapi::kcmp_epoll_tfd: return compare_watched(*t, a, *u, UserAddr(b));
    default: return Errno::einval;
  }
}

}  // namespace auk::syscall::calls
