// The files of sockets of AF_UNIX.
#include <cstring>

#include "core/init_graph.hpp"
#include "generated/uapi/socket.hpp"
#include "net/unix/core.hpp"

namespace auk::net::local {
namespace {

constexpr u16 unix_number = uapi::af_unix;

/// SO_PASSCRED and SO_PASSSEC, which whoever accepts has from the listener.
constexpr u64 inherited = u64{1} << uapi::so_passcred | u64{1} << uapi::so_passsec;

class UnixSocket final : public Socket {
  Ref<Core> core_;
  void dispose() override { destroy_late(this); }

  Address address_of(const Ref<Name>& name) const {
    if (name) return name->address;
    Address none;
    const u16 f = unix_number;
    std::memcpy(none.bytes.data(), &f, sizeof(f));
    none.size = sizeof(f);
    return none;
  }

 public:
  UnixSocket(u32 flags, Ref<Core> core)
      : Socket(flags, unix_number, core->type(), 0, core->options),
        core_(std::move(core)) {
    core_->file = this;
    core_->domain = actor().asker.cred.domain;
  }
  ~UnixSocket() {
    core_->closed();
    collect_later();
  }
  static Result<Ref<Socket>> create(u32 flags, Ref<Core> core) {
    return Ref<Socket>(TRY(mem::make_ref<UnixSocket>(ALLOC_SITE, flags, std::move(core))));
  }
  Core& core() const { return *core_; }

  Result<void> bind(const Address& at) override { return core_->bind(at); }
  Result<void> connect(const Address& to) override {
    return core_->connect(to,
                          Patience::of(options->send_timeout_ns.load_relaxed(), is_nonblocking()));
  }
  Result<void> listen(u32 backlog) override { return core_->listen(backlog); }
  Result<Ref<Socket>> accept(u32 flags, Address& from) override {
    Ref<Core> c = TRY(
        core_->accept(Patience::of(options->receive_timeout_ns.load_relaxed(), is_nonblocking())));
    const Ref<Core> client = c->peer();
    from = address_of(client ? client->name() : Ref<Name>());
    Result<Ref<Socket>> made = create(flags, c);
    if (!made.ok()) {
      c->closed();
      return made;
    }
    c->options->switches.store_relaxed(options->switches.load_relaxed() & inherited);
    return made;
  }
  Address name() override { return address_of(core_->name()); }
  Result<Address> peer_name() override {
    const Ref<Core> peer = core_->peer();
    if (!peer) return Errno::enotconn;
    return address_of(peer->name());
  }
  Result<usize> send(Sending& s) override {
    return core_->send(
        s, Patience::of(options->send_timeout_ns.load_relaxed(), is_nonblocking_for(s.flags)));
  }
  Result<usize> receive(Receiving& r) override {
    const Patience patience =
        Patience::of(options->receive_timeout_ns.load_relaxed(), is_nonblocking_for(r.flags));
    if ((r.flags & message_flag::out_of_band) != 0)
      return type() == SocketType::stream ? Errno::einval : Errno::eopnotsupp;
    return type() == SocketType::stream ? core_->receive_stream(r, patience)
                                        : core_->receive_packet(r, patience);
  }
  Result<void> shut_down(bool receiving, bool sending) override {
    return core_->shut_down(receiving, sending);
  }
  void buffer_changed() override { core_->buffer_changed(); }
  u32 take_error() override { return core_->take_error(); }
  bool is_listening() override { return core_->is_listening(); }
  Result<Credentials> peer_identity() override { return core_->other().identity; }
  Result<Ref<ident::Cred>> peer_cred() override {
    Ref<ident::Cred> cred = core_->other().cred;
    if (!cred) return Errno::enodata;
    return cred;
  }
  Result<u64> bytes_waiting() override {
    if (core_->is_listening()) return Errno::einval;
    return core_->bytes_waiting();
  }
  Result<u64> bytes_sent() override { return core_->bytes_sent(); }
  io::PollEvents poll(io::PollTable* table) override { return core_->poll(table); }
};

class Unix final : public Family {
 public:
  constexpr Unix() : Family(unix_number) {}
  Result<Ref<Socket>> create(u32 type, u32 protocol, u32 flags) override {
    if (protocol != 0 && protocol != unix_number) return Errno::eprotonosupport;
    auto t = static_cast<SocketType>(type);
    // SOCK_RAW is another word for datagrams.
    if (t == SocketType::raw) t = SocketType::datagram;
    if (t != SocketType::stream && t != SocketType::datagram && t != SocketType::seqpacket)
      return Errno::esocktnosupport;
    return UnixSocket::create(flags, TRY(Core::create(t)));
  }
  Result<void> pair(Socket& a, Socket& b) override {
    Core::pair(static_cast<UnixSocket&>(a).core(), static_cast<UnixSocket&>(b).core());
    return {};
  }
};
constinit Unix unix_family;

void setup() { register_family(unix_family); }
INIT_TASK(unix_family, "unix_names", "unix_family", setup);

}  // namespace

Core* core_of(const io::File& f) {
  const Socket* const s = socket_in(f);
  return s != nullptr && s->family() == unix_number ? &static_cast<const UnixSocket*>(s)->core()
                                                    : nullptr;
}

}  // namespace auk::net::local
