// AF_NETLINK: messages between programs and parts of the kernel, and to all who listen to a group.
// See netlink(7).
//
// Data model: NetlinkSocket (the File) -> Port (counted), which has a number once it is bound. What
// was sent at once is a Packet (counted, never changed): all who get it share it, and each has it
// in its queue, where it counts against the receiver's buffer. Port 0 is the kernel's end of a
// Protocol. The kernel reads a packet while it is being sent and answers before send(2) returns; an
// answer in parts is a Dump, of which the next part is made when the last one was read.
// Locking: `dump` (level netlink_dump, sleeping) orders the parts of an answer; `ports` (level
// netlink_ports, sleeping) holds who is bound and who listens to groups; a queue is under its
// port's lock (level socket_queue, spinning). Numbers and switches are single words.
// Context: threads. Differences from Linux: one network namespace, so no NETLINK_LISTEN_ALL_NSID;
// no filters of packets, no rings.
#pragma once
#include "base/list.hpp"
#include "base/tree.hpp"
#include "net/netlink/attribute.hpp"
#include "net/patience.hpp"
#include "net/socket.hpp"

namespace auk::net::netlink {

class Port;
struct PortReport;

class Packet final : public RefCounted<Packet> {
  const u32 room_;
  u32 size_;

  explicit Packet(u32 size) : room_(size), size_(size) {}

 public:
  u32 from = 0;   ///< a port
  u32 group = 0;  ///< 0: for one only
  Credentials sender;

  ~Packet() = default;
  /// ENOBUFS.
  static Result<Ref<Packet>> create(u32 size);
  static void destroy(Packet* p) { mem::destroy(p); }
  std::span<byte> bytes() { return {reinterpret_cast<byte*>(this + 1), size_}; }
  /// Before others see it.
  void shrink(usize size) { size_ = static_cast<u32>(size); }
  /// Bytes that its receiver is charged.
  u32 charge() const;
};

/// What a program wants of the kernel.
struct Request {
  Port& from;
  const Ref<Packet>& packet;
  Message message;  ///< in the packet
  bool is_admin;    ///< may change the network
  ExtendedAck ack{};

  const Header& header() const { return message.header; }
  bool has(int flag) const { return (header().nlmsg_flags & flag) != 0; }
  bool is_strict() const;
};

struct Dump;
/// What can be told in parts. Context: threads; level netlink_dump is held.
class DumpSource {
 public:
  enum class Progress : u8 { more, done };
  /// Messages of one part to a port, from the dump's position on, which moves. EMSGSIZE if the
  /// first one does not fit; every error ends the dump and is told there.
  virtual Result<Progress> write(Dump& d, u32 port, Builder& out, ExtendedAck& ack) const = 0;

 protected:
  constexpr DumpSource() = default;
  ~DumpSource() = default;
};

struct Dump {
  Ref<Packet> packet;  ///< of the request; null: none is going on
  Message request;
  const DumpSource* source = nullptr;
  u64 position = 0;
  std::optional<u32> generation;  ///< of what is told: if it changes, the program is told so
  bool is_strict = false, is_over = false, was_interrupted = false;
  Errno error{};

  /// What is told has another generation than before: the parts may not fit together.
  void note_generation(u32 now);
};

/// The kernel's part of a protocol. Lives for ever.
class Protocol {
  friend Protocol* find_protocol(u32 number);
  friend void register_protocol(Protocol& p);
  Protocol* next_ = nullptr;
  const u32 number_, groups_;

 public:
  struct Rules {
    bool anyone_sends = false;    ///< to other programs and groups
    bool anyone_listens = false;  ///< to groups
  };
  const Rules rules;
  enum class Answer : u8 { acknowledge, nothing };

  constexpr Protocol(u32 number, u32 groups, Rules r)
      : number_(number),
        groups_(groups),
        rules(r) {}
  u32 number() const { return number_; }
  /// 1 to this.
  u32 groups() const { return groups_; }
  /// False: nobody is at port 0.
  virtual bool has_kernel() const { return false; }
  /// Level rtnl may be taken. Any error is told to the program.
  virtual Result<Answer> handle(Request&) { return Errno::econnrefused; }
  /// EPERM.
  virtual Result<void> check_group(u32 /*group*/) const { return {}; }

 protected:
  ~Protocol() = default;
};
/// Null if there is none.
Protocol* find_protocol(u32 number);
/// At boot.
void register_protocol(Protocol& p);

class Port final : public RefCounted<Port> {
  struct Queued {
    Ref<Packet> packet;
    ListNode node;
    explicit Queued(const Ref<Packet>& p) : packet(p) {}
  };
  struct State {
    List<Queued, &Queued::node> queue;
    u64 charged = 0;
    bool is_congested = false;  ///< until the queue is empty: something was lost
    bool is_closed = false;
  };
  core::Guarded<core::level::socket_queue, State, core::SpinPreemptOff> state_;
  core::Guarded<core::level::netlink_dump, Dump, sched::SleepLock> dump_;
  // Copies, for waiting without the lock.
  Atomic<u32> waiting_{0};  ///< packets
  Atomic<u32> error_{0};
  Atomic<bool> is_dumping_{false};
  Atomic<u32> longest_read_{0};
  Atomic<u32> drops_{0};
  Atomic<u32> switches_{0};  ///< by the number of the option
  Atomic<u32> number_{0};
  Atomic<bool> is_bound_{false};
  Atomic<u64> groups_{0};             ///< bit 0: group 1
  Atomic<bool> knows_groups_{false};  ///< some were asked for once
  Atomic<u32> peer_{0}, peer_group_{0};
  Atomic<bool> is_connected_{false};
  sched::WaitQueue readable_, room_;

