// Sandboxes that programs make for themselves: see landlock(7), landlock_create_ruleset(2),
// landlock_add_rule(2), landlock_restrict_self(2).
//
// The version of the interface is that of Linux 6.12, of a kernel without TCP: ports can be spoken
// of, and no rule about one can be made.
#include "generated/uapi/landlock.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "uapi/landlock.hpp"
#include "vfs/landlock.hpp"
#include "vfs/ruleset.hpp"

namespace auk::syscall::calls {
namespace {

constexpr u64 version = 6;
/// What is put right: 1, sockets that are not TCP's; 2, signals between threads of one process; 3,
/// directories that were moved out of a mount; 4, whiteouts.
constexpr u64 errata = 0b1111;

constexpr u64 all_ports =
    uapi::landlock_access_net_bind_tcp | uapi::landlock_access_net_connect_tcp;
constexpr u64 all_scopes = uapi::landlock_scope_abstract_unix_socket | uapi::landlock_scope_signal;

bool is_among(u64 bits, u64 known) { return (bits & ~known) == 0; }

/// The ruleset behind a descriptor, which keeps it. EBADF; EBADFD: it is none.
class Opened {
  io::FileLoan file_;
  vfs::Ruleset* ruleset_ = nullptr;

 public:
  Result<void> find(Task& me, Fd fd) {
    file_ = TRY(file_of(me, fd));
    ruleset_ = vfs::ruleset_behind(*file_);
    return ruleset_ != nullptr ? Result<void>() : Errno::ebadfd;
  }
  vfs::Ruleset* operator->() const { return ruleset_; }
};

/// ENOMSG: it gives nothing. EINVAL: more than the ruleset speaks of.
Result<void> check_given(u64 given, u64 handled) {
  if (given == 0) return Errno::enomsg;
  return is_among(given, handled) ? Result<void>() : Errno::einval;
}

/// The file that a descriptor is open on, be it only as a path. EBADF; EBADFD: it has no place in a
/// tree.
Result<vfs::Path> path_behind(Task& me, Fd fd) {
  const Ref<io::File> file = TRY(me.files->get(fd.number));
  const vfs::Path* const at = vfs::path_of(*file);
  if (at == nullptr || at->mount->is_internal()) return Errno::ebadfd;
  return *at;
}

Result<void> add_path(Task& me, const Opened& ruleset, UserAddr from) {
  const auto rule = TRY(UserIn<uapi::landlock_path_beneath_attr>(from).load());
  TRY(check_given(rule.allowed_access, ruleset->handled.files));
  const vfs::Path at = TRY(path_behind(me, Fd{rule.parent_fd}));
  return ruleset->add(at, static_cast<u32>(rule.allowed_access));
}

Result<void> add_port(const Opened& ruleset, UserAddr from) {
  constexpr u64 most = 0xffff;
  const auto rule = TRY(UserIn<uapi::landlock_net_port_attr>(from).load());
  TRY(check_given(rule.allowed_access, ruleset->handled_ports));
  return rule.port > most ? Errno::einval : Errno::eafnosupport;
}

}  // namespace

Value landlock_create_ruleset(Task& me, UserAddr from, u64 size, u32 flags) {
  if (flags != 0) {
    if (from.value != 0 || size != 0) return Errno::einval;
    switch (flags) {
      case uapi::landlock_create_ruleset_version: return version;
      case uapi::landlock_create_ruleset_errata: return errata;
      default: return Errno::einval;
    }
  }
  if (from.value == 0) return Errno::efault;
  uapi::landlock_ruleset_attr a{};
  // In the first version it spoke of files only.
  TRY(load_grown(a, from, size, sizeof(a.handled_access_fs)));
  if (!is_among(a.handled_access_fs, vfs::landlock::all_rights) ||
      !is_among(a.handled_access_net, all_ports) || !is_among(a.scoped, all_scopes))
    return Errno::einval;
  if ((a.handled_access_fs | a.handled_access_net | a.scoped) == 0) return Errno::enomsg;
  return install_file(me,
                      TRY(vfs::make_ruleset({.files = static_cast<u32>(a.handled_access_fs),
                                             .scopes = static_cast<u32>(a.scoped)},
                                            static_cast<u32>(a.handled_access_net))),
                      true);
}

Value landlock_add_rule(Task& me, Fd fd, int kind, UserAddr rule, u32 flags) {
  if (flags != 0) return Errno::einval;
  Opened ruleset;
  TRY(ruleset.find(me, fd));
  switch (kind) {
    case uapi::landlock_rule_path_beneath: return done(add_path(me, ruleset, rule));
    case uapi::landlock_rule_net_port: return done(add_port(ruleset, rule));
    default: return Errno::einval;
  }
}

Value landlock_restrict_self(Task& me, Fd fd, u32 flags) {
  // What a program with more rights would do in a sandbox, nobody knows.
  if (!me.no_new_privs && !me.cred().has(ident::Cap::sys_admin)) return Errno::eperm;
  if (flags != 0) return Errno::einval;
  Opened ruleset;
  TRY(ruleset.find(me, fd));
  Ref<ident::Cred> cred = TRY(me.cred().copy());
  cred->domain = TRY(ruleset->domain_on(cred->domain));
  me.set_cred(std::move(cred));
  return u64{0};
}

}  // namespace auk::syscall::calls
