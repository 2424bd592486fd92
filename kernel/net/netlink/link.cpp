#include "net/netlink/link.hpp"

#include <algorithm>

#include "generated/uapi/netdevice.hpp"

namespace auk::net::netlink {
namespace {

/// As struct rtnl_link_stats: the same counters, each in half the room.
std::array<u32, 24> short_stats(const LinkStats& s) {
  // Without rx_otherhost_dropped.
  std::array<u32, 24> all;
  const Bytes bytes = object_bytes(s);
  for (usize i = 0; i < all.size(); ++i)
    all[i] = static_cast<u32>(load_from<u64>(bytes.subspan(i * sizeof(u64))));
  return all;
}

void put_numbers(Builder& out, const Link& l) {
  const auto number = [&](int type, u32 n) { out.put_value(static_cast<u16>(type), n); };
  const auto byte_number = [&](int type, u8 n) { out.put_value(static_cast<u16>(type), n); };
  number(uapi::ifla_txqlen, l.tx_queue_len);
  byte_number(uapi::ifla_operstate, l.operstate());
  byte_number(uapi::ifla_linkmode, l.link_mode);
  number(uapi::ifla_mtu, l.mtu);
  number(uapi::ifla_min_mtu, 0);
  number(uapi::ifla_max_mtu, 0);
  number(uapi::ifla_group, l.group);
  number(uapi::ifla_promiscuity, (l.flags & uapi::iff_promisc) != 0 ? 1 : 0);
  number(uapi::ifla_allmulti, (l.flags & uapi::iff_allmulti) != 0 ? 1 : 0);
  number(uapi::ifla_num_tx_queues, 1);
  number(uapi::ifla_gso_max_segs, SegmentLimits::gso_max_segs);
  number(uapi::ifla_gso_max_size, SegmentLimits::gso_max_size);
  number(uapi::ifla_gro_max_size, SegmentLimits::gro_max_size);
  number(uapi::ifla_gso_ipv4_max_size, SegmentLimits::gso_max_size);
  number(uapi::ifla_gro_ipv4_max_size, SegmentLimits::gro_max_size);
  number(uapi::ifla_tso_max_size, SegmentLimits::tso_max_size);
  number(uapi::ifla_tso_max_segs, SegmentLimits::tso_max_segs);
  number(uapi::ifla_num_rx_queues, 1);
  byte_number(uapi::ifla_carrier, 1);
}

AUK_NOINLINE void put_alias(Builder& out, const NetDevice& d) {
  mem::Text alias;
  d.put_alias(alias);
  if (!alias.text().empty()) out.put_text(uapi::ifla_ifalias, alias.text());
}

AUK_NOINLINE void put_stats(Builder& out, const NetDevice& d) {
  const LinkStats stats = d.stats();
  out.put_value(uapi::ifla_stats64, stats);
  out.put_value(uapi::ifla_stats, short_stats(stats));
}

void put_nests(Builder& out) {
  const usize xdp = out.begin_nest(uapi::ifla_xdp);
  out.put_value(uapi::ifla_xdp_attached, u8{uapi::xdp_attached_none});
  out.end_nest(xdp);
}

}  // namespace

bool write_link(Builder& out, const NetDevice& d, const Header& header, u32 changed) {
  const Link l = d.link();
  const uapi::ifinfomsg body{.ifi_family = 0,
                             .pad = 0,
                             .ifi_type = d.type,
                             .ifi_index = static_cast<i32>(d.index()),
                             .ifi_flags = l.shown_flags(),
                             .ifi_change = changed};
  out.begin(header, object_bytes(body));
  out.put_text(uapi::ifla_ifname, d.name());
  put_numbers(out, l);
  put_alias(out, d);
  for (const int type :
       {uapi::ifla_carrier_changes, uapi::ifla_carrier_up_count, uapi::ifla_carrier_down_count})
    out.put_value(static_cast<u16>(type), u32{0});
  out.put_value(uapi::ifla_proto_down, u8{0});
  out.put_value(uapi::ifla_address, l.address.bytes);
  out.put_value(uapi::ifla_broadcast, l.broadcast.bytes);
  put_stats(out, d);
  put_nests(out);
  out.put_text(uapi::ifla_qdisc, l.qdisc());
  // No family has anything to say.
  out.put(uapi::ifla_af_spec, {});
  out.put_value(uapi::ifla_map, uapi::rtnl_link_ifmap{});
  out.put(uapi::ifla_devlink_port | nest_bit, {});
  out.put(uapi::ifla_dpll_pin | nest_bit, {});
  return out.end();
}

Result<Ref<Packet>> make_link_packet(const NetDevice& d, const Header& header, u32 changed) {
  constexpr u32 most = 2048;
  const Ref<Packet> scratch = TRY(Packet::create(most));
  Builder out(scratch->bytes());
  if (!write_link(out, d, header, changed)) return Errno::enobufs;
  Ref<Packet> exact = TRY(Packet::create(static_cast<u32>(out.used())));
  std::ranges::copy(scratch->bytes().first(out.used()), exact->bytes().begin());
  return exact;
}

Result<void> parse_link(Request& r, Strictness how, LinkAttributes& a) {
  const Bytes all = r.message.payload;
  if (all.size() < sizeof(uapi::ifinfomsg))
    return r.ack.fail(Errno::einval, "Invalid header length");
  return a.parse(all.subspan(sizeof(uapi::ifinfomsg)), sizeof(Header) + sizeof(uapi::ifinfomsg),
                 link_rules, how, r.ack);
}

Result<NetDevice*> find_link(Devices& all, i32 index, const LinkAttributes& a) {
  if (index > 0) return all.find(static_cast<u32>(index));
  if (a.has(uapi::ifla_ifname)) return all.find(a.text(uapi::ifla_ifname));
  // There are no other names than the devices' own, but those are found by this one, too.
  if (a.has(uapi::ifla_alt_ifname)) return all.find(a.text(uapi::ifla_alt_ifname));
  return Errno::einval;
}

// --- RTM_GETLINK --------------------------------------------------------------------------------

static bool has_values(const uapi::ifinfomsg& m) {
  return m.pad != 0 || m.ifi_type != 0 || m.ifi_flags != 0 || m.ifi_change != 0;
}

/// Whether all attributes are among these.
static bool has_only(const LinkAttributes& a, std::initializer_list<int> known) {
  for (usize type = 0; type < link_rules.size(); ++type)
    if (a.has(type) && std::ranges::find(known, static_cast<int>(type)) == known.end())
      return false;
  return true;
}

/// EINVAL, EOPNOTSUPP: there is one namespace, which has no number.
static Result<void> check_namespace(const LinkAttributes& a, ExtendedAck& ack) {
  if (a.has(uapi::ifla_net_ns_pid) || a.has(uapi::ifla_net_ns_fd))
    return ack.fail(Errno::eopnotsupp, "specified netns attribute not supported");
  return a.has(uapi::ifla_target_netnsid) ? Errno::einval : Result<void>();
}

Result<void> get_link(Request& r) {
  const Bytes payload = r.message.payload;
  if (payload.size() < sizeof(uapi::ifinfomsg))
    return r.ack.fail(Errno::einval, "Invalid header for get link");
  const auto m = load_from<uapi::ifinfomsg>(payload);
  const bool is_strict = r.is_strict();
  if (is_strict && has_values(m))
    return r.ack.fail(Errno::einval, "Invalid values in header for get link request");
  LinkAttributes a;
  TRY(parse_link(r, is_strict ? Strictness::strict : Strictness::liberal, a));
  if (is_strict && !has_only(a, {uapi::ifla_ifname, uapi::ifla_alt_ifname, uapi::ifla_ext_mask,
                                 uapi::ifla_target_netnsid}))
    return r.ack.fail(Errno::einval, "Unsupported attribute in get link request");
  TRY(check_namespace(a, r.ack));
  auto all = devices.lock();
  const NetDevice* const d = TRY(find_link(*all, m.ifi_index, a));
  if (d == nullptr) return Errno::enodev;
  const Header header{.nlmsg_len = 0,
                      .nlmsg_type = uapi::rtm_newlink,
                      .nlmsg_flags = 0,
                      .nlmsg_seq = r.header().nlmsg_seq,
                      .nlmsg_pid = r.from.number()};
  return r.from.answer(TRY(make_link_packet(*d, header, 0)));
}

namespace {

class LinkDump final : public DumpSource {
  /// Which links are wanted: `is_none` if no device can be one.
  struct Filter {
    bool is_set = false, is_none = false;
  };

