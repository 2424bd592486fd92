#include "vfs/inode.hpp"

#include "vfs/seal.hpp"

#include "vfs/device.hpp"
#include "vfs/kept.hpp"
#include "vfs/mount.hpp"

namespace auk::vfs {
namespace {
constinit Atomic<u64> last_device{20};
}

u64 new_anonymous_device() { return last_device.fetch_add_relaxed(1) + 1; }

Superblock::Superblock(bool is_stacked, u64 device)
    : device_(device != 0 ? device : new_anonymous_device()),
      is_stacked_(is_stacked) {
  if (is_stacked) rename_lock.kind_of_lock().set_outer();
}

void Superblock::destroy(Superblock* s) {
  release_anchors(*s);
  // Without a root it never came to be a file system: there was no memory for it.
  if (s->root_ != nullptr) s->kill();
  if (s->kept_ != nullptr) mem::destroy(s->kept_);
  if (s->root_ != nullptr) (void)Ref<Dentry>::adopt(s->root_);
  s->released();
  core::rcu_call(*s);
}

void Superblock::set_root(Ref<Dentry> root) { root_ = root.release(); }

Inode::Inode(Superblock& super, const NewInode& fresh)
    : super_(super),
      number_(fresh.number != 0 ? fresh.number : super_.new_inode_number()),
      mode(fresh.mode),
      uid(fresh.uid),
      gid(fresh.gid),
      raw_device(fresh.raw_device),
      btime_ns(core::real_ns()) {
  if (super.is_stacked()) lock.kind_of_lock().set_outer();
  atime_ns.store_relaxed(btime_ns);
  mtime_ns.store_relaxed(btime_ns);
  ctime_ns.store_relaxed(btime_ns);
}

void Inode::fill_stat(io::FileStat& s) const {
  constexpr u64 sector = 512;
  s = {};
  s.device = super_.device();
  s.inode = number_;
  s.raw_device = raw_device;
  s.mode = mode.load_relaxed();
  s.links = links.load_relaxed();
  s.uid = uid.load_relaxed();
  s.gid = gid.load_relaxed();
  s.size = size();
  const vm::PageCache* const bytes = pages();
  s.blocks = bytes != nullptr ? bytes->pages() * (page_size / sector) : 0;
  s.atime_ns = atime_ns.load_relaxed();
  s.mtime_ns = mtime_ns.load_relaxed();
  s.ctime_ns = ctime_ns.load_relaxed();
  s.btime_ns = btime_ns;
}

Result<void> Inode::set_rights(u32 rights, u32 new_uid, u32 new_gid) {
  TRY(seal::check_rights(*this, rights));
  uid.store_relaxed(new_uid);
  gid.store_relaxed(new_gid);
  mode.store_relaxed(type() | rights);
  return {};
}

Result<void> Inode::set_times(const NewTimes& times) {
  if (times.atime_ns != NewTimes::omit) atime_ns.store_relaxed(times.atime_ns);
  if (times.mtime_ns != NewTimes::omit) mtime_ns.store_relaxed(times.mtime_ns);
  touch(false);
  return {};
}

Result<void> Inode::resize(u64 size) {
  // What has no bytes of its own has none to lose.
  vm::PageCache* const bytes = pages();
  if (bytes == nullptr) return {};
  TRY(seal::check_size(*this, size));
  bytes->truncate(size);
  touch(true);
  return {};
}

Result<Ref<io::File>> Inode::open_special(const Path& path, u32 flags) {
  if (type() == mode::character) return open_char_device(path, raw_device, flags);
  if (type() == mode::fifo) {
    Ref<io::Fifo> fifo;
    {
      auto changing = lock.lock();
      if (!fifo_) fifo_ = TRY(io::make_fifo());
      fifo = fifo_;
    }
    return fifo->open(flags);
  }
  return Errno::enxio;
}

Result<Path> Inode::jump() { return Errno::einval; }
Result<usize> Inode::read_target(const Path&, std::span<char> out) const {
  const std::string_view text = target();
  return text.copy(out.data(), out.size());
}
Result<Ref<Inode>> Inode::lookup(Dentry&, std::string_view) { return Errno::enoent; }
Result<Ref<Inode>> Inode::create(Dentry&, std::string_view, const NewInode& fresh) {
  return (fresh.mode & mode::type_mask) == mode::regular ? Errno::eacces : Errno::eperm;
}
Result<Ref<Inode>> Inode::create_unnamed(const NewInode&) { return Errno::eopnotsupp; }
Result<void> Inode::link(Dentry&, std::string_view, Inode&) { return Errno::eperm; }
Result<void> Inode::remove(Dentry&) { return Errno::eperm; }
Result<void> Inode::move(const Move&) { return Errno::eperm; }
Result<void> Inode::read_dir(Dentry&, u64&, io::DirSink&) { return Errno::enotdir; }

// path_resolution(7): one of owner, group, others decides; capabilities override.
Result<void> check_permission(const Inode& inode, const ident::Cred& cred, Wants wants) {
  const u32 m = inode.mode.load_relaxed();
  u32 bits = m & 7;
  if (cred.fsuid == inode.uid.load_relaxed())
    bits = (m >> 6) & 7;
  else if (cred.is_in_group(inode.gid.load_relaxed()))
    bits = (m >> 3) & 7;
  if ((wants.bits & ~bits) == 0) return {};
  const bool search = inode.is_directory();
  if (cred.has(ident::Cap::dac_override) &&
      (search || !wants.has(Want::execute) || (m & 0111) != 0))
    return {};
  if (cred.has(ident::Cap::dac_read_search) &&
      (wants == Wants(Want::read) || (search && !wants.has(Want::write))))
    return {};
  return inode.grants() ? Result<void>() : Errno::eacces;
}

}  // namespace auk::vfs
