#include "proc/namespaces.hpp"

#include "vfs/mounting.hpp"

namespace auk::proc {

Result<Ref<NamespaceSet>> copy_namespaces(const Ref<NamespaceSet>& from, const ident::Cred& cred,
                                          vfs::FsContext& fs, u64 flags) {
  if ((flags & namespace_flags) == 0) return from;
  if (!cred.has(ident::Cap::sys_admin)) return Errno::eperm;
  Ref<vfs::MountNamespace> mounts = TRY(vfs::copy_namespace(*from->mounts, fs));
  return mem::make_ref<NamespaceSet>(ALLOC_SITE, std::move(mounts));
}

}  // namespace auk::proc
