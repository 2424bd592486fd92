// Mounts by their numbers: see statmount(2), listmount(2).
#include "vfs/mount_report.hpp"

#include <algorithm>

#include "generated/uapi/mount.hpp"
#include "mem/heap_bytes.hpp"
#include "proc/nsfs.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "vfs/mounting.hpp"

namespace auk::syscall::calls {
namespace {

constexpr u32 first_version = 24;

/// EFAULT, E2BIG, EINVAL.
Result<uapi::mnt_id_req> load_request(UserAddr at) {
  const u32 size = TRY(core::UserIn<u32>(at).load());
  uapi::mnt_id_req r{};
  TRY(load_grown(r, at, size, first_version));
  if (r.spare != 0 && r.mnt_ns_id != 0) return Errno::einval;
  if (r.mnt_id < vfs::first_unique_id) return Errno::einval;
  return r;
}

/// ENOENT, EBADF; EINVAL: a descriptor of something else.
Result<Ref<vfs::MountNamespace>> space_of(Task& me, const uapi::mnt_id_req& r) {
  if (r.spare == 0) return vfs::find_namespace(me.asker(), r.mnt_ns_id);
  const Ref<io::File> file = TRY(me.files->get(static_cast<int>(r.spare)));
  Ref<vfs::MountNamespace> space = proc::namespace_behind(*file).mounts;
  if (!space) return Errno::einval;
  return space;
}

bool is_foreign(const Task& me, const uapi::mnt_id_req& r, const vfs::MountNamespace& space) {
  return r.mnt_ns_id != 0 && &space != me.namespaces->mounts.get() &&
         !me.cred().has(ident::Cap::sys_admin);
}

}  // namespace

Value statmount(Task& me, UserAddr request, UserAddr to, u64 size, u32 flags) {
  if (flags != 0) return Errno::einval;
  const uapi::mnt_id_req r = TRY(load_request(request));
  const Ref<vfs::MountNamespace> space = TRY(space_of(me, r));
  if (is_foreign(me, r, *space)) return Errno::eperm;
  if (!core::is_user_range(to, size)) return Errno::efault;
  constexpr u64 texts = uapi::statmount_mnt_root | uapi::statmount_mnt_point |
                        uapi::statmount_fs_type | uapi::statmount_mnt_opts;
  uapi::statmount out{};
  if ((r.param & texts) != 0 && size <= sizeof(out)) return Errno::eoverflow;
  mem::Text strings;
  TRY(vfs::report_mount(me.asker(), *space, r.mnt_id, r.param, size, out, strings));
  const std::string_view text = strings.text();
  if (!text.empty()) TRY(core::write_user(to + sizeof(out), text.data(), text.size()));
  const u64 fixed = std::min<u64>(size, sizeof(out));
  out.size = static_cast<u32>(fixed + text.size());
  return done(core::write_user(to, &out, fixed));
}

Value listmount(Task& me, UserAddr request, UserOut<u64> ids, u64 count, u32 flags) {
  constexpr u64 most = 1'000'000;
  if ((flags & ~u32{uapi::listmount_reverse}) != 0) return Errno::einval;
  if (count > most) return Errno::eoverflow;
  if (!core::is_user_range(ids.address(), count * sizeof(u64))) return Errno::efault;
  const uapi::mnt_id_req r = TRY(load_request(request));
  if (r.param != 0 && r.param < vfs::first_unique_id) return Errno::einval;
  const Ref<vfs::MountNamespace> space = TRY(space_of(me, r));
  if (is_foreign(me, r, *space)) return Errno::enoent;
  // No more room than there are mounts.
  count = std::min<u64>(count, vfs::mount_count(*space));
  if (count == 0) return u64{0};
  const mem::HeapBytes room = TRY(mem::HeapBytes::make(ALLOC_SITE, count * sizeof(u64)));
  const std::span<u64> found(reinterpret_cast<u64*>(room.bytes().data()), count);
  const bool is_backwards = (flags & uapi::listmount_reverse) != 0;
  const usize n = TRY(vfs::list_mounts(me.asker(), *space, r.mnt_id, r.param, is_backwards, found));
  if (n != 0) TRY(core::write_user(ids.address(), found.data(), n * sizeof(u64)));
  return u64{n};
}

}  // namespace auk::syscall::calls
