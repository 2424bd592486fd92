// What files take of memory, and files that are nothing else: see fallocate(2), memfd_create(2),
// memfd_secret(2).
#include "core/sysctl.hpp"
#include "fs/secretmem/secretmem.hpp"
#include "fs/tmpfs/memfd.hpp"
#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/mman.hpp"
#include "generated/uapi/resource.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "vfs/notify.hpp"

namespace auk::syscall::calls {
namespace {

/// EOPNOTSUPP for what no file system here does.
Result<vfs::Space> change_of(u32 mode) {
  switch (mode) {
    case 0: return vfs::Space::reserve;
    case uapi::falloc_fl_keep_size: return vfs::Space::reserve_only;
    case uapi::falloc_fl_punch_hole | uapi::falloc_fl_keep_size: return vfs::Space::hole;
    default: return Errno::eopnotsupp;
  }
}

/// EOPNOTSUPP for what is no kind of change, or a kind that keeps the size and moves the end.
Result<void> check_mode(u32 mode) {
  constexpr u32 known = uapi::falloc_fl_keep_size | uapi::falloc_fl_punch_hole |
                        uapi::falloc_fl_collapse_range | uapi::falloc_fl_zero_range |
                        uapi::falloc_fl_insert_range | uapi::falloc_fl_unshare_range;
  const u32 kind = mode & ~u32{uapi::falloc_fl_keep_size};
  const bool keeps_size = kind != mode;
  if ((mode & ~known) != 0) return Errno::eopnotsupp;
  switch (kind) {
    case 0:
    case uapi::falloc_fl_unshare_range:
    case uapi::falloc_fl_zero_range: return {};
    case uapi::falloc_fl_punch_hole: return keeps_size ? Result<void>() : Errno::eopnotsupp;
    case uapi::falloc_fl_collapse_range:
    case uapi::falloc_fl_insert_range: return keeps_size ? Errno::eopnotsupp : Result<void>();
    default: return Errno::eopnotsupp;
  }
}

}  // namespace

Value fallocate(Task& me, Fd fd, u32 mode, i64 offset, i64 size) {
  const io::FileLoan f = TRY(file_of(me, fd));
  if (offset < 0 || size <= 0) return Errno::einval;
  TRY(check_mode(mode));
  if (!f->is_writable()) return Errno::ebadf;
  vfs::Inode* const inode = vfs::inode_of(*f);
  if (f->pipe() != nullptr) return Errno::espipe;
  if (inode == nullptr || !inode->is_regular()) return Errno::enodev;
  i64 end = 0;
  if (__builtin_add_overflow(offset, size, &end)) return Errno::efbig;
  const vfs::Space what = TRY(change_of(mode));
  TRY(prepare_change(me, *f));
  {
    auto changing = inode->lock.lock();
    if (what != vfs::Space::hole && static_cast<u64>(end) > inode->size())
      TRY(check_file_size(me, static_cast<u64>(end)));
    TRY(inode->allocate(what, static_cast<u64>(offset), static_cast<u64>(end)));
  }
  vfs::notify::happened(*f, uapi::in_modify);
  return u64{0};
}

Value cachestat(Task& me, Fd fd, UserAddr range, UserAddr out, u32 flags) {
  struct Range {
    u64 offset, size;
  };
  struct Counts {
    u64 cached, dirty, in_writeback, evicted, recently_evicted;
  };
  const io::FileLoan f = TRY(file_of(me, fd));
  const auto r = TRY(UserIn<Range>(range).load());
  if (flags != 0) return Errno::einval;
  // The last page may be the last there can be: then nothing lies behind it.
  const u64 first = r.offset / page_size;
  const u64 last = r.size == 0 ? ~u64{0} / page_size : (r.offset + r.size - 1) / page_size;
  // What is in memory for good is neither behind nor ever gone.
  Counts c{};
  const vfs::Inode* const inode = vfs::inode_of(*f);
  if (inode != nullptr && inode->pages() != nullptr && first <= last)
    c.cached = inode->pages()->count_pages(first, last + 1);
  TRY(UserOut<Counts>(out).store(c));
  return u64{0};
}

namespace {

/// vm.memfd_noexec: what is made of those who say neither MFD_EXEC nor MFD_NOEXEC_SEAL, and whether
/// MFD_EXEC is refused.
enum class Runnable : i64 { by_default = 0, if_asked = 1, never = 2 };
constinit Atomic<i64> runnable{0};
constinit core::NumberSysctl runnable_variable("vm/memfd_noexec", runnable, 0, 2);
SYSCTL(runnable_variable);

}  // namespace

Value memfd_create(Task& me, UserStr name, u32 flags) {
  constexpr u32 known = uapi::mfd_cloexec | uapi::mfd_allow_sealing | uapi::mfd_hugetlb |
                        uapi::mfd_noexec_seal | uapi::mfd_exec;
  constexpr u32 huge_sizes = u32{uapi::mfd_huge_mask} << uapi::mfd_huge_shift;
  const bool is_huge = (flags & uapi::mfd_hugetlb) != 0;
  if ((flags & ~(known | (is_huge ? huge_sizes : 0))) != 0) return Errno::einval;
  constexpr u32 kinds = uapi::mfd_exec | uapi::mfd_noexec_seal;
  if ((flags & kinds) == kinds) return Errno::einval;
  const auto rule = static_cast<Runnable>(runnable.load_relaxed());
  if ((flags & kinds) == 0)
    flags |= rule == Runnable::by_default ? uapi::mfd_exec : uapi::mfd_noexec_seal;
  if ((flags & uapi::mfd_exec) != 0 && rule == Runnable::never) return Errno::eacces;
  constexpr std::string_view prefix = "memfd:";
  std::array<char, vfs::name_max + 1> text;
  prefix.copy(text.data(), prefix.size());
  Result<usize> size = name.load(std::span(text).subspan(prefix.size()));
  if (!size.ok()) return size.error() == Errno::enametoolong ? Errno::einval : size.error();
  // As Linux without hugetlbfs.
  if (is_huge) return Errno::enosys;
  const bool runs = (flags & uapi::mfd_exec) != 0;
  const bool can_be_sealed = !runs || (flags & uapi::mfd_allow_sealing) != 0;
  const u32 seals = (runs ? 0 : uapi::f_seal_exec) | (can_be_sealed ? 0 : uapi::f_seal_seal);
  Ref<io::File> f = TRY(fs::tmpfs::make_memfd(me.asker(), {text.data(), prefix.size() + *size},
                                              runs ? 0777 : 0666, seals));
  return install_file(me, std::move(f), (flags & uapi::mfd_cloexec) != 0);
}

Value memfd_secret(Task& me, u32 flags) {
  if ((flags & ~u32{uapi::o_cloexec}) != 0) return Errno::einval;
  return install_file(me, TRY(fs::secretmem::make(me.asker())), flags != 0);
}

}  // namespace auk::syscall::calls
