// What the calls about sockets share.
#pragma once
#include "net/socket.hpp"
#include "syscall/bind.hpp"

namespace auk::syscall {

/// EBADF, ENOTSOCK.
Result<Ref<net::Socket>> socket_at(Task& me, Fd fd);

/// What travels beside the bytes, from and to a program's memory: see cmsg(3).
/// EINVAL, EBADF, EPERM, ETOOMANYREFS, ENOMEM.
Result<void> load_control(Task& me, UserAddr at, u64 size, net::Ancillary& into);
struct ControlRoom {
  UserAddr at;
  u64 size = 0, used = 0;
};
/// What does not fit is dropped, and MSG_CTRUNC is returned. EFAULT.
Result<u32> store_control(Task& me, const net::Socket& s, const net::Receiving& r,
                          ControlRoom& room, bool close_on_exec);

}  // namespace auk::syscall
