// NamespaceSet: what a thread sees of the system (decision D11).
//
// Data model: one immutable, counted set for each combination; a thread points to one. Changing a
// namespace means making another set. Context: threads. Source: namespaces(7).
#pragma once
#include "ident/pid.hpp"
#include "vfs/fs_context.hpp"

namespace auk::proc {

struct NamespaceSet final : RefCounted<NamespaceSet> {
  const Ref<vfs::MountNamespace> mounts;
  /// Of the processes that it makes. It never leaves the one it is in itself, its Pid's.
  const Ref<ident::PidNamespace> pids_of_children;

  NamespaceSet(Ref<vfs::MountNamespace> m, Ref<ident::PidNamespace> p)
      : mounts(std::move(m)),
        pids_of_children(std::move(p)) {}
  static void destroy(NamespaceSet* s) { mem::destroy(s); }
};

/// The kinds of namespaces there are here, as flags of clone(2); the others are EINVAL.
inline constexpr u64 namespace_flags = 0x00020000 | 0x20000000;  // CLONE_NEWNS, CLONE_NEWPID
/// A set of the caller's with new namespaces of these kinds. `fs`, which is the caller's alone,
/// moves along. EPERM, ENOMEM, ENOSPC; EINVAL: new numbers, for one whose children have others than
/// itself already.
Result<Ref<NamespaceSet>> copy_namespaces(class Task& me, vfs::FsContext& fs, u64 flags);

}  // namespace auk::proc
