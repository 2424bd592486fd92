// Sockets: see socket(2), bind(2), connect(2), accept(2), send(2), recv(2).
#include "syscall/socket.hpp"

#include <algorithm>

#include "core/init_graph.hpp"
#include "generated/uapi/socket.hpp"
#include "syscall/calls.hpp"
#include "syscall/ranges.hpp"
#include "syscall/support.hpp"

namespace auk::syscall {

Result<Ref<net::Socket>> socket_at(Task& me, Fd fd) {
  const io::FileLoan f = TRY(file_of(me, fd));
  return net::socket_of(f.keep());
}

namespace calls {
namespace {

constexpr u32 type_mask = 0xf, close_on_exec = uapi::o_cloexec, non_block = uapi::o_nonblock;
constexpr u32 read_write = 2;

class TaskActor final : public net::ActorSource {
 public:
  constexpr TaskActor() = default;
  net::Actor current() override {
    Task& me = proc::current();
    return {me.asker(), *me.group->pid, me.group->limit(uapi::rlimit_nofile)};
  }
};
constinit TaskActor task_actor;
void setup() { net::set_actor_source(task_actor); }
INIT_TASK(socket_actor, "", "socket_actor", setup);

/// struct msghdr.
struct MessageHeader {
  u64 name;
  u32 name_size, pad;
  u64 vector, count, control, control_size;
  u32 flags, pad_end;
};

Result<net::Address> load_address(UserAddr at, u64 size) {
  if (size > net::Address::most) return Errno::einval;
  net::Address a;
  TRY(core::read_user(a.bytes.data(), at, size));
  a.size = static_cast<u32>(size);
  return a;
}

/// As much of it as there is room for; its whole size is told.
Result<u32> store_address(const net::Address& a, UserAddr at, u32 room) {
  if (static_cast<i32>(room) < 0) return Errno::einval;
  const usize n = std::min(room, a.size);
  if (n > 0) TRY(core::write_user(at, a.bytes.data(), n));
  return a.size;
}

Result<void> store_address_at(const net::Address& a, UserAddr at, UserAddr length) {
  const u32 size = TRY(store_address(a, at, TRY(core::UserIn<u32>(length).load())));
  return core::UserOut<u32>(length).store(size);
}

Result<Ref<net::Socket>> create(u32 family, u32 type, u32 protocol) {
  if (((type & ~type_mask) & ~(close_on_exec | non_block)) != 0) return Errno::einval;
  if (family >= uapi::af_max) return Errno::eafnosupport;
  if ((type & type_mask) >= uapi::sock_packet + 1) return Errno::einval;
  net::Family* const f = TRY(net::find_family(family));
  return f->create(type & type_mask, protocol, read_write | (type & non_block));
}

/// A write that fails with EPIPE is a signal too, unless the program does not want it.
Value sent(Task& me, const net::Socket& s, u32 flags, Result<usize> r) {
  if (r.ok()) return u64{*r};
  if (r.error() == Errno::epipe && s.breaks_pipe() && (flags & net::message_flag::no_signal) == 0)
    signal_writer(me, uapi::sigpipe);
  return r.error();
}

/// With where its bytes are. EMSGSIZE, EFAULT.
Result<MessageHeader> load_message(UserAddr at, Ranges& ranges) {
  const auto h = TRY(core::UserIn<MessageHeader>(at).load());
  if (h.count > most_ranges) return Errno::emsgsize;
  TRY(ranges.load(UserAddr(h.vector), h.count));
  return h;
}

Value send_message(Task& me, net::Socket& s, UserAddr at, u32 flags) {
  Ranges ranges;
  const MessageHeader h = TRY(load_message(at, ranges));
  io::IoBuf bytes(ranges.all());
  net::Sending message{.bytes = bytes, .flags = flags};
  net::Address to;
  if (h.name != 0 && h.name_size != 0) {
    if (static_cast<i32>(h.name_size) < 0) return Errno::einval;
    to = TRY(load_address(UserAddr(h.name), std::min<u64>(h.name_size, net::Address::most)));
    message.to = &to;
  }
  if (h.control_size > 0) TRY(load_control(me, UserAddr(h.control), h.control_size, message.with));
  return sent(me, s, flags, s.send(message));
}

Value receive_message(Task& me, net::Socket& s, UserAddr at, u32 flags) {
  Ranges ranges;
  const MessageHeader h = TRY(load_message(at, ranges));
  io::IoBuf bytes(ranges.all());
  net::Receiving r{.bytes = bytes, .flags = flags};
  if (h.name != 0 && static_cast<i32>(h.name_size) < 0) return Errno::einval;
  const usize n = TRY(s.receive(r));
  u32 result = r.result_flags | (flags & net::message_flag::close_on_exec);
  if (h.name != 0) {
    const u32 size = TRY(store_address(r.from, UserAddr(h.name), h.name_size));
    TRY(core::UserOut<u32>(at + offsetof(MessageHeader, name_size)).store(size));
  }
  ControlRoom room{UserAddr(h.control), h.control == 0 ? 0 : h.control_size};
  result |= TRY(store_control(me, s, r, room, (flags & net::message_flag::close_on_exec) != 0));
  TRY(core::UserOut<u32>(at + offsetof(MessageHeader, flags)).store(result));
  TRY(core::UserOut<u64>(at + offsetof(MessageHeader, control_size)).store(room.used));
  return u64{n};
}

constexpr u64 message_step = sizeof(MessageHeader) + 8;  // struct mmsghdr
constexpr u32 most_messages = 1024;

}  // namespace

Value socket(Task& me, u32 family, u32 type, u32 protocol) {
  return install_file(me, Ref<io::File>(TRY(create(family, type, protocol))),
                      (type & close_on_exec) != 0);
}

Value socketpair(Task& me, u32 family, u32 type, u32 protocol, UserAddr out) {
  const Ref<net::Socket> a = TRY(create(family, type, protocol));
  const Ref<net::Socket> b = TRY(create(family, type, protocol));
  TRY(TRY(net::find_family(family))->pair(*a, *b));
  return install_pair(me, out, Ref<io::File>(a), Ref<io::File>(b), (type & close_on_exec) != 0);
}

Value bind(Task& me, Fd fd, UserAddr at, u32 size) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  if (static_cast<i32>(size) < 0) return Errno::einval;
  return done(s->bind(TRY(load_address(at, size))));
}

Value connect(Task& me, Fd fd, UserAddr at, u32 size) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  if (static_cast<i32>(size) < 0) return Errno::einval;
  return done(s->connect(TRY(load_address(at, size))));
}