  static Result<Filter> parse_filter(const LinkAttributes& a, bool is_strict, ExtendedAck& ack) {
    Filter f;
    if (a.has(uapi::ifla_target_netnsid))
      return ack.fail(Errno::einval, "Invalid target network namespace id");
    if (is_strict && !has_only(a, {uapi::ifla_ext_mask, uapi::ifla_master, uapi::ifla_linkinfo}))
      return ack.fail(Errno::einval, "Unsupported attribute in link dump request");
    // No device belongs to another one, which is what -1 asks for.
    const auto master = a.number<i32>(uapi::ifla_master);
    f.is_set = master != 0;
    f.is_none = master != 0 && master != -1;
    return f;
  }

  static Result<Filter> check(const Dump& d, ExtendedAck& ack) {
    const Bytes payload = d.request.payload;
    if (d.is_strict) {
      if (payload.size() < sizeof(uapi::ifinfomsg))
        return ack.fail(Errno::einval, "Invalid header for link dump");
      const auto m = load_from<uapi::ifinfomsg>(payload);
      if (has_values(m))
        return ack.fail(Errno::einval, "Invalid values in header for link dump request");
      if (m.ifi_index != 0)
        return ack.fail(Errno::einval, "Filter by device index not supported for link dumps");
    }
    // Old programs send no more than a family.
    const usize header =
        payload.size() < sizeof(uapi::ifinfomsg) ? alignment : sizeof(uapi::ifinfomsg);
    LinkAttributes a;
    const Result<void> parsed =
        a.parse(payload.subspan(std::min(header, payload.size())),
                static_cast<u32>(sizeof(Header) + header), link_rules,
                d.is_strict ? Strictness::strict : Strictness::liberal, ack);
    if (!parsed.ok()) return d.is_strict ? Result<Filter>(parsed.error()) : Filter();
    return parse_filter(a, d.is_strict, ack);
  }

 public:
  constexpr LinkDump() = default;
  Result<Progress> write(Dump& d, u32 port, Builder& out, ExtendedAck& ack) const override {
    const Filter filter = TRY(check(d, ack));
    const Header header{.nlmsg_len = 0,
                        .nlmsg_type = uapi::rtm_newlink,
                        .nlmsg_flags = static_cast<u16>(
                            uapi::nlm_f_multi | (filter.is_set ? uapi::nlm_f_dump_filtered : 0)),
                        .nlmsg_seq = d.request.header.nlmsg_seq,
                        .nlmsg_pid = port};
    auto all = devices.lock();
    d.note_generation(all->generation());
    while (const NetDevice* const device = all->from_index(static_cast<u32>(d.position) + 1)) {
      if (!filter.is_none && !write_link(out, *device, header, 0)) {
        if (out.used() == 0) return Errno::emsgsize;
        return Progress::more;
      }
      d.position = device->index();
    }
    // Programs rely on the end being read by itself.
    return out.used() > 0 ? Progress::more : Progress::done;
  }
};
constexpr LinkDump link_dump_source;

}  // namespace

constinit const DumpSource* const link_dump = &link_dump_source;

}  // namespace auk::net::netlink
