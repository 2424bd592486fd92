// Files come up into the upper layer before they are changed.
#include <algorithm>
#include <cstring>

#include "fs/overlay/overlay.hpp"
#include "mem/folio.hpp"
#include "sched/thread.hpp"

namespace auk::fs::overlay {
namespace {

constexpr u32 no_replace = 1;

/// Nobody writes to `from`, and nobody else knows `to`.
Result<void> copy_bytes(vm::PageCache& from, vm::PageCache& to) {
  const u64 size = from.size();
  for (u64 offset = 0; offset < size; offset += page_size) {
    if (sched::current().has_work(sched::Interruptible::fatal)) return Errno::eintr;
    Result<Ref<vm::Folio>> there = from.read(offset / page_size);
    if (!there.ok() && there.error() == Errno::enoent) continue;
    const Ref<vm::Folio> page = TRY(std::move(there));
    const Ref<vm::Folio> copy = TRY(to.find_or_make(offset / page_size));
    std::memcpy(copy->bytes().data(), page->bytes().data(), std::min(page_size, size - offset));
  }
  to.grow(size);
  return {};
}

/// Those of the overlay excepted, but for what programs keep under such names.
bool is_copied(std::string_view name) {
  return !name.starts_with("trusted.overlay.") || name.starts_with("trusted.overlay.overlay.");
}

Result<void> copy_attribute(vfs::Inode& from, vfs::Inode& to, std::string_view name) {
  const usize size = TRY(from.get_attribute(name, {}));
  std::span<byte> value;
  if (size > 0) value = {static_cast<byte*>(TRY(mem::allocate(ALLOC_SITE, size))), size};
  Result<usize> got = from.get_attribute(name, value);
  const Result<void> r = got.ok() ? to.set_attribute(name, value, 0) : got.error();
  mem::free(value.data());
  return r.ok() ? Result<void>() : Result<void>(r.error());
}

Result<void> copy_attributes(vfs::Inode& from, vfs::Inode& to) {
  auto still = from.lock.lock();
  auto changing = to.lock.lock_as<core::level::inode_twin>();
  return each_attribute(from, true, [&](std::string_view name) {
    return is_copied(name) ? copy_attribute(from, to, name) : Result<void>();
  });
}

}  // namespace

/// In the work directory; on failure nothing is left there.
Result<Ref<vfs::Dentry>> OverlayInode::make_copy(std::string_view name, Keep keep) {
  vfs::Inode& from = below_[0].dentry->inode();
  const vfs::Path& work = overlay().work();
  Ref<vfs::Dentry> copy;
  {
    auto changing = work.inode().lock.lock();
    copy = TRY(vfs::create_entry(*work.dentry, name,
                                 {.mode = from.mode.load_relaxed(),
                                  .uid = from.uid.load_relaxed(),
                                  .gid = from.gid.load_relaxed(),
                                  .raw_device = from.raw_device,
                                  .target = from.target()}));
  }
  vfs::Inode& to = copy->inode();
  const auto fill = [&]() -> Result<void> {
    if (is_regular() && keep == Keep::bytes) {
      // Those of /proc and /sys have no bytes of their own.
      if (from.pages() == nullptr || to.pages() == nullptr) return Errno::eio;
      TRY(copy_bytes(*from.pages(), *to.pages()));
    }
    TRY(copy_attributes(from, to));
    return to.set_times(
        {.atime_ns = from.atime_ns.load_relaxed(), .mtime_ns = from.mtime_ns.load_relaxed()});
  };
  if (const Result<void> filled = fill(); !filled.ok()) {
    overlay().discard(name);
    return filled.error();
  }
  return copy;
}

/// The directory it stands in has come up.
Result<void> OverlayInode::come_up_alone(Keep keep) {
  auto coming = coming_.lock();
  if (upper() != nullptr) return {};
  Super& fs = overlay();
  Super::Temporary memory{};
  const std::string_view name = fs.temporary(memory);
  const Ref<vfs::Dentry> copy = TRY(make_copy(name, keep));
  if (coming->has_lost_name) {
    // Some program still has it open: the copy has no name either.
    fs.discard(name);
    set_upper(*copy);
    return {};
  }
  const auto& directory = static_cast<OverlayInode&>(directory_->inode());
  vfs::Inode& into = *directory.upper();
  const vfs::NewTimes before{.atime_ns = into.atime_ns.load_relaxed(),
                             .mtime_ns = into.mtime_ns.load_relaxed()};
  const Result<void> moved = vfs::rename(fs.mounter(), fs.work(), name, directory.upper_path(),
                                         {name_, name_size_}, no_replace);
  if (!moved.ok()) {
    fs.discard(name);
    return moved.error();
  }
  {
    // Nothing that anybody can see has changed in the directory.
    auto changing = into.lock.lock();
    (void)into.set_times(before);
  }
  set_upper(*copy);
  return {};
}

Result<void> OverlayInode::come_up(Keep keep) {
  TRY(overlay().check_writable());
  while (upper() == nullptr) {
    // The topmost that is not there yet.
    OverlayInode* first = this;
    for (;;) {
      auto& above = static_cast<OverlayInode&>(first->directory_->inode());
      if (above.upper() != nullptr) break;
      first = &above;
    }
    TRY(first->come_up_alone(first == this ? keep : Keep::bytes));
  }
  return {};
}

}  // namespace auk::fs::overlay
