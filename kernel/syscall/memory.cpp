// Memory: see mmap(2), mprotect(2), mremap(2), madvise(2), brk(2), msync(2), mincore(2), mlock(2).
#include <algorithm>

#include "base/math.hpp"
#include "generated/uapi/mman.hpp"
#include "proc/usage.hpp"
#include "syscall/advice.hpp"
#include "syscall/calls.hpp"
#include "syscall/personality.hpp"
#include "syscall/support.hpp"
#include "vfs/seal.hpp"

namespace auk::syscall {
namespace {

using vm::VmaFlag;
using vm::VmaFlags;

bool is_page_aligned(UserAddr a) { return a.value % page_size == 0; }
/// 0 for sizes that cannot be rounded up.
u64 page_align(u64 size) { return size > ~u64{0} - page_size ? 0 : align_up(size, page_size); }

VmaFlags rights_of(u64 protection) {
  VmaFlags f;
  if ((protection & uapi::prot_read) != 0) f |= VmaFlag::read;
  if ((protection & uapi::prot_write) != 0) f |= VmaFlag::write;
  if ((protection & uapi::prot_exec) != 0) f |= VmaFlag::execute;
  return f;
}

/// The object behind a file, and what the file's mode allows with it.
Result<void> fill_from_file(io::File& f, bool shared, vm::MapRequest& r) {
  r.flags |= vm::may_flags;
  if (shared && !f.is_writable()) {
    if (r.flags.has(VmaFlag::write)) return Errno::eacces;
    r.flags = r.flags.without(VmaFlag::may_write);
  }
  if (!f.is_readable()) return Errno::eacces;
  if (const vfs::Path* const at = vfs::path_of(f);
      at != nullptr && at->mount->has(vfs::mount_flag::no_exec)) {
    if (r.flags.has(VmaFlag::execute)) return Errno::eperm;
    r.flags = r.flags.without(VmaFlag::may_execute);
  }
  if (const vfs::Inode* const inode = vfs::inode_of(f);
      shared && inode != nullptr && vfs::seal::forbids_writing(*inode)) {
    if (r.flags.has(VmaFlag::write)) return Errno::eperm;
    r.flags = r.flags.without(VmaFlag::may_write);
  }
  r.object = TRY(f.map_object());
  if (r.flags.has(VmaFlag::grows_down)) return Errno::einval;
  if (r.object->is_secret()) {
    if (!shared) return Errno::einval;
    r.flags |= VmaFlag::dont_dump;
  }
  r.backing = Ref<vm::Backing>(f);
  return {};
}

Result<void> fill_anonymous(Task& me, bool shared, vm::MapRequest& r) {
  r.flags |= vm::may_flags;
  if (!shared) return {};
  if (r.flags.has(VmaFlag::grows_down)) return Errno::einval;
  if (r.flags.has(VmaFlag::no_reserve)) {
    Ref<vm::PageCache> pages = TRY(vm::PageCache::create());
    pages->grow(r.size);
    r.object = Ref<vm::MemObject>(std::move(pages));
    return {};
  }
  const vm::commit::Asker who{me.space->sizes().total, r.allowance.is_admin};
  r.object = Ref<vm::MemObject>(TRY(vm::PageCache::create_promised(r.size, who)));
  return {};
}

/// RLIMIT_MEMLOCK of 0 without CAP_IPC_LOCK.
bool may_lock_at_all(const vm::Allowance& a) { return a.may_lock || a.locked != 0; }

}  // namespace

namespace calls {

Value brk(Task& me, UserAddr end) {
  const UserAddr old = me.space->layout().brk;
  const UserAddr now = me.space->set_brk(end, proc::memory_allowance(me));
  if (now > old && me.space->locks_new_areas()) {
    const UserAddr from(align_up(old.value, page_size));
    if (now > from) (void)me.space->populate(from, align_up(now - from, page_size), {});
  }
  return now.value;
}

Value mmap(Task& me, UserAddr at, u64 size, u64 protection, u64 flags, Fd fd, u64 offset) {
  if (offset % page_size != 0) return Errno::einval;
  const bool anonymous = (flags & uapi::map_anonymous) != 0;
  Ref<io::File> file;
  if (!anonymous) {
    file = TRY(file_of(me, fd)).keep();
    if ((flags & uapi::map_hugetlb) != 0) return Errno::einval;
  } else if ((flags & uapi::map_hugetlb) != 0) {
    // As Linux without hugetlbfs.
    return Errno::einval;
  }
  if (size == 0) return Errno::einval;
  const vfs::Path* const at_path = file ? vfs::path_of(*file) : nullptr;
  if (at_path == nullptr || !at_path->mount->has(vfs::mount_flag::no_exec))
    protection = with_implied_rights(me, protection);
  vm::MapRequest r;
  r.size = page_align(size);
  if (r.size == 0) return Errno::enomem;
  if (offset / page_size + r.size / page_size < offset / page_size) return Errno::eoverflow;
  const u64 type = flags & uapi::map_type;
  const bool shared = type == uapi::map_shared || type == uapi::map_shared_validate;
  if (r.size > core::user_end) return Errno::enomem;
  r.allowance = proc::memory_allowance(me);
  r.fixed = (flags & (uapi::map_fixed | uapi::map_fixed_noreplace)) != 0;
  r.no_replace = (flags & uapi::map_fixed_noreplace) != 0;
  r.low_2g = (flags & uapi::map_32bit) != 0 && !r.fixed;
  if (r.fixed && !core::is_user_range(at, r.size)) return Errno::enomem;
  if (r.fixed && !is_page_aligned(at)) return Errno::einval;
  r.hint = r.fixed ? at : UserAddr(align_down(at.value, page_size));
  r.flags = rights_of(protection);
  const bool lock = (flags & uapi::map_locked) != 0;
  if (lock) {
    if (!may_lock_at_all(r.allowance)) return Errno::eperm;
    r.flags |= VmaFlag::locked;
  }
  if ((flags & uapi::map_growsdown) != 0) r.flags |= VmaFlags(VmaFlag::grows_down) | VmaFlag::stack;
  if ((flags & uapi::map_stack) != 0) r.flags |= VmaFlag::single_pages;
  if ((flags & uapi::map_noreserve) != 0 && vm::commit::policy() != vm::commit::Policy::never)
    r.flags |= VmaFlag::no_reserve;
  if (!shared && type != uapi::map_private) return Errno::einval;
  if (shared) r.flags |= VmaFlag::shared;
  if (anonymous) {
    TRY(fill_anonymous(me, shared, r));
  } else {
    if (type == uapi::map_shared_validate) {
      constexpr u64 known = uapi::map_type | uapi::map_fixed | uapi::map_anonymous |
                            uapi::map_growsdown | uapi::map_denywrite | uapi::map_executable |
                            uapi::map_locked | uapi::map_noreserve | uapi::map_populate |
                            uapi::map_nonblock | uapi::map_stack | uapi::map_hugetlb |
                            uapi::map_32bit | uapi::map_huge_2mb | uapi::map_huge_1gb;
      if ((flags & ~known) != 0) return Errno::eopnotsupp;
    }
    // Behind the largest file there can be.
    constexpr u64 largest = ~u64{0} >> 1;
    if (r.size > largest || offset > largest - r.size) return Errno::eoverflow;
    TRY(fill_from_file(*file, shared, r));
    r.page_offset = offset / page_size;
  }
  const u64 mapped = r.size;
  const UserAddr start = TRY(me.space->map(std::move(r)));
  if (lock || me.space->locks_new_areas() ||
      (flags & (uapi::map_populate | uapi::map_nonblock)) == uapi::map_populate)
    (void)me.space->populate(start, mapped, {});
  return start.value;
}

Value munmap(Task& me, UserAddr at, u64 size) {
  if (!is_page_aligned(at) || size == 0 || size > core::user_end) return Errno::einval;
  size = align_up(size, page_size);
  if (!core::is_user_range(at, size)) return Errno::einval;
  TRY(me.space->unmap(at, size));
  return u64{0};
}

Value mprotect(Task& me, UserAddr at, u64 size, u64 protection) {
  constexpr u64 known = uapi::prot_read | uapi::prot_write | uapi::prot_exec | uapi::prot_sem;
  const bool down = (protection & uapi::prot_growsdown) != 0;
  const bool up = (protection & uapi::prot_growsup) != 0;
  if (down && up) return Errno::einval;
  protection &= ~u64{uapi::prot_growsdown | uapi::prot_growsup};
  if (!is_page_aligned(at)) return Errno::einval;
  if (size == 0) return u64{0};
  size = page_align(size);
  if (size == 0 || at.value + size < at.value) return Errno::enomem;
  if ((protection & ~known) != 0) return Errno::einval;
  if (!core::is_user_range(at, size)) return Errno::enomem;
  // No stack grows upwards here.
  if (up) return Errno::einval;
  const u64 implied = with_implied_rights(me, protection) & ~protection;
  TRY(me.space->protect(at, size, rights_of(protection), rights_of(implied), down,
                        proc::memory_allowance(me)));
  return u64{0};
}

/// Without keys in the hardware, as Linux on such a machine: there is none to be had.
Value pkey_mprotect(Task& me, UserAddr at, u64 size, u64 protection, int key) {
  if (key == -1 || size == 0) return mprotect(me, at, size, protection);
  return Errno::einval;
}
Value pkey_alloc(Task&, u64 flags, u64 rights) {
  constexpr u64 known = uapi::pkey_disable_access | uapi::pkey_disable_write;
  return flags != 0 || (rights & ~known) != 0 ? Errno::einval : Errno::enospc;
}
Value pkey_free(Task&, int) { return Errno::einval; }

Value mseal(Task& me, UserAddr at, u64 size, u64 flags) {
  if (flags != 0 || !is_page_aligned(at)) return Errno::einval;
  const u64 aligned = page_align(size);
  if ((size != 0 && aligned == 0) || at.value + aligned < at.value) return Errno::einval;
  if (aligned == 0) return u64{0};
  if (!core::is_user_range(at, aligned)) return Errno::enomem;
  return done(me.space->seal(at, aligned));
}

Value mremap(Task& me, UserAddr at, u64 size, u64 new_size, u64 flags, UserAddr to) {
  constexpr u64 known = uapi::mremap_maymove | uapi::mremap_fixed | uapi::mremap_dontunmap;
  vm::RemapRequest r;
  r.start = at;
  r.may_move = (flags & uapi::mremap_maymove) != 0;
  r.fixed = (flags & uapi::mremap_fixed) != 0;
  r.keep_empty = (flags & uapi::mremap_dontunmap) != 0;
  if ((flags & ~known) != 0 || (r.fixed && !r.may_move)) return Errno::einval;
  if (r.keep_empty && (!r.may_move || size != new_size)) return Errno::einval;
  if (!is_page_aligned(at)) return Errno::einval;
  r.old_size = page_align(size);
  r.new_size = page_align(new_size);
  if (r.new_size == 0) return Errno::einval;
  if (!core::is_user_range(at, r.old_size)) return Errno::efault;
  if (r.fixed || r.keep_empty) {
    if (!is_page_aligned(to) || !core::is_user_range(to, r.new_size)) return Errno::einval;
    if (at < to + r.new_size && to < at + r.old_size) return Errno::einval;
  } else if (r.new_size > core::user_end) {
    return Errno::enomem;
  }
  r.to = to;
  r.allowance = proc::memory_allowance(me);
  const UserAddr now = TRY(me.space->remap(r));
  if (me.space->locks_new_areas()) (void)me.space->populate(now, r.new_size, {});
  return now.value;
}

/// An area of its own for what is shown out of order, as Linux does it since 4.0.
Value remap_file_pages(Task& me, UserAddr at, u64 size, u64 protection, u64 page_offset,
                       u64 flags) {
  const UserAddr start(align_down(at.value, page_size));
  size = align_down(size, page_size);
  if (protection != 0 || size == 0 || start.value + size < start.value) return Errno::einval;
  if (page_offset + size / page_size < page_offset) return Errno::einval;
  std::optional<vm::AreaView> area = me.space->area_from(start);
  if (!area || area->start > start || !area->flags.has(VmaFlag::shared)) return Errno::einval;
  if (page_offset > (~u64{0} >> 1) / page_size - size / page_size) return Errno::eoverflow;
  vm::MapRequest r;
  r.hint = start;
  r.size = size;
  r.fixed = true;
  r.over = area->flags;
  r.flags = area->flags & (vm::access_flags | vm::may_flags | VmaFlag::shared | VmaFlag::locked);
  if (area->object->is_secret()) r.flags |= VmaFlag::dont_dump;
  r.object = std::move(area->object);
  r.backing = std::move(area->backing);
  r.page_offset = page_offset;
  r.allowance = proc::memory_allowance(me);
  const bool is_filled = r.flags.has(VmaFlag::locked) || (flags & uapi::map_nonblock) == 0;
  TRY(me.space->map(std::move(r)));
  if (is_filled) (void)me.space->populate(start, size, {});
  return u64{0};
}

}  // namespace calls

Result<void> advise(vm::AddressSpace& space, UserAddr at, u64 size, int advice) {
  struct Change {
    int advice;
    vm::FlagChange flags;
    bool only_anonymous = false;
  };
  static constexpr std::array<Change, 8> changes{{
      {uapi::madv_dontfork, {.set = VmaFlag::dont_copy, .clear = {}}},
      {uapi::madv_dofork, {.set = {}, .clear = VmaFlag::dont_copy}},
      {uapi::madv_dontdump, {.set = VmaFlag::dont_dump, .clear = {}}},
      {uapi::madv_dodump, {.set = {}, .clear = VmaFlag::dont_dump}},
      {uapi::madv_nohugepage, {.set = VmaFlag::single_pages, .clear = {}}},
      {uapi::madv_hugepage, {.set = {}, .clear = VmaFlag::single_pages}},
      {uapi::madv_wipeonfork, {.set = VmaFlag::wipe_on_fork, .clear = {}}, true},
      {uapi::madv_keeponfork, {.set = {}, .clear = VmaFlag::wipe_on_fork}},
  }};
  const auto change = std::find_if(changes.begin(), changes.end(),
                                   [&](const Change& c) { return c.advice == advice; });
  bool known = change != changes.end();
  switch (advice) {
    case uapi::madv_normal:
    case uapi::madv_random:
    case uapi::madv_sequential:
    case uapi::madv_willneed:
    case uapi::madv_cold:
    case uapi::madv_pageout:
    case uapi::madv_free:
    case uapi::madv_dontneed:
    case uapi::madv_dontneed_locked:
    case uapi::madv_remove:
    case uapi::madv_populate_read:
    case uapi::madv_populate_write: known = true; break;
    default: break;
  }
  if (!known || !is_page_aligned(at)) return Errno::einval;
  const u64 aligned = page_align(size);
  if (size != 0 && aligned == 0) return Errno::einval;
  if (at.value + aligned < at.value) return Errno::einval;
  if (aligned == 0) return {};
  if (!core::is_user_range(at, aligned)) return Errno::enomem;
  if (change != changes.end()) {
    return space.advise(at, aligned, change->flags, change->only_anonymous);
  }
  switch (advice) {
    case uapi::madv_free: return space.discard(at, aligned, vm::Discard::anonymous);
    case uapi::madv_dontneed: return space.discard(at, aligned, vm::Discard::unlocked);
    case uapi::madv_dontneed_locked: return space.discard(at, aligned, vm::Discard::all);
    case uapi::madv_remove: return space.make_holes(at, aligned);
    case uapi::madv_populate_read: return space.populate(at, aligned, vm::Access::read);
    case uapi::madv_populate_write: return space.populate(at, aligned, vm::Access::write);
    default:
      // About pages that somebody may read or write back: every page is in memory, and stays.
      return space.check_sync(at, aligned, false);
  }
}

namespace calls {

Value madvise(Task& me, UserAddr at, u64 size, int advice) {
  return done(advise(*me.space, at, size, advice));
}

Value msync(Task& me, UserAddr at, u64 size, int flags) {
  constexpr int known = uapi::ms_async | uapi::ms_invalidate | uapi::ms_sync;
  constexpr int both = uapi::ms_async | uapi::ms_sync;
  if ((flags & ~known) != 0 || (flags & both) == both || !is_page_aligned(at)) return Errno::einval;
  const u64 aligned = page_align(size);
  if (at.value + aligned < at.value || (size != 0 && aligned == 0)) return Errno::enomem;
  if (aligned == 0) return u64{0};
  if (!core::is_user_range(at, aligned)) return Errno::enomem;
  // The pages of a file and of its mappings are the same.
  TRY(me.space->check_sync(at, aligned, (flags & uapi::ms_invalidate) != 0));
  return u64{0};
}

Value mincore(Task& me, UserAddr at, u64 size, UserAddr out) {
  if (!is_page_aligned(at)) return Errno::einval;
  if (!core::is_user_range(at, size)) return Errno::enomem;
  const u64 pages = (size + page_size - 1) / page_size;
  if (!core::is_user_range(out, pages)) return Errno::efault;
  std::array<byte, 256> some;
  for (u64 done = 0; done < pages;) {
    const auto now = std::span(some).first(std::min<u64>(some.size(), pages - done));
    TRY(me.space->residency(at + done * page_size, now));
    TRY(core::write_user(out + done, now.data(), now.size()));
    done += now.size();
    if (me.has_work(sched::Interruptible::fatal)) return Errno::eintr;
  }
  return u64{0};
}

namespace {

Value lock_range(Task& me, UserAddr at, u64 size, VmaFlags how) {
  const vm::Allowance a = proc::memory_allowance(me);
  const bool locks = how.has(VmaFlag::locked);
  if (locks && !may_lock_at_all(a)) return Errno::eperm;
  const u64 in_page = at.value % page_size;
  const UserAddr start(at.value - in_page);
  // A size that wraps around to nothing is nothing.
  const u64 aligned = align_down(size + in_page + page_size - 1, page_size);
  if (start.value + aligned < start.value) return Errno::einval;
  if (aligned == 0) return u64{0};
  if (!core::is_user_range(start, aligned)) return Errno::enomem;
  TRY(me.space->set_locked(start, aligned, how, a));
  if (!locks) return u64{0};
  const Result<void> r = me.space->populate(start, aligned, {});
  // POSIX has other names for these.
  if (!r.ok()) return r.error() == Errno::efault ? Errno::enomem : r.error();
  return u64{0};
}

constexpr VmaFlags lock_kind(bool on_fault) {
  return on_fault ? VmaFlags(VmaFlag::locked) | VmaFlag::lock_on_fault : VmaFlags(VmaFlag::locked);
}

}  // namespace

Value mlock(Task& me, UserAddr at, u64 size) { return lock_range(me, at, size, VmaFlag::locked); }

Value mlock2(Task& me, UserAddr at, u64 size, int flags) {
  if ((flags & ~static_cast<int>(uapi::mlock_onfault)) != 0) return Errno::einval;
  return lock_range(me, at, size, lock_kind(flags != 0));
}

Value munlock(Task& me, UserAddr at, u64 size) { return lock_range(me, at, size, {}); }

Value mlockall(Task& me, int flags) {
  const u32 f = static_cast<u32>(flags);
  constexpr u32 known = uapi::mcl_current | uapi::mcl_future | uapi::mcl_onfault;
  if (f == 0 || (f & ~known) != 0 || f == uapi::mcl_onfault) return Errno::einval;
  const vm::Allowance a = proc::memory_allowance(me);
  if (!may_lock_at_all(a)) return Errno::eperm;
  const VmaFlags how = lock_kind((f & uapi::mcl_onfault) != 0);
  const bool current = (f & uapi::mcl_current) != 0;
  const VmaFlags future = (f & uapi::mcl_future) != 0 ? how : VmaFlags();
  TRY(me.space->set_all_locked(current, how, future, a));
  if (current) me.space->populate_locked();
  return u64{0};
}

Value munlockall(Task& me) {
  TRY(me.space->set_all_locked(true, {}, {}, proc::memory_allowance(me)));
  return u64{0};
}

}  // namespace calls
}  // namespace auk::syscall
