// The files of sockets of AF_NETLINK.
#include "generated/uapi/socket.hpp"
#include "core/init_graph.hpp"
#include "net/netlink/port.hpp"

namespace auk::net::netlink {
namespace {

class NetlinkSocket final : public Socket {
  Ref<Port> port_;
  void dispose() override { destroy_late(this); }

  Patience patience(u64 timeout_ns, u32 flags) const {
    return Patience::of(timeout_ns, is_nonblocking_for(flags));
  }

 public:
  NetlinkSocket(u32 flags, SocketType type, Ref<Port> port)
      : Socket(flags, uapi::af_netlink, type, port->protocol.number(), port->options),
        port_(std::move(port)) {
    port_->inode = inode();
  }
  ~NetlinkSocket() { port_->closed(); }

  Result<void> bind(const Address& at) override { return port_->bind(at); }
  Result<void> connect(const Address& to) override { return port_->connect(to); }
  Address name() override { return port_->name(); }
  Result<Address> peer_name() override { return port_->peer_name(); }
  Result<usize> send(Sending& s) override {
    return port_->send(s, patience(options->send_timeout_ns.load_relaxed(), s.flags));
  }
  Result<usize> receive(Receiving& r) override {
    return port_->receive(r, patience(options->receive_timeout_ns.load_relaxed(), r.flags));
  }
  Result<void> shut_down(bool, bool) override { return Errno::eopnotsupp; }
  u32 take_error() override { return port_->take_error(); }
  void buffer_changed() override { port_->buffer_changed(); }
  Result<u64> bytes_waiting() override { return Errno::enotty; }
  Result<u64> bytes_sent() override { return Errno::enotty; }
  io::PollEvents poll(io::PollTable* table) override { return port_->poll(table); }

  Result<void> set_option(int level, int option, UserAddr at, u32 size) override {
    if (level != uapi::sol_netlink) return Errno::enoprotoopt;
    u32 value = 0;
    if (size >= sizeof(value)) value = TRY(core::UserIn<u32>(at).load());
    return port_->set_option(option, value);
  }
  Result<void> get_option(int level, int option, UserAddr at, UserAddr length) override {
    if (level != uapi::sol_netlink) return Errno::enoprotoopt;
    const u32 room = TRY(core::UserIn<u32>(length).load());
    if (static_cast<i32>(room) < 0) return Errno::einval;
    if (option == uapi::netlink_list_memberships) return list_groups(at, room, length);
    const u32 value = TRY(port_->option(option));
    if (room < sizeof(value)) return Errno::einval;
    TRY(core::UserOut<u32>(length).store(sizeof(value)));
    return core::UserOut<u32>(at).store(value);
  }

 private:
  /// As many words as there is room for; how many bytes there are is told.
  Result<void> list_groups(UserAddr at, u32 room, UserAddr length) {
    const u64 groups = port_->groups();
    const u32 size = port_->membership_size();
    const u32 fit = std::min<u32>(align_down(room, u32{sizeof(u32)}), size);
    TRY(core::write_user(at, object_bytes(groups).data(), fit));
    return core::UserOut<u32>(length).store(size);
  }
};

class Netlink final : public Family {
 public:
  constexpr Netlink() : Family(uapi::af_netlink) {}
  Result<Ref<Socket>> create(u32 type, u32 protocol, u32 flags) override {
    const auto t = static_cast<SocketType>(type);
    if (t != SocketType::raw && t != SocketType::datagram) return Errno::esocktnosupport;
    Protocol* const p = find_protocol(protocol);
    if (p == nullptr) return Errno::eprotonosupport;
    return Ref<Socket>(
        TRY(mem::make_ref<NetlinkSocket>(ALLOC_SITE, flags, t, TRY(Port::create(*p)))));
  }
};
constinit Netlink netlink_family;

/// Programs among themselves.
class UserProtocol final : public Protocol {
 public:
  constexpr UserProtocol()
      : Protocol(uapi::netlink_usersock, 32, {.anyone_sends = true, .anyone_listens = false}) {}
};
constinit UserProtocol user_protocol;

void setup() {
  register_protocol(user_protocol);
  register_family(netlink_family);
}
INIT_TASK(netlink_family, "netlink_ports", "netlink_family", setup);

}  // namespace
}  // namespace auk::net::netlink
