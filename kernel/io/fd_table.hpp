// FdTable: the numbers a program calls its open files by.
//
// Data model: FdTable (counted: threads that share it) -> array of slots, replaced by a larger copy
// when it is full; a slot holds one reference and the close-on-exec bit. Locking: level files for
// changes; lookups read the array under RCU, or just so if the table has one owner, who makes them:
// others take a reference to a table only to look. Files are dropped outside the lock.
// Context: threads.
#pragma once
#include "core/rcu.hpp"
#include "core/spin.hpp"
#include "io/file_loan.hpp"

namespace auk::io {

class FdTable final : public RefCounted<FdTable> {
  struct Slot {
    Atomic<File*> file{nullptr};
    bool reserved = false;
    bool close_on_exec = false;
  };
  struct Slots final : core::RcuHead {
    u32 count = 0;
    Slot* at = nullptr;  ///< owned
    void retire() override {
      mem::free(at);
      mem::destroy(this);
    }
  };
  struct State {
    u32 first_free = 0;  ///< no free slot below
  };
  core::Guarded<core::level::files, State, core::SpinPreemptOff> state_;
  core::RcuPtr<Slots> slots_;

  static Result<Slots*> make_slots(u32 count);
  Result<void> grow(u32 wanted);
  Result<FileLoan> lend_counted(int fd);

 public:
  FdTable() = default;
  ~FdTable();
  static Result<Ref<FdTable>> create();
  static void destroy(FdTable* t) { mem::destroy(t); }

  /// EBADF.
  Result<Ref<File>> get(int fd);
  /// For a thread whose own table this is. EBADF.
  Result<FileLoan> lend(int fd) {
    if (!has_one_owner()) return lend_counted(fd);
    // Nobody else changes it.
    const Slots* const s = slots_.read_locked();
    if (static_cast<u32>(fd) >= s->count) return Errno::ebadf;
    File* const f = s->at[fd].file.load_relaxed();
    if (f == nullptr) return Errno::ebadf;
    return FileLoan(*f);
  }
  /// The lowest free number from `least` on, below `limit`; nothing is visible before install().
  /// EMFILE, ENOMEM.
  Result<int> reserve(int least, u64 limit);
  void unreserve(int fd);
  void install(int fd, Ref<File> file, bool close_on_exec);
  /// EBADF.
  Result<Ref<File>> remove(int fd);
  /// Puts a file at a number, and returns what was there. EBUSY: the number is reserved.
  Result<Ref<File>> replace(int fd, Ref<File> file, bool close_on_exec);
  Result<bool> close_on_exec(int fd);
  Result<void> set_close_on_exec(int fd, bool v);
  /// A copy for fork(2).
  Result<Ref<FdTable>> copy();
  void close_for_exec();
  void close_range(u32 first, u32 last, bool only_mark);
  /// How many numbers there is room for.
  u32 size();
  /// The first open number at or after `from`.
  Result<int> next(int from);
};

}  // namespace auk::io
