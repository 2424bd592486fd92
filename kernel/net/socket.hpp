// Sockets: what a socket of any family is to programs. See socket(2), socket(7), send(2), recv(2).
//
// Data model: Socket is a File; its family derives from it. What all have in common (options that
// are stored and told again, time-outs, sizes of buffers) is kept here. An address is the bytes
// that programs write (struct sockaddr). What travels with bytes is Ancillary: open files and who
// sent them. Locking: options are single words. Context: threads.
#pragma once
#include "ident/cred.hpp"
#include "io/file.hpp"
#include "vfs/lookup.hpp"

namespace auk::net {

/// The numbers are the ABI's.
enum class SocketType : u32 { stream = 1, datagram = 2, raw = 3, seqpacket = 5 };

/// Flags of send(2) and recv(2).
namespace message_flag {
inline constexpr u32 out_of_band = 1, peek = 2, do_not_route = 4, control_truncated = 8,
                     truncated = 0x20, do_not_wait = 0x40, end_of_record = 0x80, wait_all = 0x100,
                     no_signal = 0x4000, close_on_exec = 0x40000000;
}

struct Address {
  static constexpr usize most = 128;
  std::array<byte, most> bytes{};
  u32 size = 0;

  std::span<const byte> data() const { return {bytes.data(), size}; }
  /// AF_UNSPEC if it is too short to have one.
  u16 family() const;
};

/// As programs see it, struct ucred.
struct ShownCredentials {
  u32 pid = 0, uid = 0, gid = 0;
};
/// Who did something. The number is that of the first namespace; who lives in another one is kept
/// besides, since he has others.
struct Credentials {
  u32 pid = 0, uid = 0, gid = 0;
  Ref<ident::Pid> inner;
  bool operator==(const Credentials&) const = default;
  ShownCredentials seen_from(const ident::PidNamespace& space) const {
    const u32 number = space.level == 0 ? pid : inner ? inner->number_in(space) : 0;
    return {number, uid, gid};
  }
};

/// Who makes a system call.
struct Actor {
  vfs::Asker asker;
  ident::Pid& pid;
  u64 most_files;  ///< RLIMIT_NOFILE
  Credentials real() const { return as(asker.cred.uid, asker.cred.gid); }
  Credentials effective() const { return as(asker.cred.euid, asker.cred.egid); }

 private:
  Credentials as(u32 uid, u32 gid) const {
    return {pid.number(), uid, gid, pid.level() == 0 ? Ref<ident::Pid>() : Ref<ident::Pid>(pid)};
  }
};
/// Tells who is running; what does stands above.
class ActorSource {
 public:
  virtual Actor current() = 0;

 protected:
  constexpr ActorSource() = default;
  ~ActorSource() = default;
};
void set_actor_source(ActorSource& s);
Actor actor();

/// Open files on their way to another process. Those of sockets are known to the collector of
/// circles while they are in a queue (unix/collector.hpp).
class Rights {
  Ref<io::File>* files_ = nullptr;  ///< owned
  u32 count_ = 0;
  Ref<ident::User> payer_;

 public:
  static constexpr u32 most = 253;
  Rights() = default;
  Rights(const Rights&) = delete;
  Rights& operator=(const Rights&) = delete;
  ~Rights();
  /// ENOMEM.
  static Result<mem::Box<Rights>> create(u32 count);
  /// ETOOMANYREFS: its user has too many on the way.
  Result<void> charge(const Actor& who);
  std::span<Ref<io::File>> files() const { return {files_, count_}; }
};

struct Ancillary {
  mem::Box<Rights> rights;
  std::optional<Credentials> sender;
};

struct Sending {
  io::IoBuf& bytes;
  u32 flags = 0;
  const Address* to = nullptr;
  Ancillary with{};
};

/// A control message of the socket's family, of one word.
struct ControlWord {
  i32 level, type;
  u32 value;
};

struct Receiving {
  io::IoBuf& bytes;
  u32 flags = 0;
  Address from{};
  Ancillary with{};
  std::optional<ControlWord> control{};
  u32 result_flags = 0;  ///< MSG_TRUNC, MSG_EOR
  /// MSG_PEEK: copies instead of those in the queue.
  bool is_peek() const { return (flags & message_flag::peek) != 0; }
};

/// Linux's defaults, net.core.{w,r}mem_{default,max}: bytes, with what it takes to keep them.
inline constexpr u32 default_buffer = 212992, least_send_buffer = 4608, least_receive_buffer = 2304;
extern Atomic<i64> most_send_buffer, most_receive_buffer;

/// Options of SOL_SOCKET that are numbers and do no more than be told, unless the family uses them.
struct Options final : RefCounted<Options> {
  Atomic<u32> send_buffer{default_buffer}, receive_buffer{default_buffer};
  Atomic<u32> low_water{1}, priority{0}, mark{0};
  Atomic<u64> send_timeout_ns{0}, receive_timeout_ns{0};  ///< 0: none
  Atomic<u64> linger{0};                                  ///< seconds, and bit 32 if it is on
  Atomic<u64> switches{0};                                ///< by the number of the option
  static void destroy(Options* o) { mem::destroy(o); }
  bool is_on(u32 option) const { return (switches.load_relaxed() >> option & 1) != 0; }
};

class Socket : public io::File {
  u64 inode_;
  const u16 family_;
  const SocketType type_;
  const u32 protocol_;
  const u32 uid_, gid_;

