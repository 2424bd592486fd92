// Who the caller is: see setuid(2), setresuid(2), setfsuid(2), getgroups(2), capabilities(7).
#include <algorithm>

#include "generated/uapi/capability.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {
namespace {

using ident::Cap;
using ident::Cred;

constexpr u32 same = ~u32{0};

/// The three ids of one kind, and the one for files.
struct Ids {
  u32 Cred::* real;
  u32 Cred::* effective;
  u32 Cred::* saved;
  u32 Cred::* files;
  Cap cap;
};
constexpr Ids user_ids{&Cred::uid, &Cred::euid, &Cred::suid, &Cred::fsuid, Cap::setuid};
constexpr Ids group_ids{&Cred::gid, &Cred::egid, &Cred::sgid, &Cred::fsgid, Cap::setgid};

/// capabilities(7), "Effect of user ID changes on capabilities".
void follow_user_ids(const Cred& old, Cred& c) {
  if (old.is_secure(uapi::secbit_no_setuid_fixup)) return;
  const bool was_root = old.uid == 0 || old.euid == 0 || old.suid == 0;
  const bool is_root = c.uid == 0 || c.euid == 0 || c.suid == 0;
  if (was_root && !is_root) {
    c.ambient = 0;
    if (!old.is_secure(uapi::secbit_keep_caps)) c.permitted = c.effective = 0;
  }
  if (old.euid == 0 && c.euid != 0) c.effective = 0;
  if (old.euid != 0 && c.euid == 0) c.effective = c.permitted;
}

Value commit(Task& me, Ref<Cred> c) {
  if (c->uid != me.cred().uid) {
    Result<Ref<ident::User>> user = ident::find_user(c->uid);
    if (!user.ok()) return Errno::eagain;
    c->user = user.take();
    me.exceeds_threads = me.has_too_many_threads(*c);
  }
  follow_user_ids(me.cred(), *c);
  me.set_cred(std::move(c));
  return u64{0};
}

bool is_one_of(const Cred& c, const Ids& k, u32 id) {
  return id == c.*k.real || id == c.*k.effective || id == c.*k.saved;
}

Value set_one(Task& me, const Ids& k, u32 id) {
  if (id == same) return Errno::einval;
  const Cred& old = me.cred();
  Ref<Cred> c = TRY(old.copy());
  if (old.has(k.cap))
    (*c).*k.real = (*c).*k.saved = id;
  else if (id != old.*k.real && id != old.*k.saved)
    return Errno::eperm;
  (*c).*k.effective = (*c).*k.files = id;
  return commit(me, std::move(c));
}

Value set_real_effective(Task& me, const Ids& k, u32 real, u32 effective) {
  const Cred& old = me.cred();
  Ref<Cred> c = TRY(old.copy());
  const bool may = old.has(k.cap);
  if (real != same) {
    if (!may && real != old.*k.real && real != old.*k.effective) return Errno::eperm;
    (*c).*k.real = real;
  }
  if (effective != same) {
    if (!may && !is_one_of(old, k, effective)) return Errno::eperm;
    (*c).*k.effective = effective;
  }
  if (real != same || (effective != same && effective != old.*k.real))
    (*c).*k.saved = (*c).*k.effective;
  (*c).*k.files = (*c).*k.effective;
  return commit(me, std::move(c));
}

Value set_three(Task& me, const Ids& k, u32 real, u32 effective, u32 saved) {
  const Cred& old = me.cred();
  if (!old.has(k.cap))
    for (const u32 id : {real, effective, saved})
      if (id != same && !is_one_of(old, k, id)) return Errno::eperm;
  Ref<Cred> c = TRY(old.copy());
  if (real != same) (*c).*k.real = real;
  if (effective != same) (*c).*k.effective = effective;
  if (saved != same) (*c).*k.saved = saved;
  (*c).*k.files = (*c).*k.effective;
  return commit(me, std::move(c));
}

Value get_three(const Cred& c, const Ids& k, UserOut<u32> real, UserOut<u32> effective,
                UserOut<u32> saved) {
  TRY(real.store(c.*k.real));
  TRY(effective.store(c.*k.effective));
  TRY(saved.store(c.*k.saved));
  return u64{0};
}

/// capabilities(7): those over files follow the user id for files.
void follow_file_id(u32 before, Cred& c) {
  constexpr auto bit = [](Cap cap) { return u64{1} << static_cast<u32>(cap); };
  constexpr u64 over_files = bit(Cap::chown) | bit(Cap::mknod) | bit(Cap::dac_override) |
                             bit(Cap::dac_read_search) | bit(Cap::fowner) | bit(Cap::fsetid) |
                             bit(Cap::linux_immutable) | bit(Cap::mac_override);
  if (c.is_secure(uapi::secbit_no_setuid_fixup)) return;
  if (before == 0 && c.fsuid != 0) c.effective &= ~over_files;
  if (before != 0 && c.fsuid == 0) c.effective |= c.permitted & over_files;
}

/// The id for files alone; the answer is the one before, whatever happens.
Value set_files(Task& me, const Ids& k, u32 id) {
  const Cred& old = me.cred();
  const u32 before = old.*k.files;
  if (id == same || (!old.has(k.cap) && !is_one_of(old, k, id) && id != before)) return u64{before};
  Result<Ref<Cred>> made = old.copy();
  if (!made.ok()) return u64{before};
  Ref<Cred> c = made.take();
  (*c).*k.files = id;
  if (k.files == &Cred::fsuid) follow_file_id(before, *c);
  me.set_cred(std::move(c));
  return u64{before};
}

}  // namespace

