// AF_UNIX: sockets between processes of one machine. See unix(7).
//
// Data model: UnixSocket (the File) -> Core (counted). Cores know each other: a connected one has
// its peer until it is closed, which also breaks the circle. What was sent stands as a queue of
// Packets in the Core that is to read it; each counts against the buffer of the Core that sent it.
// A listening Core has Cores of the connections that nobody accepted yet.
//
// Locking: `state_` (level socket_queue, spinning) guards a Core's state and queue. Two are held
// together only for a listener and a connection that it offers. `reading_` (level socket, sleeping)
// orders the readers of a stream, who copy from the packet at the head without the other lock.
// Wake-ups follow what changed. Context: threads. Differences from Linux: no MSG_OOB.
#pragma once
#include "base/list.hpp"
#include "base/tree.hpp"
#include "net/patience.hpp"
#include "net/socket.hpp"
#include "net/unix/flow.hpp"
#include "vfs/mount.hpp"

namespace auk::net::local {

class Core;

inline constexpr usize text_offset = sizeof(u16);  ///< sun_path
/// The bytes behind the family.
std::string_view text_in(const Address& a);
/// Empty if it names no file.
std::string_view path_in(const Address& a);

/// What a socket is bound to. Never changes.
class Name final : public RefCounted<Name> {
 public:
  const Address address;
  explicit Name(const Address& a) : address(a) {}
  static void destroy(Name* n) { mem::destroy(n); }
};

/// What was sent at once, or a piece of it. Its bytes stand behind it.
class Packet {
  Ref<Core> sender_;
  u32 size_, charged_;

 public:
  ListNode node;
  u32 consumed = 0;
  Ancillary with;

  Packet(Ref<Core> sender, u32 size, u32 charged);
  ~Packet();
  /// ENOMEM.
  static Result<mem::Box<Packet>> create(Core& sender, u32 size);
  Core& sender() const { return *sender_; }
  std::span<byte> bytes() { return {reinterpret_cast<byte*>(this + 1), size_}; }
  std::span<byte> rest() { return bytes().subspan(consumed); }
};
using Packets = List<Packet, &Packet::node>;

enum class Phase : u8 { fresh, connecting, connected, listening, closed };

/// Who is on the other side, as SO_PEERCRED tells.
struct Peer {
  Credentials identity{.pid = 0, .uid = ~u32{0}, .gid = ~u32{0}, .inner = {}};
  Ref<ident::Cred> cred;
  static Peer of(const Actor& who);
};

class Core final : public RefCounted<Core> {
  friend class Collector;
  friend class Packet;

 public:
  ListNode pending_node, flight_node, work_node;

 private:
  struct State {
    Phase phase = Phase::fresh;
    Ref<Core> peer;
    Ref<Name> name;
    vfs::Path place;  ///< the file of its name, as long as it is open
    Peer own, other;  ///< as the peer sees it, and what it sees
    Packets queue;
    List<Core, &Core::pending_node> pending;  ///< counted
    u32 backlog = 0;
  };
  const SocketType type_;
  core::Guarded<core::level::socket_queue, State, core::SpinPreemptOff> state_;
  struct Nothing {};
  core::Guarded<core::level::socket, Nothing, sched::SleepLock> reading_;
  core::Guarded<core::level::socket_naming, Nothing, sched::SleepLock> naming_;  ///< who binds it
  // Copies, for waiting without the lock.
  Atomic<u32> waiting_{0};  ///< packets, or connections
  Atomic<u64> bytes_{0};    ///< that wait to be read
  Atomic<u64> charged_{0};  ///< sent and not read yet
  Atomic<u32> shut_{0};     ///< bits of Shut
  Atomic<u32> error_{0};
  Atomic<bool> is_listening_{false}, is_connected_{false}, is_closed_{false};
  sched::WaitQueue readable_;
  const Ref<Flow> flow_;

