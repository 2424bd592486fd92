// Options of sockets: see socket(7), unix(7).
#include <algorithm>

#include "generated/uapi/socket.hpp"
#include "net/socket.hpp"
#include "syscall/calls.hpp"
#include "syscall/socket.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {
namespace {

/// A number of a program, whatever more it gave.
Result<u32> load_number(UserAddr at, u32 size) {
  if (size < sizeof(u32)) return Errno::einval;
  return core::UserIn<u32>(at).load();
}

/// As SO_RCVTIMEO has it, 0 for none; EDOM for no time.
Result<u64> load_timeout(UserAddr at, u32 size) {
  if (size < sizeof(uapi::timeval)) return Errno::einval;
  const auto t = TRY(core::UserIn<uapi::timeval>(at).load());
  constexpr i64 us_per_s = 1'000'000;
  if (t.tv_usec < 0 || t.tv_usec >= us_per_s) return Errno::edom;
  if (t.tv_sec < 0) return u64{1};
  const u64 seconds = std::min<u64>(static_cast<u64>(t.tv_sec), ~u64{0} / ns_per_s / 2);
  return seconds * ns_per_s + static_cast<u64>(t.tv_usec) * 1000;
}

uapi::timeval to_timeval(u64 ns) {
  return {.tv_sec = static_cast<i64>(ns / ns_per_s),
          .tv_usec = static_cast<i64>(ns % ns_per_s / 1000)};
}

/// What is asked for counts twice, for what it takes to keep it.
u32 buffer_size(u32 wanted, i64 most, u32 least) {
  const u64 n = std::min<u64>(wanted, static_cast<u64>(most));
  return std::max<u32>(static_cast<u32>(n * 2), least);
}

/// Those that are on or off and no more than told.
constexpr bool is_switch(int option) {
  switch (option) {
    case uapi::so_debug:
    case uapi::so_reuseaddr:
    case uapi::so_reuseport:
    case uapi::so_keepalive:
    case uapi::so_broadcast:
    case uapi::so_oobinline:
    case uapi::so_dontroute:
    case uapi::so_no_check:
    case uapi::so_passcred:
    case uapi::so_timestamp:
    case uapi::so_timestampns:
    case uapi::so_passsec:
    case uapi::so_rxq_ovfl: return true;
    default: return false;
  }
}

Result<void> set_buffer(Task& me, net::Socket& s, int option, u32 value) {
  net::Options& o = *s.options;
  constexpr i64 no_limit = 0x3fffffff;
  const bool is_send = option == uapi::so_sndbuf || option == uapi::so_sndbufforce;
  const bool is_forced = option == uapi::so_sndbufforce || option == uapi::so_rcvbufforce;
  if (is_forced && !me.cred().has(ident::Cap::net_admin)) return Errno::eperm;
  const i64 most =
      is_forced ? no_limit
                : (is_send ? net::most_send_buffer : net::most_receive_buffer).load_relaxed();
  const u32 least = is_send ? net::least_send_buffer : net::least_receive_buffer;
  (is_send ? o.send_buffer : o.receive_buffer).store_relaxed(buffer_size(value, most, least));
  s.buffer_changed();
  return {};
}

Result<void> set_linger(net::Options& o, UserAddr at, u32 size) {
  struct Linger {
    u32 is_on, seconds;
  };
  if (size < sizeof(Linger)) return Errno::einval;
  const Linger l = TRY(core::UserIn<Linger>(at).load());
  o.linger.store_relaxed(u64{l.seconds} | (l.is_on != 0 ? u64{1} << 32 : 0));
  return {};
}

Result<void> set_option(Task& me, net::Socket& s, int option, UserAddr at, u32 size) {
  net::Options& o = *s.options;
  switch (option) {
    case uapi::so_linger: return set_linger(o, at, size);
    case uapi::so_rcvtimeo_old:
    case uapi::so_rcvtimeo_new:
      o.receive_timeout_ns.store_relaxed(TRY(load_timeout(at, size)));
      return {};
    case uapi::so_sndtimeo_old:
    case uapi::so_sndtimeo_new:
      o.send_timeout_ns.store_relaxed(TRY(load_timeout(at, size)));
      return {};
    default: break;
  }
  const u32 value = TRY(load_number(at, size));
  if (is_switch(option)) {
    const u64 bit = u64{1} << option;
    if (value != 0)
      (void)o.switches.fetch_or_acq_rel(bit);
    else
      (void)o.switches.fetch_and_acq_rel(~bit);
    return {};
  }
  switch (option) {
    case uapi::so_sndbuf:
    case uapi::so_rcvbuf:
    case uapi::so_sndbufforce:
    case uapi::so_rcvbufforce: return set_buffer(me, s, option, value);
    case uapi::so_rcvlowat:
      o.low_water.store_relaxed(static_cast<i32>(value) < 0 ? 0x7fffffff : std::max(value, 1U));
      return {};
    case uapi::so_priority:
      if (value > 6 && !me.cred().has(ident::Cap::net_admin)) return Errno::eperm;
      o.priority.store_relaxed(value);
      return {};
    case uapi::so_mark:
      if (!me.cred().has(ident::Cap::net_admin)) return Errno::eperm;
      o.mark.store_relaxed(value);
      return {};
    default: return Errno::enoprotoopt;
  }
}

/// A value of any size, cut to what the program has room for, and how long it is.
Result<void> store_value(std::span<const byte> value, UserAddr at, UserAddr length) {
  const u32 room = TRY(core::UserIn<u32>(length).load());
  if (static_cast<i32>(room) < 0) return Errno::einval;
  const usize n = std::min<usize>(room, value.size());
  TRY(core::write_user(at, value.data(), n));
  return core::UserOut<u32>(length).store(static_cast<u32>(n));
}
template <class T> Result<void> store_value_of(const T& v, UserAddr at, UserAddr length) {
  return store_value(object_bytes(v), at, length);
}

Result<void> store_groups(net::Socket& s, UserAddr at, UserAddr length) {
  const Ref<ident::Cred> cred = TRY(s.peer_cred());
  const u32 room = TRY(core::UserIn<u32>(length).load());
  const u32 size = cred->group_count * static_cast<u32>(sizeof(u32));
  TRY(core::UserOut<u32>(length).store(size));
  if (room < size) return Errno::erange;
  return core::write_user(at, cred->groups, size);
}

Result<void> get_option(net::Socket& s, int option, UserAddr at, UserAddr length) {
  const net::Options& o = *s.options;
  const auto number = [&](u32 n) { return store_value_of(n, at, length); };
  if (is_switch(option)) return number(o.is_on(static_cast<u32>(option)) ? 1 : 0);
  switch (option) {
    case uapi::so_type: return number(static_cast<u32>(s.type()));
    case uapi::so_domain: return number(s.family());
    case uapi::so_protocol: return number(s.protocol());
    case uapi::so_error: return number(s.take_error());
    case uapi::so_acceptconn: return number(s.is_listening() ? 1 : 0);
    case uapi::so_sndbuf: return number(o.send_buffer.load_relaxed());
    case uapi::so_rcvbuf: return number(o.receive_buffer.load_relaxed());
    case uapi::so_rcvlowat: return number(o.low_water.load_relaxed());
    case uapi::so_sndlowat: return number(1);
    case uapi::so_priority: return number(o.priority.load_relaxed());
    case uapi::so_mark: return number(o.mark.load_relaxed());
    case uapi::so_linger: {
      const u64 l = o.linger.load_relaxed();
      const std::array<u32, 2> value{static_cast<u32>(l >> 32), static_cast<u32>(l)};
      return store_value_of(value, at, length);
    }
    case uapi::so_rcvtimeo_old:
    case uapi::so_rcvtimeo_new:
      return store_value_of(to_timeval(o.receive_timeout_ns.load_relaxed()), at, length);
    case uapi::so_sndtimeo_old:
    case uapi::so_sndtimeo_new:
      return store_value_of(to_timeval(o.send_timeout_ns.load_relaxed()), at, length);
    case uapi::so_peercred:
      return store_value_of(TRY(s.peer_identity()).seen_from(proc::current().pid_space()), at,
                            length);
    case uapi::so_peergroups: return store_groups(s, at, length);
    default: return Errno::enoprotoopt;
  }
}

}  // namespace

Value setsockopt(Task& me, Fd fd, int level, int option, UserAddr at, u32 size) {
  if (static_cast<i32>(size) < 0) return Errno::einval;
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  if (level != uapi::sol_socket) return done(s->set_option(level, option, at, size));
  return done(set_option(me, *s, option, at, size));
}

Value getsockopt(Task& me, Fd fd, int level, int option, UserAddr at, UserAddr length) {
  const Ref<net::Socket> s = TRY(socket_at(me, fd));
  if (level != uapi::sol_socket) return done(s->get_option(level, option, at, length));
  return done(get_option(*s, option, at, length));
}

}  // namespace auk::syscall::calls
