#include "io/fd_table.hpp"

#include <algorithm>
#include <limits>

namespace auk::io {
namespace {
constexpr u32 first_size = 64;
}

Result<FdTable::Slots*> FdTable::make_slots(u32 count) {
  mem::Box<Slots> s = TRY(mem::Box<Slots>::make(ALLOC_SITE));
  auto* const at = static_cast<Slot*>(TRY(mem::allocate(ALLOC_SITE, count * sizeof(Slot))));
  for (u32 i = 0; i < count; ++i) ::new (at + i) Slot;
  s->at = at;
  s->count = count;
  return s.release();
}

Result<Ref<FdTable>> FdTable::create() {
  Ref<FdTable> t = TRY(mem::make_ref<FdTable>(ALLOC_SITE));
  (void)t->slots_.publish(TRY(make_slots(first_size)));
  return t;
}

FdTable::~FdTable() {
  Slots* const s = slots_.read_locked();
  if (s == nullptr) return;
  for (u32 i = 0; i < s->count; ++i)
    if (File* const f = s->at[i].file.load_relaxed()) {
      f->closing(*this);
      (void)Ref<File>::adopt(f);
    }
  s->retire();
}

Result<Ref<File>> FdTable::get(int fd) {
  const core::RcuReader reader;
  const Slots* const s = slots_.read(reader);
  if (fd < 0 || static_cast<u32>(fd) >= s->count) return Errno::ebadf;
  for (;;) {
    File* const f = s->at[fd].file.load_acquire();
    if (f == nullptr) return Errno::ebadf;
    // A file that is being freed has left the table, or is about to.
    if (f->try_get()) return Ref<File>::adopt(f);
  }
}

AUK_NOINLINE void FileLoan::give_back(File* f) { (void)Ref<File>::adopt(f); }

AUK_NOINLINE Result<FileLoan> FdTable::lend_counted(int fd) { return FileLoan(TRY(get(fd))); }

/// Doubles until `wanted` has a slot. The lock is not held: the copy happens under it.
Result<void> FdTable::grow(u32 wanted) {
  u32 size = first_size;
  while (size <= wanted) size *= 2;
  Slots* const fresh = TRY(make_slots(size));
  Slots* old = nullptr;
  {
    auto state = state_.lock();
    Slots* const now = slots_.read_locked();
    if (now->count >= size) {
      old = fresh;
    } else {
      for (u32 i = 0; i < now->count; ++i) {
        fresh->at[i].file.store_relaxed(now->at[i].file.load_relaxed());
        fresh->at[i].reserved = now->at[i].reserved;
        fresh->at[i].close_on_exec = now->at[i].close_on_exec;
      }
      old = slots_.publish(fresh);
    }
  }
  core::rcu_call(*old);
  return {};
}

Result<int> FdTable::reserve(int least, u64 limit) {
  for (;;) {
    u32 wanted = 0;
    {
      auto state = state_.lock();
      Slots* const s = slots_.read_locked();
      u32 i = std::max(static_cast<u32>(least), state->first_free);
      while (i < s->count && s->at[i].reserved) ++i;
      if (i >= limit) return Errno::emfile;
      if (i < s->count) {
        s->at[i].reserved = true;
        if (static_cast<u32>(least) <= state->first_free) state->first_free = i + 1;
        return static_cast<int>(i);
      }
      wanted = i;
    }
    TRY(grow(wanted));
  }
}

void FdTable::unreserve(int fd) {
  auto state = state_.lock();
  slots_.read_locked()->at[fd].reserved = false;
  state->first_free = std::min(state->first_free, static_cast<u32>(fd));
}

void FdTable::install(int fd, Ref<File> file, bool close_on_exec) {
  auto state = state_.lock();
  Slot& slot = slots_.read_locked()->at[fd];
  ASSERT(slot.reserved && slot.file.load_relaxed() == nullptr);
  slot.close_on_exec = close_on_exec;
  slot.file.store_release(file.release());
}

Result<Ref<File>> FdTable::remove(int fd) {
  auto state = state_.lock();
  Slots* const s = slots_.read_locked();
  if (fd < 0 || static_cast<u32>(fd) >= s->count) return Errno::ebadf;
  File* const f = s->at[fd].file.exchange_acq_rel(nullptr);
  if (f == nullptr) return Errno::ebadf;
  s->at[fd].reserved = false;
  state->first_free = std::min(state->first_free, static_cast<u32>(fd));
  return Ref<File>::adopt(f);
}

Result<Ref<File>> FdTable::replace(int fd, Ref<File> file, bool close_on_exec) {
  for (;;) {
    {
      auto state = state_.lock();
      Slots* const s = slots_.read_locked();
      if (static_cast<u32>(fd) < s->count) {
        Slot& slot = s->at[fd];
        if (slot.reserved && slot.file.load_relaxed() == nullptr) return Errno::ebusy;
        slot.reserved = true;
        slot.close_on_exec = close_on_exec;
        return Ref<File>::adopt(slot.file.exchange_acq_rel(file.release()));
      }
    }
    TRY(grow(static_cast<u32>(fd)));
  }
}

Result<bool> FdTable::close_on_exec(int fd) {
  auto state = state_.lock();
  Slots* const s = slots_.read_locked();
  if (fd < 0 || static_cast<u32>(fd) >= s->count || s->at[fd].file.load_relaxed() == nullptr)
    return Errno::ebadf;
  return s->at[fd].close_on_exec;
}

Result<void> FdTable::set_close_on_exec(int fd, bool v) {
  auto state = state_.lock();
  Slots* const s = slots_.read_locked();
  if (fd < 0 || static_cast<u32>(fd) >= s->count || s->at[fd].file.load_relaxed() == nullptr)
    return Errno::ebadf;
  s->at[fd].close_on_exec = v;
  return {};
}

Result<Ref<FdTable>> FdTable::copy() {
  Ref<FdTable> twin = TRY(mem::make_ref<FdTable>(ALLOC_SITE));
  u32 size = 0;
  {
    auto state = state_.lock();
    size = slots_.read_locked()->count;
  }
  for (;;) {
    Slots* const fresh = TRY(make_slots(size));
    (void)twin->slots_.publish(fresh);
    auto state = state_.lock();
    Slots* const s = slots_.read_locked();
    if (s->count > size) {
      size = s->count;
      fresh->retire();
      continue;
    }
    u32 first_free = 0;
    for (u32 i = 0; i < s->count; ++i) {
      File* const f = s->at[i].file.load_relaxed();
      if (f == nullptr) continue;
      fresh->at[i].file.store_relaxed(Ref<File>(*f).release());
      fresh->at[i].reserved = true;
      fresh->at[i].close_on_exec = s->at[i].close_on_exec;
      if (first_free == i) ++first_free;
    }
    twin->state_.alone().first_free = first_free;
    return twin;
  }
}

u32 FdTable::size() {
  auto state = state_.lock();
  return slots_.read_locked()->count;
}

Result<int> FdTable::next(int from) {
  auto state = state_.lock();
  Slots* const s = slots_.read_locked();
  for (u32 i = static_cast<u32>(std::max(from, 0)); i < s->count; ++i)
    if (s->at[i].file.load_relaxed() != nullptr) return static_cast<int>(i);
  return Errno::enoent;
}

void FdTable::close_for_exec() {
  for (int fd = 0;; ++fd) {
    Result<int> found = next(fd);
    if (!found.ok()) return;
    fd = found.take();
    Result<bool> close = close_on_exec(fd);
    if (!close.ok() || !close.take()) continue;
    Result<Ref<File>> file = remove(fd);
    if (file.ok()) file.take()->closing(*this);
  }
}

void FdTable::close_range(u32 first, u32 last, bool only_mark) {
  constexpr u32 top = std::numeric_limits<int>::max();
  for (u32 fd = first; fd <= std::min(last, top); ++fd) {
    Result<int> found = next(static_cast<int>(fd));
    if (!found.ok()) return;
    fd = static_cast<u32>(found.take());
    if (fd > last) return;
    if (only_mark) {
      (void)set_close_on_exec(static_cast<int>(fd), true);
    } else if (Result<Ref<File>> file = remove(static_cast<int>(fd)); file.ok()) {
      file.take()->closing(*this);
    }
  }
}

}  // namespace auk::io