  void push(State& s, mem::Box<Packet> p);
  mem::Box<Packet> pop(State& s);
  void note_read(u64 bytes) { (void)bytes_.fetch_sub_relaxed(bytes); }
  void shut(u32 bits);
  void peer_closed(const Core& who, bool with_unread);
  bool is_full() const;
  bool takes_connections(const State& s) const;
  Result<void> bind_for_answers();
  Result<Ref<Core>> new_connection(const Peer& client);
  bool is_writable() const {
    return charged_.load_seq_cst() * 4 <= options->send_buffer.load_relaxed();
  }
  void disconnect();
  Result<void> connect_datagrams(const Address& to, const Actor& who);
  enum class Offer : u8 { taken, full, refused, forbidden };
  Offer offer(Core& connection, Peer& me, bool is_kept_away);
  bool is_kept_from(Core& to, const Actor& who);
  Ref<Core> set_peer(Ref<Core> to);
  Result<Ref<Core>> receiver(const Sending& s, const Actor& who);
  Result<bool> try_hand_over(Core& to, mem::Box<Packet>& p, bool is_kept_away);
  Result<void> hand_over(Core& to, mem::Box<Packet> p, const Patience& patience,
                         bool is_kept_away = false);
  Result<mem::Box<Packet>> make_packet(Sending& s, const Actor& who, u32 size,
                                       const Patience& patience);
  Packet* head();
  bool is_over_for_readers() const { return (shut_.load_seq_cst() & shut_receive) != 0; }
  Result<void> waiting_error();
  Result<void> wait_to_receive(const Patience& patience);
  bool peer_has_room();
  static void note_sender(Receiving& r, Packet& p);
  bool ends_before(const Receiving& r, const Packet& p, usize done) const;
  Result<void> take_ancillary(Receiving& r, Packet& p) const;

 public:
  enum Shut : u32 { shut_receive = 1, shut_send = 2, shut_both = 3 };
  // Those that are bound (names.cpp), whose lock guards these.
  TreeHook name_hook;
  const vfs::Inode* bound_inode = nullptr;
  std::string_view bound_text;
  // The collector's lock guards these.
  u32 in_flight = 0, outside = 0;
  bool is_candidate = false, is_reached = false;
  const Socket* file = nullptr;  ///< while it is open
  Ref<ident::Domain> domain;     ///< of who opened it
  const Ref<Options> options;

  Core(SocketType type, Ref<Options> o, Ref<Flow> f)
      : type_(type),
        flow_(std::move(f)),
        options(std::move(o)) {}
  ~Core() = default;
  /// ENOMEM.
  static Result<Ref<Core>> create(SocketType type);
  static void destroy(Core* c) { mem::destroy(c); }

  SocketType type() const { return type_; }
  bool is_connection() const { return type_ != SocketType::datagram; }
  Ref<Name> name();
  Ref<Core> peer();

  Result<void> bind(const Address& at);
  Result<void> bind_automatically();
  Result<void> connect(const Address& to, const Patience& patience);
  Result<void> listen(u32 backlog);
  Result<Ref<Core>> accept(const Patience& patience);
  static void pair(Core& a, Core& b);
  Result<usize> send(Sending& s, const Patience& patience);
  Result<usize> send_stream(Sending& s, const Patience& patience);
  Result<usize> send_packet(Sending& s, const Patience& patience);
  Result<usize> receive_stream(Receiving& r, const Patience& patience);
  Result<usize> receive_packet(Receiving& r, const Patience& patience);
  Result<void> shut_down(bool receiving, bool sending);
  void buffer_changed();
  void closed();
  u32 take_error() { return error_.exchange_acq_rel(0); }
  bool is_listening() const { return is_listening_.load_acquire(); }
  Peer other();
  io::PollEvents poll(io::PollTable* table);
  u64 bytes_waiting();
  u64 bytes_sent() const { return charged_.load_relaxed(); }
};

/// net.unix.max_dgram_qlen.
extern Atomic<i64> most_packets;

// --- names.cpp ------------------------------------------------------------------------------
/// Makes those who look for the file, or for the text if there is none, find the core. EADDRINUSE.
Result<void> publish(Core& c, const Name& name, const vfs::Path& place);
void withdraw(Core& c);
/// A text that nobody uses: five digits. ENOSPC.
Result<void> publish_automatically(Core& c, Ref<Name>& name);
/// ECONNREFUSED, and what the walk to a file fails with.
Result<Ref<Core>> find_bound(const Address& to, SocketType type, const Actor& who);
/// What an address of a program means: with an end to the path of a file. EINVAL.
Result<Ref<Name>> make_name(const Address& a);

// --- collector.cpp --------------------------------------------------------------------------
/// Files that are sent over sockets which are sent themselves may be out of everybody's reach.
void enter_flight(const Rights& rights);
void leave_flight(const Rights& rights);
/// References to files that stay where they are. Not while the collector looks at who has some.
void copy_flying(const Rights& from, Rights& to);
/// Messages that nobody reads any more. Those with files in them go later (collect_later()).
void discard(Packets& packets);
/// A socket was closed.
void collect_later();

// --- socket.cpp -----------------------------------------------------------------------------
/// Null for files that are no sockets of this family.
Core* core_of(const io::File& f);

}  // namespace auk::net::local
