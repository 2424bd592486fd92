// Links that are changed by messages.
#include <algorithm>

#include "generated/uapi/netdevice.hpp"
#include "net/netlink/link.hpp"

namespace auk::net::netlink {
namespace {

/// Those that no device here can have changed.
constexpr std::array<int, 10> fixed{
    uapi::ifla_map,         uapi::ifla_carrier,  uapi::ifla_operstate,
    uapi::ifla_vfinfo_list, uapi::ifla_vf_ports, uapi::ifla_port_self,
    uapi::ifla_proto_down,  uapi::ifla_xdp,      uapi::ifla_proto_down_reason,
    uapi::ifla_new_ifindex};

struct Limit {
  int type;
  u32 value, most;
  std::string_view problem;
};
constexpr std::array<Limit, 5> limits{{
    {uapi::ifla_gso_max_size, SegmentLimits::gso_max_size, SegmentLimits::tso_max_size,
     "too big gso_max_size"},
    {uapi::ifla_gso_max_segs, SegmentLimits::gso_max_segs, SegmentLimits::tso_max_segs,
     "too big gso_max_segs"},
    {uapi::ifla_gro_max_size, SegmentLimits::gro_max_size, SegmentLimits::tso_max_size,
     "too big gro_max_size"},
    {uapi::ifla_gso_ipv4_max_size, SegmentLimits::gso_max_size, SegmentLimits::tso_max_size,
     "too big gso_ipv4_max_size"},
    {uapi::ifla_gro_ipv4_max_size, SegmentLimits::gro_max_size, SegmentLimits::tso_max_size,
     "too big gro_ipv4_max_size"},
}};

/// EINVAL, EAFNOSUPPORT.
Result<void> check_values(const LinkAttributes& a, ExtendedAck& ack) {
  for (const int type : {uapi::ifla_address, uapi::ifla_broadcast})
    if (a.has(static_cast<usize>(type)) &&
        a.value(static_cast<usize>(type)).size() < HardwareAddress::size)
      return Errno::einval;
  for (const Limit& l : limits)
    if (a.has(static_cast<usize>(l.type)) && a.number<u32>(static_cast<usize>(l.type)) > l.most)
      return ack.fail(Errno::einval, l.problem);
  AttributeReader families(a.value(uapi::ifla_af_spec));
  return families.next() ? Errno::eafnosupport : Result<void>();
}

/// EINVAL, EOPNOTSUPP.
Result<void> check_namespace(const LinkAttributes& a, ExtendedAck& ack) {
  u32 count = 0;
  for (const int type : {uapi::ifla_net_ns_pid, uapi::ifla_net_ns_fd, uapi::ifla_target_netnsid})
    count += a.has(static_cast<usize>(type)) ? 1 : 0;
  if (count > 1) return ack.fail(Errno::einval, "multiple netns identifying attributes specified");
  return count > 0 ? Errno::einval : Result<void>();
}

/// What stays as it is may be asked for.
Result<void> check_fixed(Devices& all, const NetDevice& d, bool is_by_index,
                         const LinkAttributes& a) {
  for (const int type : fixed)
    if (a.has(static_cast<usize>(type))) return Errno::eopnotsupp;
  for (const Limit& l : limits)
    if (a.has(static_cast<usize>(l.type)) && a.number<u32>(static_cast<usize>(l.type)) != l.value)
      return Errno::eopnotsupp;
  const std::string_view name = a.text(uapi::ifla_ifname);
  if (is_by_index && !name.empty() && name != d.name()) return Errno::eopnotsupp;
  const auto master = a.number<u32>(uapi::ifla_master);
  if (master == 0) return {};
  return all.find(master) == nullptr ? Errno::einval : Errno::eopnotsupp;
}

HardwareAddress address_in(const LinkAttributes& a, usize type) {
  HardwareAddress h;
  std::ranges::copy(a.value(type).first(h.bytes.size()), h.bytes.begin());
  return h;
}

/// Only those bits that the message speaks of.
u32 wanted_flags(const uapi::ifinfomsg& m, u32 now) {
  return m.ifi_change == 0 ? m.ifi_flags : (m.ifi_flags & m.ifi_change) | (now & ~m.ifi_change);
}

/// In Linux's order; one that fails leaves those before it changed. `is_news` if they are some.
Result<void> apply(Devices& all, NetDevice& d, const uapi::ifinfomsg& m, const LinkAttributes& a,
                   ExtendedAck& ack, bool& is_news) {
  if (a.has(uapi::ifla_address)) TRY(d.set_address(all, address_in(a, uapi::ifla_address)));
  if (a.has(uapi::ifla_mtu) && !d.set_mtu(all, a.number<u32>(uapi::ifla_mtu)).ok())
    return ack.fail(Errno::einval, "mtu less than device minimum");
  if (a.has(uapi::ifla_group)) {
    d.set_group(all, a.number<u32>(uapi::ifla_group));
    is_news = true;
  }
  if (a.has(uapi::ifla_ifalias)) {
    const Bytes alias = a.value(uapi::ifla_ifalias);
    TRY(d.set_alias(all, {reinterpret_cast<const char*>(alias.data()), alias.size()}));
    is_news = true;
  }
  if (a.has(uapi::ifla_broadcast)) d.set_broadcast(all, address_in(a, uapi::ifla_broadcast));
  if (m.ifi_flags != 0 || m.ifi_change != 0) d.set_flags(all, wanted_flags(m, d.link().flags));
  if (a.has(uapi::ifla_txqlen)) TRY(d.set_tx_queue_len(all, a.number<u32>(uapi::ifla_txqlen)));
  if (a.has(uapi::ifla_linkmode) && d.set_link_mode(all, a.number<u8>(uapi::ifla_linkmode)))
    is_news = true;
  return {};
}

Result<void> change(Devices& all, NetDevice& d, const uapi::ifinfomsg& m, const LinkAttributes& a,
                    ExtendedAck& ack) {
  TRY(check_values(a, ack));
  TRY(check_fixed(all, d, m.ifi_index > 0, a));
  bool is_news = false;
  const Result<void> done = apply(all, d, m, a, ack, is_news);
  if (is_news) d.tell_state(all);
  return done;
}

/// Calls f for each device of a group, until it fails.
template <class F> Result<void> each_in_group(Devices& all, u32 group, F f) {
  for (NetDevice* d = all.from_index(1); d != nullptr; d = all.from_index(d->index() + 1))
    if (d->link().group == group) TRY(f(*d));
  return {};
}

/// Something of IFLA_LINKINFO is there.
bool has_info(const LinkAttributes& a, u16 type) {
  AttributeReader info(a.value(uapi::ifla_linkinfo));
  while (const std::optional<Attribute> i = info.next())
    if (i->type == type) return true;
  return false;
}

}  // namespace

Result<void> set_link(Request& r) {
  LinkAttributes a;
  TRY(parse_link(r, Strictness::liberal, a));
  TRY(check_namespace(a, r.ack));
  const auto m = load_from<uapi::ifinfomsg>(r.message.payload);
  auto all = devices.lock();
  NetDevice* const d = TRY(find_link(*all, m.ifi_index, a));
  if (d == nullptr) return Errno::enodev;
  return change(*all, *d, m, a, r.ack);
}

Result<void> new_link(Request& r) {
  LinkAttributes a;
  TRY(parse_link(r, Strictness::liberal, a));
  TRY(check_namespace(a, r.ack));
  const auto m = load_from<uapi::ifinfomsg>(r.message.payload);
  if (m.ifi_index < 0) return r.ack.fail(Errno::einval, "ifindex can't be negative");
  const bool is_named = m.ifi_index > 0 || a.has(uapi::ifla_ifname) || a.has(uapi::ifla_alt_ifname);
  auto all = devices.lock();
  NetDevice* const d = is_named ? TRY(find_link(*all, m.ifi_index, a)) : nullptr;
  if (d != nullptr) {
    if (r.has(uapi::nlm_f_excl)) return Errno::eexist;
    if (r.has(uapi::nlm_f_replace)) return Errno::eopnotsupp;
    if (has_info(a, uapi::ifla_info_data) || has_info(a, uapi::ifla_info_slave_data))
      return Errno::eopnotsupp;
    return change(*all, *d, m, a, r.ack);
  }
  if (!r.has(uapi::nlm_f_create)) {
    if (is_named || !a.has(uapi::ifla_group)) return Errno::enodev;
    return each_in_group(*all, a.number<u32>(uapi::ifla_group),
                         [&](NetDevice& one) { return change(*all, one, m, a, r.ack); });
  }
  if (a.has(uapi::ifla_map) || a.has(uapi::ifla_protinfo)) return Errno::eopnotsupp;
  return r.ack.fail(Errno::eopnotsupp, "Unknown device type");
}

Result<void> delete_link(Request& r) {
  LinkAttributes a;
  TRY(parse_link(r, Strictness::liberal, a));
  if (a.has(uapi::ifla_net_ns_pid) || a.has(uapi::ifla_net_ns_fd))
    return r.ack.fail(Errno::eopnotsupp, "specified netns attribute not supported");
  if (a.has(uapi::ifla_target_netnsid)) return Errno::einval;
  const auto m = load_from<uapi::ifinfomsg>(r.message.payload);
  auto all = devices.lock();
  const bool is_named = m.ifi_index > 0 || a.has(uapi::ifla_ifname) || a.has(uapi::ifla_alt_ifname);
  if (!is_named && a.has(uapi::ifla_group)) {
    const auto group = a.number<u32>(uapi::ifla_group);
    if (group == 0) return Errno::eperm;
    TRY(each_in_group(*all, group, [](NetDevice&) -> Result<void> { return Errno::eopnotsupp; }));
    return Errno::enodev;
  }
  const NetDevice* const d = TRY(find_link(*all, m.ifi_index, a));
  return d == nullptr ? Errno::enodev : Errno::eopnotsupp;
}

}  // namespace auk::net::netlink
