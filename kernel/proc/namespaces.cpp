#include "proc/namespaces.hpp"

#include "generated/uapi/sched.hpp"
#include "proc/task.hpp"
#include "vfs/mounting.hpp"

namespace auk::proc {

static_assert(namespace_flags == (uapi::clone_newns | uapi::clone_newpid));

Result<Ref<NamespaceSet>> copy_namespaces(Task& me, vfs::FsContext& fs, u64 flags) {
  const Ref<NamespaceSet>& from = me.namespaces;
  if ((flags & namespace_flags) == 0) return from;
  if (!me.cred().has(ident::Cap::sys_admin)) return Errno::eperm;
  Ref<vfs::MountNamespace> mounts = from->mounts;
  if ((flags & uapi::clone_newns) != 0) mounts = TRY(vfs::copy_namespace(*from->mounts, fs));
  Ref<ident::PidNamespace> pids = from->pids_of_children;
  if ((flags & uapi::clone_newpid) != 0) {
    if (pids.get() != &me.pid_space()) return Errno::einval;
    pids = TRY(ident::PidNamespace::create(*pids));
  }
  return mem::make_ref<NamespaceSet>(ALLOC_SITE, std::move(mounts), std::move(pids));
}

}  // namespace auk::proc
