#include "ident/cred.hpp"

#include "core/sysctl.hpp"

#include <algorithm>

namespace auk::ident {
namespace {

// Every id has a place wherever it is told: what does not fit is shown as nobody's, once it exists.
constexpr u64 nobody = 65534;
constinit core::ConstantSysctl overflow_user("kernel/overflowuid", nobody);
constinit core::ConstantSysctl overflow_group("kernel/overflowgid", nobody);
constinit core::ConstantSysctl overflow_owner("fs/overflowuid", nobody);
constinit core::ConstantSysctl overflow_owning_group("fs/overflowgid", nobody);
SYSCTL(overflow_user);
SYSCTL(overflow_group);
SYSCTL(overflow_owner);
SYSCTL(overflow_owning_group);

constinit core::ConstantSysctl cap_last_cap("kernel/cap_last_cap", u64{cap_count - 1});
constinit core::ConstantSysctl ngroups_max("kernel/ngroups_max", u64{Cred::max_groups});
SYSCTL(cap_last_cap);
SYSCTL(ngroups_max);

}  // namespace

Result<Ref<Cred>> Cred::copy() const {
  Ref<Cred> c = TRY(mem::make_ref<Cred>(ALLOC_SITE));
  if (group_count > 0) {
    c->groups = static_cast<u32*>(TRY(mem::allocate(ALLOC_SITE, group_count * sizeof(u32))));
    std::copy_n(groups, group_count, c->groups);
    c->group_count = group_count;
  }
  c->user = user;
  c->uid = uid;
  c->gid = gid;
  c->euid = euid;
  c->egid = egid;
  c->suid = suid;
  c->sgid = sgid;
  c->fsuid = fsuid;
  c->fsgid = fsgid;
  c->inheritable = inheritable;
  c->permitted = permitted;
  c->effective = effective;
  c->bounding = bounding;
  c->ambient = ambient;
  c->securebits = securebits;
  c->domain = domain;
  return c;
}

bool Cred::is_in_group(u32 g) const {
  return g == fsgid || (group_count > 0 && std::binary_search(groups, groups + group_count, g));
}

Result<Ref<Cred>> make_root_cred() {
  Ref<Cred> c = TRY(mem::make_ref<Cred>(ALLOC_SITE));
  c->user = TRY(find_user(0));
  return c;
}

}  // namespace auk::ident