  struct Destination {
    u32 port, group;
    bool is_named;  ///< by this message, not by connect(2)
  };
  enum class Offer : u8 { taken, full, closed };

  Result<Destination> destination(const Sending& s) const;
  bool may(bool anyone) const;
  void bind_automatically();
  Result<void> send_to(const Destination& to, const Ref<Packet>& p, const Patience& patience);
  Result<Offer> offer(const Ref<Packet>& p);
  Offer put(mem::Box<Queued> place, bool is_forced);
  bool takes(const State& s, u32 charge) const;
  void fail(Errno e);
  void after_read();
  Ref<Packet> take(bool is_peek);
  Result<void> send_part(Dump& d);
  void continue_dump();
  bool write_end(const Dump& d, Builder& out, const ExtendedAck& ack) const;
  Result<void> set_membership(u32 group, bool is_in);

 public:
  // The lock of all ports guards these.
  TreeHook number_hook;
  ListNode member_node;
  Protocol& protocol;
  u64 inode = 0;  ///< of its file
  const bool opener_is_admin;
  const Ref<Options> options;

  Port(Protocol& p, bool is_admin, Ref<Options> o)
      : protocol(p),
        opener_is_admin(is_admin),
        options(std::move(o)) {}
  ~Port() = default;
  /// ENOMEM.
  static Result<Ref<Port>> create(Protocol& p);
  static void destroy(Port* p) { mem::destroy(p); }

  u32 number() const { return number_.load_acquire(); }
  bool is_bound() const { return is_bound_.load_acquire(); }
  void set_number(u32 n) {
    number_.store_release(n);
    is_bound_.store_release(true);
  }
  u64 groups() const { return groups_.load_acquire(); }
  bool listens_to(u32 group) const { return (groups() >> (group - 1) & 1) != 0; }
  bool is_on(int option) const { return (switches_.load_relaxed() >> option & 1) != 0; }

  Address name() const;
  Address peer_name() const;
  Result<void> bind(const Address& at);
  Result<void> connect(const Address& to);
  Result<usize> send(Sending& s, const Patience& patience);
  Result<usize> receive(Receiving& r, const Patience& patience);
  Result<void> set_option(int option, u32 value);
  /// A switch, as 0 or 1. ENOPROTOOPT.
  Result<u32> option(int option) const;
  /// Bytes that tell all groups; 0 before the first was asked for.
  u32 membership_size() const;
  io::PollEvents poll(io::PollTable* table);
  u32 take_error() { return error_.exchange_acq_rel(0); }
  void buffer_changed() { room_.wake_all(); }
  void closed();
  PortReport report();

  // --- from the kernel ------------------------------------------------------------------------
  /// One that does not fit is lost, and the program is told that something was. EAGAIN, ENOMEM,
  /// ECONNREFUSED: it is closed.
  Result<void> answer(const Ref<Packet>& p);
  /// How a request ended: no error if `error` is none.
  void acknowledge(const Request& r, Errno error);
  /// The first part is there when this returns. EBUSY: another one is going on; ENOBUFS.
  Result<void> start_dump(const Request& r, const DumpSource& source);
  /// One who listens to a group gets a packet.
  void hear(const Ref<Packet>& p);
  /// Something was lost. Until all is read that was not, nothing more comes.
  void overrun();
};

// --- ports.cpp: who is bound, and who listens ---------------------------------------------------
/// EADDRINUSE, EINVAL: it has another number already.
Result<void> bind_port(Port& p, u32 number);
/// To the number of the process, or to any other.
void bind_port_automatically(Port& p, u32 process);
void withdraw_port(Port& p);
/// Null if there is none.
Ref<Port> find_port(const Protocol& protocol, u32 number);
/// Its groups have changed.
void note_member(Port& p);
/// To all who listen to its group, but for one port and whoever has another number.
void broadcast(const Protocol& protocol, const Ref<Packet>& p, const Port* sender, u32 other);
/// There was no memory for a packet to a group: whoever listens is told that something was lost.
void lose_news(const Protocol& protocol, u32 group);
/// Whether broadcast() would find one.
bool has_listeners(const Protocol& protocol, u32 group);

/// A bound port, or the kernel's end of a protocol (number 0).
struct PortReport {
  u32 protocol = 0, number = 0, groups = 0;
  u64 received = 0;  ///< bytes in its queue, as they are charged
  bool is_dumping = false;
  u32 drops = 0;
  u64 inode = 0;
};
/// The first one at a key or behind it, by protocol and number; the key moves behind it.
std::optional<PortReport> next_port(u64& key);

// --- requests.cpp -------------------------------------------------------------------------------
/// The kernel reads what a program has sent to port 0.
void handle_requests(Port& from, const Ref<Packet>& p, bool is_admin);

}  // namespace auk::net::netlink