 public:
  const Ref<Options> options;

  Socket(u32 flags, u16 family, SocketType type, u32 protocol, Ref<Options> o);

  u16 family() const { return family_; }
  SocketType type() const { return type_; }
  u32 protocol() const { return protocol_; }
  u64 inode() const { return inode_; }

  virtual Result<void> bind(const Address& at) = 0;
  virtual Result<void> connect(const Address& to) = 0;
  virtual Result<void> listen(u32 backlog);
  /// With the address of who connected.
  virtual Result<Ref<Socket>> accept(u32 flags, Address& from);
  virtual Address name() = 0;
  /// ENOTCONN.
  virtual Result<Address> peer_name() = 0;
  virtual Result<usize> send(Sending& s) = 0;
  virtual Result<usize> receive(Receiving& r) = 0;
  /// ENOTCONN.
  virtual Result<void> shut_down(bool receiving, bool sending) = 0;
  /// SO_ERROR: the errno that waits, which is gone then; 0 if there is none.
  virtual u32 take_error() { return 0; }
  virtual bool is_listening() { return false; }
  /// SO_PEERCRED. ENOPROTOOPT.
  virtual Result<Credentials> peer_identity();
  virtual Result<Ref<ident::Cred>> peer_cred();
  /// SO_SNDBUF has another value.
  virtual void buffer_changed() {}
  /// setsockopt(2) and getsockopt(2) of other levels than SOL_SOCKET. EOPNOTSUPP, ENOPROTOOPT,
  /// EINVAL, EPERM, EFAULT.
  virtual Result<void> set_option(int level, int option, UserAddr at, u32 size);
  virtual Result<void> get_option(int level, int option, UserAddr at, UserAddr length);
  /// FIONREAD, SIOCOUTQ. EINVAL, ENOTTY.
  virtual Result<u64> bytes_waiting() = 0;
  virtual Result<u64> bytes_sent() = 0;

  Result<usize> read(io::IoBuf& buf) override;
  Result<usize> write(io::IoBuf& buf) override;
  Result<u64> ioctl(u32 command, io::IoctlArg arg) override;
  Result<void> stat(io::FileStat& s) override;
  const io::FileKind* kind() const override;
  bool can_poll() const override { return true; }
  bool can_splice_from() const override { return true; }
  bool can_splice_to() const override { return true; }
  io::WaysOf ways_of_reading() const override { return io::WaysOf::no_wait; }
  io::WaysOf ways_of_writing() const override { return io::WaysOf::no_wait; }
  bool breaks_pipe() const override { return type_ == SocketType::stream; }

 protected:
  ~Socket() = default;
  bool is_nonblocking_for(u32 flags) const {
    return is_nonblocking() || (flags & message_flag::do_not_wait) != 0;
  }
};

/// Null if it is none.
const Socket* socket_in(const io::File& f);
/// ENOTSOCK.
Result<Ref<Socket>> socket_of(const Ref<io::File>& f);

/// A family of sockets.
class Family {
  friend class Families;
  Family* next_ = nullptr;
  const u16 number_;

 public:
  constexpr explicit Family(u16 number) : number_(number) {}
  /// `flags`: those of the file. EPROTONOSUPPORT, ESOCKTNOSUPPORT, ENOMEM.
  virtual Result<Ref<Socket>> create(u32 type, u32 protocol, u32 flags) = 0;
  /// Connects two fresh ones of it. EOPNOTSUPP.
  virtual Result<void> pair(Socket&, Socket&) { return Errno::eopnotsupp; }

 protected:
  ~Family() = default;
};
void register_family(Family& f);
/// EAFNOSUPPORT.
Result<Family*> find_family(u32 number);

}  // namespace auk::net