Value listen(Task& me, Fd fd, int backlog) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  constexpr u32 most_backlog = 4096;  // net.core.somaxconn
  return done(s->listen(std::min(static_cast<u32>(backlog), most_backlog)));
}

Value accept4(Task& me, Fd fd, UserAddr at, UserAddr length, u32 flags) {
  if ((flags & ~(close_on_exec | non_block)) != 0) return Errno::einval;
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  const int number = TRY(me.files->reserve(0, me.group->limit(uapi::rlimit_nofile)));
  net::Address from;
  Result<Ref<net::Socket>> accepted = s->accept(read_write | (flags & non_block), from);
  const auto tell = [&]() -> Result<void> {
    return at.value == 0 ? Result<void>() : store_address_at(from, at, length);
  };
  const Result<void> told = accepted.ok() ? tell() : Result<void>(accepted.error());
  if (!told.ok()) {
    me.files->unreserve(number);
    return told.error();
  }
  me.files->install(number, Ref<io::File>(accepted.take()), (flags & close_on_exec) != 0);
  return static_cast<u64>(number);
}

Value accept(Task& me, Fd fd, UserAddr at, UserAddr length) {
  return accept4(me, fd, at, length, 0);
}

Value getsockname(Task& me, Fd fd, UserAddr at, UserAddr length) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  return done(store_address_at(s->name(), at, length));
}

Value getpeername(Task& me, Fd fd, UserAddr at, UserAddr length) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  return done(store_address_at(TRY(s->peer_name()), at, length));
}

Value sendto(Task& me, Fd fd, UserAddr bytes, u64 size, u32 flags, UserAddr at, u32 address_size) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  if (!core::is_user_range(bytes, size)) return Errno::efault;
  io::IoBuf buffer(io::UserRange{bytes, std::min(size, most_bytes)});
  net::Sending message{.bytes = buffer, .flags = flags};
  net::Address to;
  if (at.value != 0) {
    if (static_cast<i32>(address_size) < 0) return Errno::einval;
    to = TRY(load_address(at, address_size));
    message.to = &to;
  }
  return sent(me, *s, flags, s->send(message));
}

Value recvfrom(Task& me, Fd fd, UserAddr bytes, u64 size, u32 flags, UserAddr at, UserAddr length) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  if (!core::is_user_range(bytes, size)) return Errno::efault;
  io::IoBuf buffer(io::UserRange{bytes, std::min(size, most_bytes)});
  net::Receiving r{.bytes = buffer, .flags = flags};
  const usize n = TRY(s->receive(r));
  if (at.value != 0) TRY(store_address_at(r.from, at, length));
  return u64{n};
}

Value sendmsg(Task& me, Fd fd, UserAddr at, u32 flags) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  return send_message(me, *s, at, flags);
}

Value recvmsg(Task& me, Fd fd, UserAddr at, u32 flags) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  return receive_message(me, *s, at, flags);
}

Value sendmmsg(Task& me, Fd fd, UserAddr at, u32 count, u32 flags) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  count = std::min(count, most_messages);
  for (u32 i = 0; i < count; ++i) {
    const UserAddr one = at + i * message_step;
    Value r = send_message(me, *s, one, flags);
    if (!r.ok()) return i > 0 ? Value(u64{i}) : Value(r.error());
    TRY(core::UserOut<u32>(one + sizeof(MessageHeader)).store(static_cast<u32>(*r)));
  }
  return u64{count};
}

Value recvmmsg(Task& me, Fd fd, UserAddr at, u32 count, u32 flags,
               core::UserIn<uapi::kernel_timespec> timeout) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  u64 deadline = ~u64{0};
  if (!timeout.is_null()) deadline = deadline_in(TRY(to_ns(TRY(timeout.load()))));
  count = std::min(count, most_messages);
  for (u32 i = 0; i < count; ++i) {
    const UserAddr one = at + i * message_step;
    Value r = receive_message(me, *s, one, flags & ~u32{uapi::msg_waitforone});
    if (!r.ok()) return i > 0 ? Value(u64{i}) : Value(r.error());
    TRY(core::UserOut<u32>(one + sizeof(MessageHeader)).store(static_cast<u32>(*r)));
    if ((flags & uapi::msg_waitforone) != 0) flags |= net::message_flag::do_not_wait;
    // Looked at between messages only, as on Linux.
    if (core::clock_ns() >= deadline) return u64{i} + 1;
  }
  return u64{count};
}

Value shutdown(Task& me, Fd fd, int how) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  if (how < uapi::shut_rd || how > uapi::shut_rdwr) return Errno::einval;
  return done(s->shut_down(how != uapi::shut_wr, how != uapi::shut_rd));
}

}  // namespace calls
}  // namespace auk::syscall
