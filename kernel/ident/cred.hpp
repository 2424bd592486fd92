// Credentials: who acts. One immutable object per identity, shared by counting.
//
// Data model: a thread points to one Cred; changing it means making another one. User ids are those
// of the initial user namespace. Source: credentials(7), capabilities(7).
#pragma once
#include <array>

#include "base/own.hpp"
#include "ident/domain.hpp"
#include "ident/user.hpp"
#include "mem/box.hpp"

namespace auk::ident {

enum class Cap : u32 {
  chown = 0,
  dac_override = 1,
  dac_read_search = 2,
  fowner = 3,
  fsetid = 4,
  kill = 5,
  setgid = 6,
  setuid = 7,
  setpcap = 8,
  linux_immutable = 9,
  net_admin = 12,
  ipc_lock = 14,
  sys_rawio = 17,
  sys_chroot = 18,
  sys_ptrace = 19,
  sys_pacct = 20,
  sys_admin = 21,
  sys_boot = 22,
  sys_nice = 23,
  sys_resource = 24,
  sys_time = 25,
  sys_tty_config = 26,
  mknod = 27,
  setfcap = 31,
  mac_override = 32,
  syslog = 34,
  wake_alarm = 35,
  checkpoint_restore = 40,
};
inline constexpr u32 cap_count = 41;
inline constexpr u64 all_caps = (u64{1} << cap_count) - 1;

struct Cred final : RefCounted<Cred> {
  Ref<User> user;  ///< of `uid`
  static constexpr usize max_groups = 65536;
  u32 uid = 0, gid = 0, euid = 0, egid = 0, suid = 0, sgid = 0, fsuid = 0, fsgid = 0;
  u64 inheritable = 0, permitted = all_caps, effective = all_caps, bounding = all_caps, ambient = 0;
  u32 securebits = 0;
  u32 group_count = 0;
  u32* groups = nullptr;  ///< sorted; owned
  Ref<Domain> domain;     ///< null: nothing was given up

  Cred() = default;
  ~Cred() { mem::free(groups); }
  static void destroy(Cred* c) { mem::destroy(c); }
  /// A copy to be changed before anybody else sees it. ENOMEM.
  Result<Ref<Cred>> copy() const;
  bool has(Cap c) const { return (effective >> static_cast<u32>(c) & 1) != 0; }
  /// One of uapi::secbit_*.
  bool is_secure(u32 bit) const { return (securebits & bit) != 0; }
  bool is_in_group(u32 g) const;
  /// Whose files its domain restricts; null for most.
  const Domain* file_domain() const {
    return domain && domain->all.files != 0 ? domain.get() : nullptr;
  }
};

/// Root's, with which the first program starts. ENOMEM.
Result<Ref<Cred>> make_root_cred();

}  // namespace auk::ident