Value getuid(Task& me) { return u64{me.cred().uid}; }
Value geteuid(Task& me) { return u64{me.cred().euid}; }
Value getgid(Task& me) { return u64{me.cred().gid}; }
Value getegid(Task& me) { return u64{me.cred().egid}; }
Value getresuid(Task& me, UserOut<u32> real, UserOut<u32> effective, UserOut<u32> saved) {
  return get_three(me.cred(), user_ids, real, effective, saved);
}
Value getresgid(Task& me, UserOut<u32> real, UserOut<u32> effective, UserOut<u32> saved) {
  return get_three(me.cred(), group_ids, real, effective, saved);
}
Value setuid(Task& me, u32 id) { return set_one(me, user_ids, id); }
Value setgid(Task& me, u32 id) { return set_one(me, group_ids, id); }
Value setreuid(Task& me, u32 real, u32 effective) {
  return set_real_effective(me, user_ids, real, effective);
}
Value setregid(Task& me, u32 real, u32 effective) {
  return set_real_effective(me, group_ids, real, effective);
}
Value setresuid(Task& me, u32 real, u32 effective, u32 saved) {
  return set_three(me, user_ids, real, effective, saved);
}
Value setresgid(Task& me, u32 real, u32 effective, u32 saved) {
  return set_three(me, group_ids, real, effective, saved);
}
Value setfsuid(Task& me, u32 id) { return set_files(me, user_ids, id); }
Value setfsgid(Task& me, u32 id) { return set_files(me, group_ids, id); }

Value getgroups(Task& me, int size, UserAddr list) {
  const Cred& c = me.cred();
  if (size < 0) return Errno::einval;
  if (size != 0) {
    if (c.group_count > static_cast<u32>(size)) return Errno::einval;
    if (c.group_count != 0) TRY(core::write_user(list, c.groups, c.group_count * sizeof(u32)));
  }
  return u64{c.group_count};
}

Value setgroups(Task& me, int size, UserAddr list) {
  if (!me.cred().has(Cap::setgid)) return Errno::eperm;
  if (size < 0 || static_cast<usize>(size) > Cred::max_groups) return Errno::einval;
  const auto count = static_cast<u32>(size);
  Ref<Cred> c = TRY(me.cred().copy());
  u32* groups = nullptr;
  if (count != 0) {
    groups = static_cast<u32*>(TRY(mem::allocate(ALLOC_SITE, count * sizeof(u32))));
    mem::free(std::exchange(c->groups, groups));
    c->group_count = 0;
    TRY(core::read_user(groups, list, count * sizeof(u32)));
    std::sort(groups, groups + count, [](u32 a, u32 b) { return a < b; });
  }
  c->group_count = count;
  me.set_cred(std::move(c));
  return u64{0};
}

}  // namespace auk::syscall::calls
