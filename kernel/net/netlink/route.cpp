// NETLINK_ROUTE: what programs ask and change of the network. See rtnetlink(7).
//
// Purpose: requests about links, and the news of them for group RTNLGRP_LINK. There is no family of
// addresses: lists of addresses, routes and neighbours are empty, and other requests of theirs
// answer as on Linux without such a family. Locking: that of what is asked for. Context: threads.
#include <algorithm>

#include "core/init_graph.hpp"
#include "generated/uapi/socket.hpp"
#include "net/netlink/link.hpp"

namespace auk::net::netlink {
namespace {

class EmptyDump final : public DumpSource {
 public:
  constexpr EmptyDump() = default;
  Result<Progress> write(Dump&, u32, Builder&, ExtendedAck&) const override {
    return Progress::done;
  }
};
constexpr EmptyDump empty_dump;

// --- Neighbours, of which there is no table -----------------------------------------------------

using NeighbourAttributes = Attributes<uapi::nda_max + 1>;
constexpr NeighbourAttributes::Rules neighbour_rules{};

bool has_values(const uapi::ndmsg& m) {
  return m.ndm_pad1 != 0 || m.ndm_pad2 != 0 || m.ndm_state != 0 || m.ndm_type != 0;
}

Result<void> parse_neighbour(Bytes payload, Strictness how, ExtendedAck& ack) {
  if (payload.size() < sizeof(uapi::ndmsg)) return ack.fail(Errno::einval, "Invalid header length");
  NeighbourAttributes a;
  return a.parse(payload.subspan(sizeof(uapi::ndmsg)), sizeof(Header) + sizeof(uapi::ndmsg),
                 neighbour_rules, how, ack);
}

class NeighbourDump final : public DumpSource {
 public:
  constexpr NeighbourDump() = default;
  Result<Progress> write(Dump& d, u32, Builder&, ExtendedAck& ack) const override {
    const Bytes payload = d.request.payload;
    if (d.is_strict) {
      if (payload.size() < sizeof(uapi::ndmsg))
        return ack.fail(Errno::einval, "Invalid header for neighbor dump request");
      const auto m = load_from<uapi::ndmsg>(payload);
      if (has_values(m) || m.ndm_ifindex != 0)
        return ack.fail(Errno::einval, "Invalid values in header for neighbor dump request");
    }
    const Result<void> parsed =
        parse_neighbour(payload, d.is_strict ? Strictness::strict : Strictness::liberal, ack);
    if (d.is_strict) TRY(parsed);
    return Progress::done;
  }
};
constexpr NeighbourDump neighbour_dump;

Result<void> get_neighbour(Request& r) {
  const Bytes payload = r.message.payload;
  if (payload.size() < sizeof(uapi::ndmsg))
    return r.ack.fail(Errno::einval, "Invalid header for neighbor get request");
  if (has_values(load_from<uapi::ndmsg>(payload)))
    return r.ack.fail(Errno::einval, "Invalid values in header for neighbor get request");
  TRY(parse_neighbour(payload, Strictness::strict, r.ack));
  return r.ack.fail(Errno::eafnosupport, "Unsupported family in header for neighbor get request");
}

// --- The protocol -------------------------------------------------------------------------------

/// What a type of message does, by its last two bits.
enum class Kind : u8 { add, remove, get, set };
constexpr Kind kind_of(u16 type) { return static_cast<Kind>(type & 3); }

/// Null if there is none.
const DumpSource* find_dump(u16 type, u8 family) {
  switch (type) {
    // Bridges have links of their own.
    case uapi::rtm_getlink: return family == uapi::af_bridge ? &empty_dump : link_dump;
    case uapi::rtm_getneigh:
      return family == uapi::af_bridge ? static_cast<const DumpSource*>(&empty_dump)
                                       : &neighbour_dump;
    case uapi::rtm_getaddr:
    case uapi::rtm_getroute:
    case uapi::rtm_getnetconf:
    case uapi::rtm_getneightbl: return &empty_dump;
    default: return nullptr;
  }
}

Result<void> change(Request& r, u8 family) {
  switch (r.header().nlmsg_type) {
    case uapi::rtm_newlink: return new_link(r);
    case uapi::rtm_setlink: return family == uapi::af_bridge ? Errno::eopnotsupp : set_link(r);
    case uapi::rtm_dellink: return family == uapi::af_bridge ? Errno::eopnotsupp : delete_link(r);
    default: return Errno::eopnotsupp;
  }
}

class Route final : public Protocol {
 public:
  constexpr Route()
      : Protocol(uapi::netlink_route, uapi::rtnlgrp_max,
                 {.anyone_sends = false, .anyone_listens = true}) {}
  bool has_kernel() const override { return true; }
  Result<void> check_group(u32 group) const override {
    const bool is_guarded =
        group == uapi::rtnlgrp_ipv4_mroute_r || group == uapi::rtnlgrp_ipv6_mroute_r;
    if (is_guarded && !actor().asker.cred.has(ident::Cap::net_admin)) return Errno::eperm;
    return {};
  }
  Result<Answer> handle(Request& r) override {
    const u16 type = r.header().nlmsg_type;
    if (type > uapi::rtm_max) return Errno::eopnotsupp;
    if (r.message.payload.empty()) return Answer::acknowledge;
    const auto family = load_from<u8>(r.message.payload);
    if (kind_of(type) != Kind::get && !r.is_admin) return Errno::eperm;
    if (kind_of(type) == Kind::get && r.has(uapi::nlm_f_dump)) {
      const DumpSource* const source = find_dump(type, family);
      if (source == nullptr) return Errno::eopnotsupp;
      TRY(r.from.start_dump(r, *source));
      return Answer::nothing;
    }
    if (type == uapi::rtm_dellink && r.has(uapi::nlm_f_bulk))
      return r.ack.fail(Errno::eopnotsupp, "Bulk delete is not supported");
    if (type == uapi::rtm_getlink)
      TRY(get_link(r));
    else if (type == uapi::rtm_getneigh)
      TRY(get_neighbour(r));
    else
      TRY(change(r, family));
    return Answer::acknowledge;
  }
};
constinit Route route;

/// Tells group RTNLGRP_LINK.
class LinkNews final : public LinkWatcher {
 public:
  constexpr LinkNews() = default;
  void changed(NetDevice& d, u32 changed) override {
    if (!has_listeners(route, uapi::rtnlgrp_link)) return;
    const Header header{.nlmsg_len = 0,
                        .nlmsg_type = uapi::rtm_newlink,
                        .nlmsg_flags = 0,
                        .nlmsg_seq = 0,
                        .nlmsg_pid = 0};
    Result<Ref<Packet>> made = make_link_packet(d, header, changed);
    if (!made.ok()) return lose_news(route, uapi::rtnlgrp_link);
    const Ref<Packet> p = made.take();
    p->group = uapi::rtnlgrp_link;
    broadcast(route, p, nullptr, 0);
  }
};
constinit LinkNews link_news;

void setup() {
  register_protocol(route);
  set_link_watcher(link_news);
}
INIT_TASK(rtnetlink, "netlink_ports", "rtnetlink", setup);

}  // namespace
}  // namespace auk::net::netlink
