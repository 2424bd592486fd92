#include "net/socket.hpp"

#include <cstring>

#include "core/sysctl.hpp"
#include "generated/uapi/ioctl.hpp"
#include "generated/uapi/resource.hpp"
#include "net/device.hpp"

namespace auk::net {

class Families {
  Family* first_ = nullptr;

 public:
  constexpr Families() = default;
  void add(Family& f) {
    f.next_ = first_;
    first_ = &f;
  }
  Family* find(u32 number) const {
    Family* f = first_;
    while (f != nullptr && f->number_ != number) f = f->next_;
    return f;
  }
};

namespace {

constexpr io::FileKind kind_of_socket{"socket", true};
constexpr u64 device_of_sockets = 8;
constinit Atomic<u64> next_inode{1};
constinit ActorSource* actor_source = nullptr;

constinit core::Guarded<core::level::driver, Families, core::SpinPreemptOff> families;

constexpr i64 any_size = 0x7fffffff;

}  // namespace

constinit Atomic<i64> most_send_buffer{default_buffer}, most_receive_buffer{default_buffer};

namespace {
constinit core::NumberSysctl send_variable("net/core/wmem_max", most_send_buffer, least_send_buffer,
                                           any_size);
constinit core::NumberSysctl receive_variable("net/core/rmem_max", most_receive_buffer,
                                              least_receive_buffer, any_size);
SYSCTL(send_variable);
SYSCTL(receive_variable);
}  // namespace

void set_actor_source(ActorSource& s) { actor_source = &s; }
Actor actor() { return actor_source->current(); }

void register_family(Family& f) { families.lock()->add(f); }

Result<Family*> find_family(u32 number) {
  Family* const f = families.lock()->find(number);
  if (f == nullptr) return Errno::eafnosupport;
  return f;
}

u16 Address::family() const {
  u16 f = 0;
  if (size >= sizeof(f)) std::memcpy(&f, bytes.data(), sizeof(f));
  return f;
}

Result<mem::Box<Rights>> Rights::create(u32 count) {
  mem::Box<Rights> r = TRY(mem::Box<Rights>::make(ALLOC_SITE));
  r->files_ =
      static_cast<Ref<io::File>*>(TRY(mem::allocate(ALLOC_SITE, count * sizeof(Ref<io::File>))));
  for (u32 i = 0; i < count; ++i) ::new (&r->files_[i]) Ref<io::File>;
  r->count_ = count;
  return r;
}

Rights::~Rights() {
  for (u32 i = 0; i < count_; ++i) files_[i].~Ref();
  mem::free(files_);
  if (payer_) (void)payer_->files_in_flight.fetch_sub_relaxed(count_);
}

Result<void> Rights::charge(const Actor& who) {
  const ident::Cred& cred = who.asker.cred;
  Atomic<u64>& count = cred.user->files_in_flight;
  if (count.load_relaxed() > who.most_files && !cred.has(ident::Cap::sys_resource) &&
      !cred.has(ident::Cap::sys_admin))
    return Errno::etoomanyrefs;
  (void)count.fetch_add_relaxed(count_);
  payer_ = cred.user;
  return {};
}

Socket::Socket(u32 flags, u16 family, SocketType type, u32 protocol, Ref<Options> o)
    : File(flags),
      inode_(next_inode.fetch_add_relaxed(1)),
      family_(family),
      type_(type),
      protocol_(protocol),
      uid_(actor().asker.cred.fsuid),
      gid_(actor().asker.cred.fsgid),
      options(std::move(o)) {}

Result<void> Socket::listen(u32) { return Errno::eopnotsupp; }
Result<Ref<Socket>> Socket::accept(u32, Address&) { return Errno::eopnotsupp; }
Result<Credentials> Socket::peer_identity() { return Credentials{0, ~u32{0}, ~u32{0}, {}}; }
Result<Ref<ident::Cred>> Socket::peer_cred() { return Errno::enodata; }
Result<void> Socket::set_option(int, int, UserAddr, u32) { return Errno::eopnotsupp; }
Result<void> Socket::get_option(int, int, UserAddr, UserAddr) { return Errno::eopnotsupp; }
const io::FileKind* Socket::kind() const { return &kind_of_socket; }

Result<usize> Socket::read(io::IoBuf& buf) {
  if (buf.left() == 0) return usize{0};
  Receiving r{.bytes = buf, .flags = buf.way().may_wait ? 0 : message_flag::do_not_wait};
  return receive(r);
}

Result<usize> Socket::write(io::IoBuf& buf) {
  Sending s{.bytes = buf, .flags = buf.way().may_wait ? 0 : message_flag::do_not_wait};
  return send(s);
}

Result<u64> Socket::ioctl(u32 command, io::IoctlArg arg) {
  u64 n = 0;
  switch (command) {
    case uapi::fionread: n = TRY(bytes_waiting()); break;
    case uapi::tiocoutq: n = TRY(bytes_sent()); break;
    default: return device_ioctl(command, arg.address());
  }
  TRY(core::UserOut<u32>(arg.address()).store(static_cast<u32>(n)));
  return u64{0};
}

Result<void> Socket::stat(io::FileStat& s) {
  constexpr u32 socket_mode = 0140777;
  s = {};
  s.device = device_of_sockets;
  s.inode = inode_;
  s.mode = socket_mode;
  s.links = 1;
  s.uid = uid_;
  s.gid = gid_;
  return {};
}

const Socket* socket_in(const io::File& f) {
  return f.kind() == &kind_of_socket ? static_cast<const Socket*>(&f) : nullptr;
}

Result<Ref<Socket>> socket_of(const Ref<io::File>& f) {
  if (f->kind() != &kind_of_socket) return Errno::enotsock;
  return Ref<Socket>(static_cast<Socket&>(*f));
}

}  // namespace auk::net
