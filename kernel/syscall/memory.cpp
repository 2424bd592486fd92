// Memory: see mmap(2), mprotect(2), mremap(2), madvise(2), brk(2), msync(2).
#include "base/math.hpp"
#include "generated/uapi/mman.hpp"
#include "generated/uapi/resource.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {
namespace {

using vm::VmaFlag;
using vm::VmaFlags;

bool is_page_aligned(UserAddr a) { return a.value % page_size == 0; }

VmaFlags rights_of(u64 protection) {
  VmaFlags f;
  if ((protection & uapi::prot_read) != 0) f |= VmaFlag::read;
  if ((protection & uapi::prot_write) != 0) f |= VmaFlag::write;
  if ((protection & uapi::prot_exec) != 0) f |= VmaFlag::execute;
  return f;
}

/// The object behind a file, and what the file's mode allows with it.
Result<void> fill_from_file(Task& me, Fd fd, bool shared, vm::MapRequest& r) {
  Ref<io::File> f = TRY(file_of(me, fd));
  if (!f->is_readable()) return Errno::eacces;
  if (shared && r.flags.has(VmaFlag::write) && !f->is_writable()) return Errno::eacces;
  if (shared && f->is_writable()) r.flags |= VmaFlag::may_write;
  r.object = TRY(f->map_object());
  r.backing = Ref<vm::Backing>(std::move(f));
  return {};
}

Result<void> fill_anonymous(bool shared, vm::MapRequest& r) {
  if (!shared) return {};
  Ref<vm::PageCache> pages = TRY(vm::PageCache::create());
  pages->grow(r.size);
  r.object = Ref<vm::MemObject>(std::move(pages));
  r.flags |= VmaFlag::may_write;
  return {};
}

}  // namespace

Value brk(Task& me, UserAddr end) {
  return me.space->set_brk(end, me.group->limit(uapi::rlimit_data)).value;
}

Value mmap(Task& me, UserAddr at, u64 size, u64 protection, u64 flags, Fd fd, u64 offset) {
  if (offset % page_size != 0) return Errno::einval;
  const u64 type = flags & uapi::map_type;
  const bool shared = type == uapi::map_shared || type == uapi::map_shared_validate;
  if (!shared && type != uapi::map_private) return Errno::einval;
  const bool anonymous = (flags & uapi::map_anonymous) != 0;
  if (size == 0 || (flags & uapi::map_hugetlb) != 0) return Errno::einval;
  if (size > core::user_end) return Errno::enomem;
  vm::MapRequest r;
  r.size = align_up(size, page_size);
  r.address_limit = me.group->limit(uapi::rlimit_as);
  r.fixed = (flags & (uapi::map_fixed | uapi::map_fixed_noreplace)) != 0;
  r.no_replace = (flags & uapi::map_fixed_noreplace) != 0;
  if (r.fixed && !is_page_aligned(at)) return Errno::einval;
  if (r.fixed && !core::is_user_range(at, r.size)) return Errno::enomem;
  r.hint = UserAddr(align_up(at.value, page_size));
  r.flags = rights_of(protection);
  if (shared) r.flags |= VmaFlag::shared;
  if ((flags & uapi::map_growsdown) != 0) {
    if (shared) return Errno::einval;
    r.flags |= VmaFlag::grows_down;
  }
  if ((flags & uapi::map_noreserve) != 0) r.flags |= VmaFlag::no_reserve;
  if (anonymous) {
    TRY(fill_anonymous(shared, r));
  } else {
    if (offset + r.size < offset) return Errno::eoverflow;
    TRY(fill_from_file(me, fd, shared, r));
    r.page_offset = offset / page_size;
  }
  const UserAddr start = TRY(me.space->map(std::move(r)));
  const bool populate = (flags & (uapi::map_populate | uapi::map_locked)) != 0;
  if (populate && protection != uapi::prot_none) {
    const vm::Access how =
        (protection & uapi::prot_write) != 0 ? vm::Access::write : vm::Access::read;
    for (u64 done = 0; done < size; done += page_size)
      if (me.space->fault(start + done, how, 0) != vm::FaultResult::done) break;
  }
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
  constexpr u64 known = uapi::prot_read | uapi::prot_write | uapi::prot_exec;
  if (!is_page_aligned(at)) return Errno::einval;
  if (size == 0) return u64{0};
  if (size > core::user_end) return Errno::enomem;
  if ((protection & ~known) != 0) return Errno::einval;
  size = align_up(size, page_size);
  if (!core::is_user_range(at, size)) return Errno::enomem;
  TRY(me.space->protect(at, size, rights_of(protection)));
  return u64{0};
}

Value mremap(Task& me, UserAddr at, u64 size, u64 new_size, u64 flags, UserAddr to) {
  constexpr u64 known = uapi::mremap_maymove | uapi::mremap_fixed;
  const bool may_move = (flags & uapi::mremap_maymove) != 0;
  const bool fixed = (flags & uapi::mremap_fixed) != 0;
  if ((flags & ~known) != 0 || (fixed && !may_move) || !is_page_aligned(at)) return Errno::einval;
  size = align_up(size, page_size);
  new_size = align_up(new_size, page_size);
  if (new_size == 0 || new_size > core::user_end) return Errno::einval;
  if (fixed) {
    if (!is_page_aligned(to) || !core::is_user_range(to, new_size)) return Errno::einval;
    if (at < to + new_size && to < at + size) return Errno::einval;
  }
  return TRY(me.space->remap(at, size, new_size, may_move, fixed, to)).value;
}

Value madvise(Task& me, UserAddr at, u64 size, int advice) {
  if (!is_page_aligned(at)) return Errno::einval;
  if (size > core::user_end) return Errno::einval;
  size = align_up(size, page_size);
  if (!core::is_user_range(at, size)) return Errno::enomem;
  switch (advice) {
    case uapi::madv_normal:
    case uapi::madv_random:
    case uapi::madv_sequential:
    case uapi::madv_willneed:
    case uapi::madv_cold:
    case uapi::madv_pageout: return u64{0};
    case uapi::madv_free:
    case uapi::madv_dontneed:
      if (size != 0) TRY(me.space->discard(at, size));
      return u64{0};
    default: return Errno::einval;
  }
}

Value msync(Task&, UserAddr at, u64 size, int flags) {
  constexpr int known = uapi::ms_async | uapi::ms_invalidate | uapi::ms_sync;
  constexpr int both = uapi::ms_async | uapi::ms_sync;
  if ((flags & ~known) != 0 || (flags & both) == both || !is_page_aligned(at)) return Errno::einval;
  // The pages of a file and of its mappings are the same.
  if (!core::is_user_range(at, align_up(size, page_size))) return Errno::enomem;
  return u64{0};
}

}  // namespace auk::syscall::calls
