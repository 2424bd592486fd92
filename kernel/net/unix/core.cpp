#include "net/unix/core.hpp"

#include <algorithm>

#include "core/sysctl.hpp"
#include "generated/uapi/socket.hpp"

namespace auk::net::local {
namespace {

/// What a packet takes beside its bytes, as senders are charged for it.
constexpr u32 overhead = 768;
/// A stream is cut into pieces of this size at most.
constexpr u32 most_piece = 32768 - sizeof(Packet);
constexpr io::PollEvents readable_events =
    io::PollEvents(io::PollEvent::in) | io::PollEvent::read_normal;
constexpr io::PollEvents writable_events =
    io::PollEvents(io::PollEvent::out) | io::PollEvent::write_normal;

constexpr i64 any_number = 0x7fffffff;

}  // namespace

constinit Atomic<i64> most_packets{10};
namespace {
constinit core::NumberSysctl packets_variable("net/unix/max_dgram_qlen", most_packets, 0,
                                              any_number);
SYSCTL(packets_variable);
}  // namespace

Peer Peer::of(const Actor& who) {
  return {who.effective(), Ref<ident::Cred>(const_cast<ident::Cred&>(who.asker.cred))};  // NOLINT
}

// --- Packets ------------------------------------------------------------------------------------

Packet::Packet(Ref<Core> sender, u32 size, u32 charged)
    : sender_(std::move(sender)),
      size_(size),
      charged_(charged) {
  (void)sender_->charged_.fetch_add_seq_cst(charged);
}

Packet::~Packet() {
  const u64 left = sender_->charged_.fetch_add_seq_cst(~u64{charged_} + 1) - charged_;
  if (left * 4 <= sender_->options->send_buffer.load_relaxed()) sender_->flow_->writable.wake_all();
}

Result<mem::Box<Packet>> Packet::create(Core& sender, u32 size) {
  void* const at = TRY(mem::allocate(ALLOC_SITE, sizeof(Packet) + size, mem::Fill::overwrite));
  return mem::Box<Packet>::adopt(::new (at) Packet(Ref<Core>(sender), size, size + overhead));
}

// --- Life ---------------------------------------------------------------------------------------

Result<Ref<Core>> Core::create(SocketType type) {
  Ref<Options> options = TRY(mem::make_ref<Options>(ALLOC_SITE));
  Ref<Flow> flow = TRY(mem::make_ref<Flow>(ALLOC_SITE));
  return mem::make_ref<Core>(ALLOC_SITE, type, std::move(options), std::move(flow));
}

Ref<Name> Core::name() { return state_.lock()->name; }
Ref<Core> Core::peer() { return state_.lock()->peer; }
Peer Core::other() {
  auto s = state_.lock();
  return s->other;
}

void Core::push(State& s, mem::Box<Packet> p) {
  (void)bytes_.fetch_add_relaxed(p->bytes().size());
  s.queue.push_back(*p.release());
  (void)waiting_.fetch_add_seq_cst(1);
}

mem::Box<Packet> Core::pop(State& s) {
  Packet* const p = s.queue.pop_front();
  if (p == nullptr) return {};
  (void)waiting_.fetch_add_seq_cst(~u32{0});
  return mem::Box<Packet>::adopt(p);
}

void Core::shut(u32 bits) {
  (void)shut_.fetch_or_acq_rel(bits);
  readable_.wake_all();
  flow_->writable.wake_all();
  flow_->drained.wake_all();
}

/// The other side of a connection has gone.
void Core::peer_closed(const Core& who, bool with_unread) {
  {
    auto s = state_.lock();
    if (s->peer.get() != &who) return;
  }
  if (with_unread) error_.store_seq_cst(static_cast<u32>(Errno::econnreset));
  shut(shut_both);
}

void Core::closed() {
  Ref<Core> peer;
  vfs::Path place;
  bool has_name = false;
  Packets unread;
  List<Core, &Core::pending_node> pending;
  bool was_connected = false;
  {
    auto s = state_.lock();
    was_connected = s->phase == Phase::connected;
    s->phase = Phase::closed;
    is_closed_.store_seq_cst(true);
    is_listening_.store_release(false);
    is_connected_.store_release(false);
    peer = std::move(s->peer);
    has_name = bool(s->name);
    place = std::move(s->place);
    while (Packet* const p = s->queue.pop_front()) unread.push_back(*p);
    while (Core* const c = s->pending.pop_front()) pending.push_back(*c);
    waiting_.store_seq_cst(0);
    bytes_.store_relaxed(0);
  }
  if (has_name) withdraw(*this);
  flow_->unwatch();
  const bool has_unread = !unread.empty();
  if (peer && is_connection() && was_connected) peer->peer_closed(*this, has_unread);
  discard(unread);
  while (Core* const c = pending.pop_front()) {
    // Nobody accepted it: for the other side it is reset.
    const Ref<Core> connection = Ref<Core>::adopt(c);
    if (const Ref<Core> client = connection->peer()) client->peer_closed(*connection, true);
    connection->closed();
  }
  shut(shut_both);
}

// --- Names and connections ----------------------------------------------------------------------

Result<void> Core::listen(u32 backlog) {
  if (!is_connection()) return Errno::eopnotsupp;
  const Peer me = Peer::of(actor());
  {
    auto s = state_.lock();
    if (!s->name) return Errno::einval;
    if (s->phase != Phase::fresh && s->phase != Phase::listening) return Errno::einval;
    s->phase = Phase::listening;
    s->backlog = backlog;
    s->own = me;
    is_listening_.store_release(true);
  }
  // Room for more.
  flow_->drained.wake_all();
  return {};
}

/// The accepting end of a connection to this listener.
Result<Ref<Core>> Core::new_connection(const Peer& client) {
  Ref<Core> c = TRY(create(type_));
  auto s = c->state_.lock();
  s->phase = Phase::connected;
  s->other = client;
  c->is_connected_.store_release(true);
  return c;
}

bool Core::takes_connections(const State& s) const {
  return s.phase == Phase::listening && !is_over_for_readers();
}

bool Core::is_full() const { return waiting_.load_seq_cst() > most_packets.load_relaxed(); }

Ref<Core> Core::set_peer(Ref<Core> to) {
  auto s = state_.lock();
  std::swap(s->peer, to);
  return to;
}

/// A datagram socket.
void Core::disconnect() {
  Ref<Core> before;
  auto s = state_.lock();
  std::swap(before, s->peer);
  s->phase = Phase::fresh;
  is_connected_.store_release(false);
}

Result<void> Core::connect_datagrams(const Address& to, const Actor& who) {
  Ref<Core> other = TRY(find_bound(to, type_, who));
  if (other->type_ != type_) return Errno::eprototype;
  {
    auto s = other->state_.lock();
    if (s->peer && s->peer.get() != this) return Errno::eperm;
  }
  if (is_kept_from(*other, who)) return Errno::eperm;
  {
    auto s = state_.lock();
    std::swap(other, s->peer);
    s->phase = Phase::connected;
    is_connected_.store_release(true);
  }
  flow_->writable.wake_all();
  return {};
}

/// To who listens here. `me`: how the connection sees the listener.
Core::Offer Core::offer(Core& connection, Peer& me, bool is_kept_away) {
  auto s = state_.lock();
  if (!takes_connections(*s)) return Offer::refused;
  if (waiting_.load_relaxed() > s->backlog) return Offer::full;
  if (is_kept_away) return Offer::forbidden;
  {
    auto inner = connection.state_.lock_as<core::level::socket_queue_twin>();
    inner->name = s->name;
    // It keeps the mount busy like the listener.
    inner->place = s->place;
  }
  me = s->own;
  s->pending.push_back(*Ref<Core>(connection).release());
  (void)waiting_.fetch_add_seq_cst(1);
  return Offer::taken;
}

Result<void> Core::connect(const Address& to, const Patience& patience) {
  const Actor who = actor();
  const bool is_end = to.family() == 0;
  if (!is_end) TRY(bind_for_answers());
  if (type_ == SocketType::datagram) {
    if (!is_end) return connect_datagrams(to, who);
    disconnect();
    return {};
  }
  const Peer me = Peer::of(who);
  {
    auto s = state_.lock();
    if (s->phase == Phase::connected) return Errno::eisconn;
    if (s->phase == Phase::connecting) return Errno::ealready;
    if (s->phase != Phase::fresh) return Errno::einval;
    s->phase = Phase::connecting;
  }
  const auto give_up = [&](Errno e) -> Result<void> {
    auto s = state_.lock();
    if (s->phase == Phase::connecting) s->phase = Phase::fresh;
    return e;
  };
  for (;;) {
    Result<Ref<Core>> found = find_bound(to, type_, who);
    if (!found.ok()) return give_up(found.error());
    const Ref<Core> listener = found.take();
    if (listener->type_ != type_) return give_up(Errno::eprototype);
    Result<Ref<Core>> made = listener->new_connection(me);
    if (!made.ok()) return give_up(made.error());
    const Ref<Core> connection = made.take();
    const bool is_kept_away = is_kept_from(*listener, who);
    connection->state_.alone().peer = Ref<Core>(*this);
    // Whoever accepts it may be gone again before this goes on.
    (void)set_peer(connection);
    Peer other;
    const Offer how = listener->offer(*connection, other, is_kept_away);
    if (how == Offer::taken) {
      {
        auto s = state_.lock();
        s->other = other;
        s->phase = Phase::connected;
        is_connected_.store_release(true);
      }
      listener->readable_.wake_all();
      flow_->writable.wake_all();
      return {};
    }
    (void)set_peer({});
    connection->closed();
    if (how != Offer::full)
      return give_up(how == Offer::refused ? Errno::econnrefused : Errno::eperm);
    const auto has_room = [&] {
      auto s = listener->state_.lock();
      return !listener->takes_connections(*s) || listener->waiting_.load_relaxed() <= s->backlog;
    };
    if (const Result<void> w = wait_for(listener->flow_->drained, patience, has_room); !w.ok())
      return give_up(w.error());
  }
}

Result<Ref<Core>> Core::accept(const Patience& patience) {
  if (!is_connection()) return Errno::eopnotsupp;
  for (;;) {
    if (!is_listening()) return Errno::einval;
    Ref<Core> c;
    {
      auto s = state_.lock();
      if (Core* const first = s->pending.pop_front()) {
        c = Ref<Core>::adopt(first);
        (void)waiting_.fetch_add_seq_cst(~u32{0});
      }
    }
    if (c) {
      flow_->drained.wake_all();
      return c;
    }
    TRY(wait_for(readable_, patience,
                 [&] { return waiting_.load_seq_cst() != 0 || shut_.load_seq_cst() != 0; }));
    if (waiting_.load_seq_cst() == 0 && shut_.load_seq_cst() != 0) return Errno::einval;
  }
}

void Core::pair(Core& a, Core& b) {
  const Peer me = Peer::of(actor());
  const auto connect_to = [&](Core& one, Core& other) {
    auto s = one.state_.lock();
    s->peer = Ref<Core>(other);
    s->other = me;
    s->phase = Phase::connected;
    one.is_connected_.store_release(true);
  };
  connect_to(a, b);
  connect_to(b, a);
}

// --- Sending ------------------------------------------------------------------------------------

/// With its bytes; the sender is charged. EFAULT, ENOMEM, EAGAIN.
Result<mem::Box<Packet>> Core::make_packet(Sending& s, const Actor& who, u32 size,
                                           const Patience& patience) {
  const auto has_room = [&] {
    return charged_.load_seq_cst() < options->send_buffer.load_relaxed() ||
           (shut_.load_seq_cst() & shut_send) != 0;
  };
  TRY(wait_for(flow_->writable, patience, has_room));
  if ((shut_.load_seq_cst() & shut_send) != 0) return Errno::epipe;
  mem::Box<Packet> p = TRY(Packet::create(*this, size));
  if (s.bytes.get(p->bytes()) < size) return Errno::efault;
  p->with.sender = s.with.sender ? s.with.sender : std::optional<Credentials>(who.real());
  p->with.rights = std::move(s.with.rights);
  return p;
}

/// False: it takes no more just now. Otherwise the packet is there.
Result<bool> Core::try_hand_over(Core& to, mem::Box<Packet>& p, bool is_kept_away) {
  auto s = to.state_.lock();
  if (s->phase == Phase::closed) return Errno::econnrefused;
  if ((to.shut_.load_relaxed() & shut_receive) != 0) return Errno::epipe;
  if (type_ == SocketType::datagram && s->peer && s->peer.get() != this) return Errno::eperm;
  if (is_kept_away) return Errno::eperm;
  // Two that are connected to each other have the sender's buffer as their only limit.
  const bool is_limited = type_ != SocketType::stream && &to != this && s->peer.get() != this;
  if (is_limited && to.is_full()) return false;
  to.push(*s, std::move(p));
  return true;
}

/// Waits until it is taken. EPIPE, EPERM; ECONNREFUSED where there is no connection; EAGAIN, EINTR,
/// restart::sys.
Result<void> Core::hand_over(Core& to, mem::Box<Packet> p, const Patience& patience,
                             bool is_kept_away) {
  const auto give = [&]() -> Result<void> {
    for (;;) {
      if (TRY(try_hand_over(to, p, is_kept_away))) return {};
      TRY(wait_for(to.flow_->drained, patience, [&] {
        return !to.is_full() || to.is_closed_.load_seq_cst() || to.is_over_for_readers();
      }));
    }
  };
  if (p->with.rights) enter_flight(*p->with.rights);
  const Result<void> r = give();
  if (r.ok()) {
    to.readable_.wake_all();
    return {};
  }
  if (p->with.rights) leave_flight(*p->with.rights);
  return is_connection() && r.error() == Errno::econnrefused ? Errno::epipe : r.error();
}

Result<usize> Core::send_stream(Sending& s, const Patience& patience) {
  const Actor who = actor();
  if (s.to != nullptr) return is_connected_.load_acquire() ? Errno::eisconn : Errno::eopnotsupp;
  const Ref<Core> to = is_connected_.load_acquire() ? peer() : Ref<Core>();
  if (!to) return Errno::enotconn;
  usize done = 0;
  const auto failed = [&](Errno e) { return done > 0 ? Result<usize>(done) : Result<usize>(e); };
  do {
    if ((shut_.load_seq_cst() & shut_send) != 0) return failed(Errno::epipe);
    const u64 half = options->send_buffer.load_relaxed() / 2;
    const u32 size = static_cast<u32>(std::min<u64>({s.bytes.left(), most_piece, half}));
    if (size == 0) break;
    Result<mem::Box<Packet>> made = make_packet(s, who, size, patience);
    if (!made.ok()) return failed(made.error());
    const Result<void> handed = hand_over(*to, made.take(), patience);
    if (!handed.ok()) return failed(handed.error());
    done += size;
  } while (s.bytes.left() > 0);
  return done;
}

/// Who is to get it. ENOTCONN, and what find_bound() fails with.
Result<Ref<Core>> Core::receiver(const Sending& s, const Actor& who) {
  if (s.to != nullptr && type_ == SocketType::datagram) {
    Ref<Core> to = TRY(find_bound(*s.to, type_, who));
    if (to->type_ != type_) return Errno::eprototype;
    return to;
  }
  Ref<Core> to = peer();
  if (!to) return Errno::enotconn;
  return to;
}

Result<usize> Core::send_packet(Sending& s, const Patience& patience) {
  const Actor who = actor();
  const u64 size = s.bytes.left();
  if (type_ == SocketType::seqpacket && !is_connected_.load_acquire()) return Errno::enotconn;
  constexpr u64 reserve = 32;
  if (size > options->send_buffer.load_relaxed() - reserve) return Errno::emsgsize;
  const Ref<Core> to = TRY(receiver(s, who));
  mem::Box<Packet> p = TRY(make_packet(s, who, static_cast<u32>(size), patience));
  const bool is_kept_away = type_ == SocketType::datagram && is_kept_from(*to, who);
  const Result<void> handed = hand_over(*to, std::move(p), patience, is_kept_away);
  if (handed.ok()) return size;
  if (handed.error() == Errno::econnrefused && s.to == nullptr) {
    // It does not stay connected to nobody.
    Ref<Core> gone;
    auto state = state_.lock();
    if (state->peer == to) std::swap(gone, state->peer);
  }
  return handed.error();
}

/// Who wants to know of senders is known to those it sends to.
Result<void> Core::bind_for_answers() {
  return options->is_on(uapi::so_passcred) ? bind_automatically() : Result<void>();
}

Result<usize> Core::send(Sending& s, const Patience& patience) {
  TRY(bind_for_answers());
  if ((s.flags & message_flag::out_of_band) != 0) return Errno::eopnotsupp;
  return type_ == SocketType::stream ? send_stream(s, patience) : send_packet(s, patience);
}

// --- Receiving ----------------------------------------------------------------------------------

Packet* Core::head() {
  auto s = state_.lock();
  return s->queue.front();
}

/// What SO_ERROR would tell, which is gone then.
Result<void> Core::waiting_error() {
  const u32 error = take_error();
  return error == 0 ? Result<void>() : Errno{static_cast<i32>(error)};
}

Result<void> Core::wait_to_receive(const Patience& patience) {
  return wait_for(readable_, patience, [&] {
    return waiting_.load_seq_cst() != 0 || is_over_for_readers() || error_.load_seq_cst() != 0;
  });
}

/// The files and the sender of a packet whose bytes are given out.
Result<void> Core::take_ancillary(Receiving& r, Packet& p) const {
  r.with.sender = p.with.sender;
  if (!p.with.rights) return {};
  if (!r.is_peek()) {
    leave_flight(*p.with.rights);
    r.with.rights = std::move(p.with.rights);
    return {};
  }
  r.with.rights = TRY(Rights::create(static_cast<u32>(p.with.rights->files().size())));
  copy_flying(*p.with.rights, *r.with.rights);
  return {};
}

void Core::note_sender(Receiving& r, Packet& p) {
  if (const Ref<Name> from = p.sender().name()) r.from = from->address;
}

/// A read that has bytes already does not go on with this packet.
bool Core::ends_before(const Receiving& r, const Packet& p, usize done) const {
  if (done == 0) return false;
  return r.with.rights || (options->is_on(uapi::so_passcred) && r.with.sender != p.with.sender);
}

Result<usize> Core::receive_stream(Receiving& r, const Patience& patience) {
  if (!is_connected_.load_acquire()) return Errno::einval;
  usize done = 0;
  const u64 wanted = r.bytes.left();
  const u64 least = (r.flags & message_flag::wait_all) != 0
                        ? wanted
                        : std::min<u64>(options->low_water.load_relaxed(), wanted);
  for (;;) {
    {
      auto reading = reading_.lock();
      Packet* p = head();
      for (; p != nullptr && r.bytes.left() > 0 && !ends_before(r, *p, done);) {
        const usize moved = r.bytes.put(p->rest());
        if (moved == 0 && !p->rest().empty()) return done > 0 ? Result<usize>(done) : Errno::efault;
        if (done == 0) note_sender(r, *p);
        if (!r.with.rights) TRY(take_ancillary(r, *p));
        done += moved;
        if (r.is_peek()) {
          auto s = state_.lock();
          p = s->queue.next(*p);
          continue;
        }
        p->consumed += static_cast<u32>(moved);
        note_read(moved);
        if (!p->rest().empty()) break;
        mem::Box<Packet> read;
        {
          auto s = state_.lock();
          read = pop(*s);
          p = s->queue.front();
        }
      }
      if (wanted == 0 || done >= least || (done > 0 && (p != nullptr || r.is_peek()))) return done;
    }
    if (done == 0) TRY(waiting_error());
    if (is_over_for_readers() && waiting_.load_seq_cst() == 0) return done;
    if (const Result<void> w = wait_to_receive(patience); !w.ok())
      return done > 0 ? Result<usize>(done) : Result<usize>(w.error());
  }
}

Result<usize> Core::receive_packet(Receiving& r, const Patience& patience) {
  if (type_ == SocketType::seqpacket && !is_connected_.load_acquire()) return Errno::enotconn;
  for (;;) {
    {
      auto reading = reading_.lock();
      if (Packet* const p = head()) {
        mem::Box<Packet> taken;
        if (!r.is_peek()) {
          auto s = state_.lock();
          taken = pop(*s);
        }
        const usize size = p->bytes().size();
        const usize room = std::min<u64>(r.bytes.left(), size);
        const usize moved = r.bytes.put(p->bytes().first(room));
        note_sender(r, *p);
        const Result<void> extra = take_ancillary(r, *p);
        if (taken) {
          note_read(size);
          flow_->drained.wake_all();
        }
        if (moved < room) return Errno::efault;
        if (!extra.ok()) return extra.error();
        if (room < size) r.result_flags |= message_flag::truncated;
        return (r.flags & message_flag::truncated) != 0 ? size : room;
      }
    }
    TRY(waiting_error());
    if (is_over_for_readers()) {
      if (waiting_.load_seq_cst() != 0) continue;
      // One that is not connected has nobody who might have stopped sending.
      return is_connection() || !patience.is_none ? Result<usize>(usize{0}) : Errno::eagain;
    }
    TRY(wait_to_receive(patience));
  }
}

void Core::buffer_changed() { flow_->writable.wake_all(); }

Result<void> Core::shut_down(bool receiving, bool sending) {
  const u32 bits = (receiving ? shut_receive : 0U) | (sending ? shut_send : 0U);
  shut(bits);
  const Ref<Core> other = peer();
  if (!other || !is_connection()) return {};
  other->shut((receiving ? shut_send : 0U) | (sending ? shut_receive : 0U));
  return {};
}

u64 Core::bytes_waiting() {
  if (is_connection()) return bytes_.load_relaxed();
  // Of the next one only.
  auto s = state_.lock();
  Packet* const p = s->queue.front();
  return p == nullptr ? 0 : p->bytes().size();
}

/// Of a datagram socket. If not, `writable` is woken when that changes.
bool Core::peer_has_room() {
  const Ref<Core> to = peer();
  if (!to || to.get() == this || !to->is_full()) return true;
  // Of two that are connected to each other the sender's buffer is the only limit.
  if (to->peer().get() == this) return true;
  flow_->watch(to->flow_);
  return !to->is_full();
}

io::PollEvents Core::poll(io::PollTable* table) {
  if (table != nullptr) {
    table->watch(readable_);
    table->watch(flow_->writable);
  }
  io::PollEvents e;
  const u32 shut = shut_.load_seq_cst();
  if (error_.load_seq_cst() != 0) e |= io::PollEvent::error;
  if ((shut & shut_receive) != 0) e = e | io::PollEvent::read_hang_up | readable_events;
  if (shut == shut_both) e |= io::PollEvent::hang_up;
  if (waiting_.load_seq_cst() != 0) e = e | readable_events;
  const bool is_alone = !is_connected_.load_acquire() && !is_listening();
  if (is_connection() && is_alone && shut == 0) e |= io::PollEvent::hang_up;
  if (is_listening() || !is_writable()) return e;
  if (type_ == SocketType::datagram && !peer_has_room()) return e;
  return e | writable_events;
}

}  // namespace auk::net::local
