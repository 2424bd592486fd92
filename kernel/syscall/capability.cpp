// What root's power is split into: see capget(2), capabilities(7), and the PR_CAP* operations of
// prctl(2).
#include "generated/uapi/capability.hpp"
#include "generated/uapi/prctl.hpp"
#include "syscall/calls.hpp"
#include "syscall/prctl.hpp"
#include "uapi/cred.hpp"

namespace auk::syscall {
namespace {

using ident::Cap;
using ident::Cred;

constexpr u64 bit(u64 cap) { return u64{1} << cap; }
constexpr bool is_valid(u64 cap) { return cap < ident::cap_count; }
constexpr bool is_part(u64 part, u64 whole) { return (part & ~whole) == 0; }

/// How many words of each set a version of the header has. An unknown version is told which one we
/// would like, and EINVAL.
Result<u32> words_of(UserAddr header) {
  const u32 version = TRY(core::UserIn<u32>(header).load());
  switch (version) {
    case uapi::linux_capability_version_1: return u32{1};
    case uapi::linux_capability_version_2:
    case uapi::linux_capability_version_3: return u32{2};
    default:
      TRY(core::UserOut<u32>(header).store(uapi::linux_capability_version_3));
      return Errno::einval;
  }
}

Result<int> pid_of(UserAddr header) {
  return static_cast<int>(
      TRY(core::UserIn<u32>(header + offsetof(uapi::user_cap_header, pid)).load()));
}

using Words = std::array<uapi::user_cap_data, 2>;

u64 joined(const Words& w, u32 uapi::user_cap_data::* set) {
  return (u64{w[1].*set} << 32 | w[0].*set) & ident::all_caps;
}

/// capset(2): nobody gains what he had not.
Result<void> check_change(const Cred& old, const Cred& fresh) {
  const bool may_inherit_any = old.has(Cap::setpcap);
  if (!may_inherit_any && !is_part(fresh.inheritable, old.inheritable | old.permitted))
    return Errno::eperm;
  if (!is_part(fresh.inheritable, old.inheritable | old.bounding)) return Errno::eperm;
  if (!is_part(fresh.permitted, old.permitted)) return Errno::eperm;
  if (!is_part(fresh.effective, fresh.permitted)) return Errno::eperm;
  return {};
}

constexpr u32 all_bits = uapi::secbit_noroot | uapi::secbit_no_setuid_fixup |
                         uapi::secbit_keep_caps | uapi::secbit_no_cap_ambient_raise;
constexpr u32 all_locks = all_bits << 1;

Value set_securebits(Task& me, u64 wanted) {
  const Cred& old = me.cred();
  const u32 locked = (old.securebits & all_locks) >> 1;
  if ((locked & (old.securebits ^ wanted)) != 0) return Errno::eperm;
  if ((old.securebits & all_locks & ~wanted) != 0) return Errno::eperm;
  if ((wanted & ~u64{all_locks | all_bits}) != 0) return Errno::eperm;
  if (!old.has(Cap::setpcap)) return Errno::eperm;
  Ref<Cred> c = TRY(old.copy());
  c->securebits = static_cast<u32>(wanted);
  me.set_cred(std::move(c));
  return u64{0};
}

Value set_keep_caps(Task& me, u64 wanted) {
  if (wanted > 1) return Errno::einval;
  const Cred& old = me.cred();
  if (old.is_secure(uapi::secbit_keep_caps_locked)) return Errno::eperm;
  Ref<Cred> c = TRY(old.copy());
  c->securebits &= ~u32{uapi::secbit_keep_caps};
  if (wanted != 0) c->securebits |= uapi::secbit_keep_caps;
  me.set_cred(std::move(c));
  return u64{0};
}

Value drop_from_bounding(Task& me, u64 cap) {
  if (!me.cred().has(Cap::setpcap)) return Errno::eperm;
  if (!is_valid(cap)) return Errno::einval;
  Ref<Cred> c = TRY(me.cred().copy());
  c->bounding &= ~bit(cap);
  me.set_cred(std::move(c));
  return u64{0};
}

Value change_ambient(Task& me, const PrctlArguments& a) {
  const Cred& old = me.cred();
  if (a[0] == uapi::pr_cap_ambient_clear_all) {
    if ((a[1] | a[2] | a[3]) != 0) return Errno::einval;
    Ref<Cred> c = TRY(old.copy());
    c->ambient = 0;
    me.set_cred(std::move(c));
    return u64{0};
  }
  if (!is_valid(a[1]) || (a[2] | a[3]) != 0) return Errno::einval;
  const u64 cap = bit(a[1]);
  if (a[0] == uapi::pr_cap_ambient_is_set) return u64{(old.ambient & cap) != 0 ? 1U : 0U};
  const bool raises = a[0] == uapi::pr_cap_ambient_raise;
  if (!raises && a[0] != uapi::pr_cap_ambient_lower) return Errno::einval;
  if (raises && ((old.permitted & old.inheritable & cap) == 0 ||
                 old.is_secure(uapi::secbit_no_cap_ambient_raise)))
    return Errno::eperm;
  Ref<Cred> c = TRY(old.copy());
  c->ambient = raises ? c->ambient | cap : c->ambient & ~cap;
  me.set_cred(std::move(c));
  return u64{0};
}

}  // namespace

Value prctl_capabilities(Task& me, int option, const PrctlArguments& a) {
  const Cred& c = me.cred();
  switch (option) {
    case uapi::pr_capbset_read:
      if (!is_valid(a[0])) return Errno::einval;
      return u64{(c.bounding & bit(a[0])) != 0 ? 1U : 0U};
    case uapi::pr_capbset_drop: return drop_from_bounding(me, a[0]);
    case uapi::pr_get_securebits: return u64{c.securebits};
    case uapi::pr_set_securebits: return set_securebits(me, a[0]);
    case uapi::pr_get_keepcaps: return u64{c.is_secure(uapi::secbit_keep_caps) ? 1U : 0U};
    case uapi::pr_set_keepcaps: return set_keep_caps(me, a[0]);
    case uapi::pr_cap_ambient: return change_ambient(me, a);
    default: return Errno::einval;
  }
}

namespace calls {

Value capget(Task& me, UserAddr header, UserAddr data) {
  Result<u32> words = words_of(header);
  if (!words.ok() && (data.value != 0 || words.error() != Errno::einval)) return words.error();
  if (data.value == 0) return u64{0};
  const int pid = TRY(pid_of(header));
  if (pid < 0) return Errno::einval;
  Ref<Cred> c = me.cred_ref();
  if (pid != 0 && static_cast<u32>(pid) != me.tid())
    c = TRY(proc::find_task(static_cast<u32>(pid)))->cred_ref();
  Words w{};
  for (u32 i = 0; i < w.size(); ++i)
    w[i] = {static_cast<u32>(c->effective >> (32 * i)), static_cast<u32>(c->permitted >> (32 * i)),
            static_cast<u32>(c->inheritable >> (32 * i))};
  TRY(core::write_user(data, w.data(), *words * sizeof(w[0])));
  return u64{0};
}

Value capset(Task& me, UserAddr header, UserAddr data) {
  const u32 words = TRY(words_of(header));
  const int pid = TRY(pid_of(header));
  if (pid != 0 && static_cast<u32>(pid) != me.tid()) return Errno::eperm;
  Words w{};
  TRY(core::read_user(w.data(), data, words * sizeof(w[0])));
  const Cred& old = me.cred();
  Ref<Cred> c = TRY(old.copy());
  c->effective = joined(w, &uapi::user_cap_data::effective);
  c->permitted = joined(w, &uapi::user_cap_data::permitted);
  c->inheritable = joined(w, &uapi::user_cap_data::inheritable);
  TRY(check_change(old, *c));
  c->ambient &= c->permitted & c->inheritable;
  me.set_cred(std::move(c));
  return u64{0};
}

}  // namespace calls
}  // namespace auk::syscall
