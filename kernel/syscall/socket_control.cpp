// Control messages of sendmsg(2) and recvmsg(2): see cmsg(3), unix(7).
#include <algorithm>

#include "base/math.hpp"
#include "generated/uapi/socket.hpp"
#include "syscall/socket.hpp"
#include "syscall/support.hpp"

namespace auk::syscall {
namespace {

/// struct cmsghdr.
struct Header {
  u64 size;
  i32 level, type;
};
constexpr u64 alignment = sizeof(u64);
constexpr u64 most_control = 20480;  // Linux's net.core.optmem_max at least

Result<void> load_rights(Task& me, UserAddr at, u64 size, net::Ancillary& into) {
  const u64 count = size / sizeof(i32);
  if (count > net::Rights::most) return Errno::einval;
  if (count == 0) return {};
  const u32 before = into.rights ? static_cast<u32>(into.rights->files().size()) : 0;
  if (before + count > net::Rights::most) return Errno::einval;
  mem::Box<net::Rights> all = TRY(net::Rights::create(before + static_cast<u32>(count)));
  for (u32 i = 0; i < before; ++i) all->files()[i] = into.rights->files()[i];
  for (u64 i = 0; i < count; ++i) {
    const i32 fd = TRY(core::UserIn<i32>(at + i * sizeof(i32)).load());
    all->files()[before + i] = TRY(me.files->get(fd));
  }
  into.rights = std::move(all);
  return {};
}

/// A program may say of itself what it could be, and with capabilities anything.
Result<void> load_identity(Task& me, UserAddr at, u64 size, net::Ancillary& into) {
  if (size != sizeof(net::ShownCredentials)) return Errno::einval;
  const auto i = TRY(core::UserIn<net::ShownCredentials>(at).load());
  const ident::Cred& c = me.cred();
  const bool may_pid = i.pid == me.group->number() || c.has(ident::Cap::sys_admin);
  const bool may_uid =
      i.uid == c.uid || i.uid == c.euid || i.uid == c.suid || c.has(ident::Cap::setuid);
  const bool may_gid =
      i.gid == c.gid || i.gid == c.egid || i.gid == c.sgid || c.has(ident::Cap::setgid);
  if (!may_pid || !may_uid || !may_gid) return Errno::eperm;
  const Ref<ident::Pid> pid =
      i.pid == me.group->number() ? me.group->pid : TRY(proc::find_pid(i.pid));
  into.sender =
      net::Credentials{pid->number(), i.uid, i.gid, pid->level() == 0 ? Ref<ident::Pid>() : pid};
  return {};
}

/// One message, and how far the next one is; nothing but MSG_CTRUNC if it does not fit.
Result<u32> store_one(ControlRoom& room, i32 level, i32 type, std::span<const byte> data) {
  const Header h{.size = sizeof(Header) + data.size(), .level = level, .type = type};
  if (room.size - room.used < h.size) return net::message_flag::control_truncated;
  TRY(core::UserOut<Header>(room.at + room.used).store(h));
  TRY(core::write_user(room.at + room.used + sizeof(Header), data.data(), data.size()));
  room.used += std::min(align_up(h.size, alignment), room.size - room.used);
  return 0;
}

/// As many files as there is room and descriptors for.
Result<u32> store_rights(Task& me, const net::Rights& rights, ControlRoom& room,
                         bool close_on_exec) {
  const std::span<Ref<io::File>> files = rights.files();
  const u64 left = room.size - room.used;
  const u64 fit = left > sizeof(Header) ? (left - sizeof(Header)) / sizeof(i32) : 0;
  const u64 wanted = std::min<u64>(fit, files.size());
  u64 done = 0;
  for (; done < wanted; ++done) {
    Result<int> fd = me.files->reserve(0, me.group->limit(uapi::rlimit_nofile));
    if (!fd.ok()) break;
    const UserAddr place = room.at + room.used + sizeof(Header) + done * sizeof(i32);
    if (!core::UserOut<i32>(place).store(*fd).ok()) {
      me.files->unreserve(*fd);
      break;
    }
    me.files->install(*fd, files[done], close_on_exec);
  }
  if (done > 0) {
    const Header h{.size = sizeof(Header) + done * sizeof(i32),
                   .level = uapi::sol_socket,
                   .type = uapi::scm_rights};
    TRY(core::UserOut<Header>(room.at + room.used).store(h));
    room.used += std::min(align_up(h.size, alignment), left);
  }
  return done < files.size() ? net::message_flag::control_truncated : u32{0};
}

}  // namespace

Result<void> load_control(Task& me, UserAddr at, u64 size, net::Ancillary& into) {
  if (size > most_control) return Errno::enobufs;
  for (u64 offset = 0; size - offset >= sizeof(Header);) {
    const Header h = TRY(core::UserIn<Header>(at + offset).load());
    if (h.size < sizeof(Header) || h.size > size - offset) return Errno::einval;
    const UserAddr data = at + offset + sizeof(Header);
    const u64 length = h.size - sizeof(Header);
    if (h.level == uapi::sol_socket) {
      if (h.type == uapi::scm_rights)
        TRY(load_rights(me, data, length, into));
      else if (h.type == uapi::scm_credentials)
        TRY(load_identity(me, data, length, into));
      else
        return Errno::einval;
    }
    offset += std::min(align_up(h.size, alignment), size - offset);
  }
  if (into.rights) TRY(into.rights->charge(net::actor()));
  return {};
}

Result<u32> store_control(Task& me, const net::Socket& s, const net::Receiving& r,
                          ControlRoom& room, bool close_on_exec) {
  u32 flags = 0;
  if (r.control)
    flags |=
        TRY(store_one(room, r.control->level, r.control->type, object_bytes(r.control->value)));
  if (s.options->is_on(uapi::so_passcred) && r.with.sender) {
    const net::ShownCredentials seen = r.with.sender->seen_from(me.pid_space());
    flags |= TRY(store_one(room, uapi::sol_socket, uapi::scm_credentials, object_bytes(seen)));
  }
  if (r.with.rights) flags |= TRY(store_rights(me, *r.with.rights, room, close_on_exec));
  return flags;
}

}  // namespace auk::syscall
