#include "net/netlink/link_rules.hpp"

#include "generated/uapi/netdevice.hpp"

namespace auk::net::netlink {
namespace {

constexpr usize most_address = 32, most_item = 32;

constexpr LinkAttributes::Rules make_rules() {
  using Kind = Rule::Kind;
  LinkAttributes::Rules rules{};
  const auto set = [&](Kind kind, u16 size, std::initializer_list<int> types) {
    for (const int t : types) rules[static_cast<usize>(t)] = {.kind = kind, .size = size};
  };
  set(Kind::text, uapi::ifnamsiz - 1, {uapi::ifla_ifname});
  set(Kind::text, uapi::altifnamsiz - 1, {uapi::ifla_alt_ifname});
  set(Kind::text_with_zero, 0, {uapi::ifla_parent_dev_name});
  set(Kind::binary, most_address, {uapi::ifla_address, uapi::ifla_broadcast});
  set(Kind::binary, uapi::ifaliasz - 1, {uapi::ifla_ifalias});
  set(Kind::binary, most_item, {uapi::ifla_phys_port_id, uapi::ifla_phys_switch_id});
  set(Kind::any, sizeof(uapi::rtnl_link_ifmap), {uapi::ifla_map});
  set(Kind::number, sizeof(u8),
      {uapi::ifla_carrier, uapi::ifla_operstate, uapi::ifla_linkmode, uapi::ifla_proto_down});
  set(Kind::number, sizeof(u32),
      {uapi::ifla_mtu,
       uapi::ifla_link,
       uapi::ifla_master,
       uapi::ifla_txqlen,
       uapi::ifla_weight,
       uapi::ifla_net_ns_pid,
       uapi::ifla_net_ns_fd,
       uapi::ifla_ext_mask,
       uapi::ifla_promiscuity,
       uapi::ifla_num_tx_queues,
       uapi::ifla_num_rx_queues,
       uapi::ifla_gso_max_segs,
       uapi::ifla_gso_max_size,
       uapi::ifla_carrier_changes,
       uapi::ifla_link_netnsid,
       uapi::ifla_event,
       uapi::ifla_group,
       uapi::ifla_target_netnsid,
       uapi::ifla_carrier_up_count,
       uapi::ifla_carrier_down_count,
       uapi::ifla_min_mtu,
       uapi::ifla_max_mtu,
       uapi::ifla_new_ifindex,
       uapi::ifla_gro_max_size,
       uapi::ifla_gso_ipv4_max_size,
       uapi::ifla_gro_ipv4_max_size});
  set(Kind::nest, 0,
      {uapi::ifla_linkinfo, uapi::ifla_vfinfo_list, uapi::ifla_vf_ports, uapi::ifla_port_self,
       uapi::ifla_af_spec, uapi::ifla_xdp, uapi::ifla_prop_list, uapi::ifla_proto_down_reason});
  set(Kind::rejected, 0,
      {uapi::ifla_perm_address, uapi::ifla_tso_max_size, uapi::ifla_tso_max_segs,
       uapi::ifla_allmulti});
  constexpr u32 most_queue = 0x7fff, most_index = 0x7fffffff;
  // Room for the headers of TCP, as Linux counts it.
  constexpr u32 least_segment = 321;
  rules[uapi::ifla_txqlen].most = most_queue;
  rules[uapi::ifla_new_ifindex].least = 1;
  rules[uapi::ifla_new_ifindex].most = most_index;
  rules[uapi::ifla_gso_max_size].least = least_segment;
  rules[uapi::ifla_gso_ipv4_max_size].least = least_segment;
  return rules;
}

}  // namespace

constinit const LinkAttributes::Rules link_rules = make_rules();

}  // namespace auk::net::netlink
