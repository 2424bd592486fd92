#include "net/netlink/port.hpp"

#include <algorithm>

#include "generated/uapi/socket.hpp"

namespace auk::net::netlink {
namespace {

constexpr u16 family = uapi::af_netlink;
/// What a packet takes beside its bytes, as its receiver is charged for it.
constexpr u32 overhead = 768;
/// The longest read that parts of an answer are made for.
constexpr u32 most_read = 32768 - 320;
/// As sending sockets of Linux keep it back.
constexpr u32 reserve = 32;

constexpr io::PollEvents readable_events =
    io::PollEvents(io::PollEvent::in) | io::PollEvent::read_normal;
constexpr io::PollEvents writable_events =
    io::PollEvents(io::PollEvent::out) | io::PollEvent::write_normal;

constexpr bool is_switch(int option) {
  switch (option) {
    case uapi::netlink_pktinfo:
    case uapi::netlink_broadcast_error:
    case uapi::netlink_no_enobufs:
    case uapi::netlink_cap_ack:
    case uapi::netlink_ext_ack:
    case uapi::netlink_get_strict_chk: return true;
    default: return false;
  }
}

Address address_of(u32 port, u32 groups) {
  const uapi::sockaddr_nl name{
      .nl_family = family, .nl_pad = 0, .nl_pid = port, .nl_groups = groups};
  Address a;
  std::ranges::copy(object_bytes(name), a.bytes.begin());
  a.size = sizeof(name);
  return a;
}
/// Groups behind the first 32 have no bit.
u32 mask_of(u32 group) { return group == 0 || group > 32 ? 0 : u32{1} << (group - 1); }
u32 lowest_group(u32 mask) { return mask == 0 ? 0 : 1 + static_cast<u32>(std::countr_zero(mask)); }

/// EINVAL.
Result<uapi::sockaddr_nl> parse_address(const Address& a) {
  if (a.size < sizeof(uapi::sockaddr_nl) || a.family() != family) return Errno::einval;
  return load_from<uapi::sockaddr_nl>(a.data());
}

}  // namespace

// --- Packets ------------------------------------------------------------------------------------

u32 Packet::charge() const { return room_ + overhead; }

Result<Ref<Packet>> Packet::create(u32 size) {
  Result<void*> at = mem::allocate(ALLOC_SITE, sizeof(Packet) + size);
  if (!at.ok()) return Errno::enobufs;
  return Ref<Packet>::adopt(::new (at.take()) Packet(size));
}

Result<Ref<Port>> Port::create(Protocol& p) {
  Ref<Options> options = TRY(mem::make_ref<Options>(ALLOC_SITE));
  const bool is_admin = actor().asker.cred.has(ident::Cap::net_admin);
  return mem::make_ref<Port>(ALLOC_SITE, p, is_admin, std::move(options));
}

// --- Names and groups ---------------------------------------------------------------------------

Address Port::name() const { return address_of(number(), static_cast<u32>(groups())); }
Address Port::peer_name() const {
  return address_of(peer_.load_acquire(), mask_of(peer_group_.load_acquire()));
}

bool Port::may(bool anyone) const {
  return anyone || actor().asker.cred.has(ident::Cap::net_admin);
}

void Port::bind_automatically() {
  if (!is_bound()) bind_port_automatically(*this, actor().pid.own_number());
}

Result<void> Port::bind(const Address& at) {
  const auto name = TRY(parse_address(at));
  if (name.nl_groups != 0) {
    if (!may(protocol.rules.anyone_listens)) return Errno::eperm;
    knows_groups_.store_release(true);
  }
  if (is_bound() && name.nl_pid != number()) return Errno::einval;
  for (u32 group = 1; group <= 32; ++group)
    if ((name.nl_groups & mask_of(group)) != 0) TRY(protocol.check_group(group));
  if (name.nl_pid == 0)
    bind_automatically();
  else
    TRY(bind_port(*this, name.nl_pid));
  constexpr u64 low = 0xffffffff;
  u64 before = groups_.load_relaxed();
  while (!groups_.cas_acq_rel(before, (before & ~low) | name.nl_groups)) {}
  note_member(*this);
  return {};
}

Result<void> Port::connect(const Address& to) {
  if (to.size < sizeof(u16)) return Errno::einval;
  if (to.family() == 0) {
    is_connected_.store_release(false);
    peer_.store_release(0);
    peer_group_.store_release(0);
    return {};
  }
  const auto name = TRY(parse_address(to));
  if ((name.nl_groups != 0 || name.nl_pid != 0) && !may(protocol.rules.anyone_sends))
    return Errno::eperm;
  bind_automatically();
  is_connected_.store_release(true);
  peer_.store_release(name.nl_pid);
  peer_group_.store_release(lowest_group(name.nl_groups));
  return {};
}

Result<void> Port::set_membership(u32 group, bool is_in) {
  if (!may(protocol.rules.anyone_listens)) return Errno::eperm;
  knows_groups_.store_release(true);
  if (group == 0 || group > protocol.groups()) return Errno::einval;
  const u64 bit = u64{1} << (group - 1);
  if (is_in) {
    TRY(protocol.check_group(group));
    (void)groups_.fetch_or_acq_rel(bit);
  } else {
    (void)groups_.fetch_and_acq_rel(~bit);
  }
  note_member(*this);
  return {};
}

u32 Port::membership_size() const {
  constexpr u32 bits_per_byte = 8;
  const u32 count = knows_groups_.load_acquire() ? protocol.groups() : 0;
  return static_cast<u32>(align_up(div_ceil(count, bits_per_byte), u32{sizeof(u32)}));
}

Result<void> Port::set_option(int option, u32 value) {
  if (option == uapi::netlink_add_membership) return set_membership(value, true);
  if (option == uapi::netlink_drop_membership) return set_membership(value, false);
  if (!is_switch(option)) return Errno::enoprotoopt;
  const u32 bit = u32{1} << option;
  if (value != 0)
    (void)switches_.fetch_or_acq_rel(bit);
  else
    (void)switches_.fetch_and_acq_rel(~bit);
  if (option == uapi::netlink_no_enobufs && value != 0) {
    {
      auto s = state_.lock();
      s->is_congested = false;
    }
    room_.wake_all();
  }
  return {};
}

Result<u32> Port::option(int option) const {
  if (!is_switch(option)) return Errno::enoprotoopt;
  return is_on(option) ? 1 : 0;
}

// --- The queue ----------------------------------------------------------------------------------

bool Port::takes(const State& s, u32 charge) const {
  // The first one may be of any size.
  const bool fits = s.charged == 0 || s.charged + charge <= options->receive_buffer.load_relaxed();
  return fits && !s.is_congested;
}

Result<Port::Offer> Port::offer(const Ref<Packet>& p) {
  return put(TRY(mem::Box<Queued>::make(ALLOC_SITE, p)), false);
}

Port::Offer Port::put(mem::Box<Queued> place, bool is_forced) {
  const u32 charge = place->packet->charge();
  {
    auto s = state_.lock();
    if (s->is_closed) return Offer::closed;
    if (!is_forced && !takes(*s, charge)) return Offer::full;
    s->charged += charge;
    s->queue.push_back(*place.release());
    (void)waiting_.fetch_add_seq_cst(1);
  }
  readable_.wake_all();
  return Offer::taken;
}

void Port::fail(Errno e) {
  error_.store_seq_cst(static_cast<u32>(e));
  readable_.wake_all();
}

void Port::overrun() {
  (void)drops_.fetch_add_relaxed(1);
  if (is_on(uapi::netlink_no_enobufs)) return;
  {
    auto s = state_.lock();
    // Who has read everything meanwhile need not read more before the next one comes.
    if (std::exchange(s->is_congested, !s->queue.empty())) return;
  }
  fail(Errno::enobufs);
}

void Port::hear(const Ref<Packet>& p) {
  Result<Offer> how = offer(p);
  if (!how.ok() || *how == Offer::full) overrun();
}

Result<void> Port::answer(const Ref<Packet>& p) {
  switch (TRY(offer(p))) {
    case Offer::taken: return {};
    case Offer::full: overrun(); return Errno::eagain;
    case Offer::closed: break;
  }
  return Errno::econnrefused;
}

Ref<Packet> Port::take(bool is_peek) {
  mem::Box<Queued> taken;
  auto s = state_.lock();
  Queued* const first = s->queue.front();
  if (first == nullptr) return {};
  if (is_peek) return first->packet;
  s->queue.remove(*first);
  s->charged -= first->packet->charge();
  (void)waiting_.fetch_sub_acq_rel(1);
  taken = mem::Box<Queued>::adopt(first);
  return taken->packet;
}

void Port::after_read() {
  bool has_room = false, is_half_empty = false;
  {
    auto s = state_.lock();
    is_half_empty = s->charged <= options->receive_buffer.load_relaxed() / 2;
    if (s->queue.empty()) s->is_congested = false;
    has_room = !s->is_congested;
  }
  if (is_half_empty && is_dumping_.load_acquire()) continue_dump();
  if (has_room) room_.wake_all();
}

void Port::closed() {
  withdraw_port(*this);
  List<Queued, &Queued::node> unread;
  {
    auto s = state_.lock();
    s->is_closed = true;
    while (Queued* const q = s->queue.pop_front()) unread.push_back(*q);
    s->charged = 0;
    waiting_.store_seq_cst(0);
  }
  while (Queued* const q = unread.pop_front()) (void)mem::Box<Queued>::adopt(q);
  {
    auto d = dump_.lock();
    *d = Dump();
  }
  room_.wake_all();
}

PortReport Port::report() {
  PortReport r{.protocol = protocol.number(),
               .number = number(),
               .groups = static_cast<u32>(groups()),
               .is_dumping = is_dumping_.load_acquire(),
               .drops = drops_.load_relaxed(),
               .inode = inode};
  auto s = state_.lock();
  r.received = s->charged;
  return r;
}

// --- Sending and receiving ----------------------------------------------------------------------

Result<Port::Destination> Port::destination(const Sending& s) const {
  if (s.to == nullptr || s.to->size == 0)
    return Destination{peer_.load_acquire(), peer_group_.load_acquire(), false};
  const auto name = TRY(parse_address(*s.to));
  if ((name.nl_groups != 0 || name.nl_pid != 0) && !may(protocol.rules.anyone_sends))
    return Errno::eperm;
  return Destination{name.nl_pid, lowest_group(name.nl_groups), true};
}

/// ECONNREFUSED; EAGAIN, EINTR, restart::sys; ENOMEM.
Result<void> Port::send_to(const Destination& to, const Ref<Packet>& p, const Patience& patience) {
  if (to.port == 0) {
    if (!protocol.has_kernel()) return Errno::econnrefused;
    const bool may_administer = actor().asker.cred.has(ident::Cap::net_admin);
    // A program that got the socket from a privileged one says whom it means before it counts.
    handle_requests(*this, p, may_administer && (opener_is_admin || to.is_named));
    return {};
  }
  for (;;) {
    const Ref<Port> other = find_port(protocol, to.port);
    if (!other) return Errno::econnrefused;
    if (other->is_connected_.load_acquire() && other->peer_.load_acquire() != number())
      return Errno::econnrefused;
    const Offer how = TRY(other->offer(p));
    if (how == Offer::taken) return {};
    if (how == Offer::closed) return Errno::econnrefused;
    TRY(wait_for(other->room_, patience, [&] {
      auto s = other->state_.lock();
      return s->is_closed || other->takes(*s, p->charge());
    }));
  }
}

Result<usize> Port::send(Sending& s, const Patience& patience) {
  if ((s.flags & message_flag::out_of_band) != 0) return Errno::eopnotsupp;
  const u64 size = s.bytes.left();
  if (size == 0) return Errno::enodata;
  // Files go no further than AF_UNIX.
  if (s.with.rights) return Errno::einval;
  const Destination to = TRY(destination(s));
  bind_automatically();
  if (size > options->send_buffer.load_relaxed() - reserve) return Errno::emsgsize;
  const Ref<Packet> p = TRY(Packet::create(static_cast<u32>(size)));
  if (s.bytes.get(p->bytes()) < size) return Errno::efault;
  p->from = number();
  p->group = to.group;
  p->sender = s.with.sender ? *s.with.sender : actor().real();
  if (to.group != 0) broadcast(protocol, p, this, to.port);
  TRY(send_to(to, p, patience));
  return size;
}

Result<usize> Port::receive(Receiving& r, const Patience& patience) {
  if ((r.flags & message_flag::out_of_band) != 0) return Errno::eopnotsupp;
  Ref<Packet> p;
  for (;;) {
    if (const u32 error = take_error(); error != 0) {
      after_read();
      return Errno{static_cast<i32>(error)};
    }
    p = take(r.is_peek());
    if (p) break;
    TRY(wait_for(readable_, patience,
                 [&] { return waiting_.load_seq_cst() != 0 || error_.load_seq_cst() != 0; }));
  }
  const std::span<const byte> bytes = p->bytes();
  const usize room = std::min<u64>(r.bytes.left(), bytes.size());
  const auto wanted = static_cast<u32>(std::min<u64>(r.bytes.left(), most_read));
  if (wanted > longest_read_.load_relaxed()) longest_read_.store_relaxed(wanted);
  const usize moved = r.bytes.put(bytes.first(room));
  r.from = address_of(p->from, mask_of(p->group));
  r.with.sender = p->sender;
  if (is_on(uapi::netlink_pktinfo))
    r.control = ControlWord{uapi::sol_netlink, uapi::netlink_pktinfo, p->group};
  after_read();
  if (moved < room) return Errno::efault;
  if (room < bytes.size()) r.result_flags |= message_flag::truncated;
  return (r.flags & message_flag::truncated) != 0 ? bytes.size() : room;
}

io::PollEvents Port::poll(io::PollTable* table) {
  if (table != nullptr) table->watch(readable_);
  // What is sent is with its receiver at once, or the sender waits.
  io::PollEvents e = writable_events;
  if (error_.load_seq_cst() != 0) e |= io::PollEvent::error;
  if (waiting_.load_seq_cst() != 0) e = e | readable_events;
  return e;
}

}  // namespace auk::net::netlink
