// Who is bound to which number, and who listens to groups.
#include "core/init_graph.hpp"
#include "core/panic.hpp"
#include "net/netlink/port.hpp"
#include "random/random.hpp"

namespace auk::net::netlink {
namespace {

/// Each protocol has numbers of its own.
struct Number {
  u32 protocol, port;
  auto operator<=>(const Number&) const = default;
};
Number number_of(const Port& p) { return {p.protocol.number(), p.number()}; }
struct ByNumber {
  bool operator()(const Port& a, const Port& b) const { return number_of(a) < number_of(b); }
  bool operator()(const Number& a, const Port& b) const { return a < number_of(b); }
  bool operator()(const Port& a, const Number& b) const { return number_of(a) < b; }
};

struct Ports {
  Tree<Port, &Port::number_hook, ByNumber> bound;
  List<Port, &Port::member_node> members;

  bool has(const Number& n) const {
    return n.port == 0 || bound.find(n, ByNumber()) != bound.end();
  }
  void bind(Port& p, u32 number) {
    p.set_number(number);
    bound.insert_unique(p);
  }
};
using Table = core::Guarded<core::level::netlink_ports, Ports, sched::SleepLock>;
constinit Table* table = nullptr;

/// Numbers that are no process's: negative ones, but for the few that are nearest to zero.
constexpr u32 first_free = 0x80000000, most_free = 0x7ffff000;

void setup() {
  Result<mem::Box<Table>> made = mem::Box<Table>::make(ALLOC_SITE);
  if (!made.ok()) core::panic("Out of memory for the ports of netlink");
  table = made.take().release();
}
INIT_TASK(netlink_ports, "", "netlink_ports", setup);

constinit Protocol* protocols = nullptr;

/// The first protocol with this number or a higher one to whose port 0 somebody listens.
const Protocol* next_kernel_end(u32 number) {
  constexpr u32 all = 32;
  for (; number < all; ++number)
    if (const Protocol* const p = find_protocol(number); p != nullptr && p->has_kernel()) return p;
  return nullptr;
}

}  // namespace

void register_protocol(Protocol& p) {
  p.next_ = protocols;
  protocols = &p;
}

Protocol* find_protocol(u32 number) {
  Protocol* p = protocols;
  while (p != nullptr && p->number_ != number) p = p->next_;
  return p;
}

std::optional<PortReport> next_port(u64& key) {
  // One more than protocol and number together, so that key 0 stays free.
  constexpr u32 half = 32;
  const Number from{static_cast<u32>((key - 1) >> half), static_cast<u32>(key - 1)};
  const Protocol* const kernel =
      next_kernel_end(from.port == 0 ? from.protocol : from.protocol + 1);
  std::optional<PortReport> found;
  {
    auto t = table->lock();
    const auto at = t->bound.lower_bound(from, ByNumber());
    if (at != t->bound.end()) found = at->report();
  }
  if (kernel != nullptr && (!found || kernel->number() <= found->protocol))
    found = PortReport{.protocol = kernel->number()};
  if (found) key = (u64{found->protocol} << half | found->number) + 2;
  return found;
}

Result<void> bind_port(Port& p, u32 number) {
  auto t = table->lock();
  if (p.is_bound()) return p.number() == number ? Result<void>() : Errno::einval;
  if (t->has({p.protocol.number(), number})) return Errno::eaddrinuse;
  t->bind(p, number);
  return {};
}

void bind_port_automatically(Port& p, u32 process) {
  auto t = table->lock();
  if (p.is_bound()) return;
  const u32 protocol = p.protocol.number();
  u32 number = process;
  u32 next = static_cast<u32>(random::next_u64() % most_free);
  while (t->has({protocol, number})) number = first_free + next++ % most_free;
  t->bind(p, number);
}

void withdraw_port(Port& p) {
  auto t = table->lock();
  if (p.number_hook.is_linked()) t->bound.erase(t->bound.iterator_to(p));
  if (p.member_node.is_linked()) t->members.remove(p);
}

Ref<Port> find_port(const Protocol& protocol, u32 number) {
  auto t = table->lock();
  const auto at = t->bound.find(Number{protocol.number(), number}, ByNumber());
  // One that is going has no number any more.
  return at != t->bound.end() && at->try_get() ? Ref<Port>::adopt(&*at) : Ref<Port>();
}

void note_member(Port& p) {
  auto t = table->lock();
  const bool is_one = p.groups() != 0;
  if (is_one == p.member_node.is_linked()) return;
  if (is_one)
    t->members.push_back(p);
  else
    t->members.remove(p);
}

void broadcast(const Protocol& protocol, const Ref<Packet>& packet, const Port* sender, u32 other) {
  auto t = table->lock();
  for (Port& p : t->members)
    if (&p.protocol == &protocol && &p != sender && p.number() != other &&
        p.listens_to(packet->group))
      p.hear(packet);
}

void lose_news(const Protocol& protocol, u32 group) {
  auto t = table->lock();
  for (Port& p : t->members)
    if (&p.protocol == &protocol && p.listens_to(group)) p.overrun();
}

bool has_listeners(const Protocol& protocol, u32 group) {
  auto t = table->lock();
  for (const Port& p : t->members)
    if (&p.protocol == &protocol && p.listens_to(group)) return true;
  return false;
}

}  // namespace auk::net::netlink
