// NamespaceSet: what a thread sees of the system (decision D11).
//
// Data model: one immutable, counted set for each combination; a thread points to one. Changing a
// namespace means making another set. Context: threads. Source: namespaces(7).
#pragma once
#include "vfs/fs_context.hpp"

namespace auk::proc {

struct NamespaceSet final : RefCounted<NamespaceSet> {
  const Ref<vfs::MountNamespace> mounts;

  explicit NamespaceSet(Ref<vfs::MountNamespace> m) : mounts(std::move(m)) {}
  static void destroy(NamespaceSet* s) { mem::destroy(s); }
};

/// The kinds of namespaces there are here, as flags of clone(2); the others are EINVAL.
inline constexpr u64 namespace_flags = 0x00020000;  // CLONE_NEWNS
/// A set with new namespaces of these kinds. `fs`, which is the caller's alone, moves along. EPERM,
/// EINVAL, ENOMEM, ENOSPC.
Result<Ref<NamespaceSet>> copy_namespaces(const Ref<NamespaceSet>& from, const ident::Cred& cred,
                                          vfs::FsContext& fs, u64 flags);

}  // namespace auk::proc
