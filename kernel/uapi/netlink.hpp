// Messages of netlink(7) and rtnetlink(7).
// Linux: <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h>, <linux/neighbour.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct sockaddr_nl {
  std::uint16_t nl_family;
  std::uint16_t nl_pad;
  std::uint32_t nl_pid;
  std::uint32_t nl_groups;
};
static_assert(sizeof(sockaddr_nl) == 12);

struct nlmsghdr {
  std::uint32_t nlmsg_len;
  std::uint16_t nlmsg_type;
  std::uint16_t nlmsg_flags;
  std::uint32_t nlmsg_seq;
  std::uint32_t nlmsg_pid;
};
static_assert(sizeof(nlmsghdr) == 16);

struct nlattr {
  std::uint16_t nla_len;
  std::uint16_t nla_type;
};
static_assert(sizeof(nlattr) == 4);

struct nlmsgerr {
  std::int32_t error;
  uapi::nlmsghdr msg;
};
static_assert(sizeof(nlmsgerr) == 20);

struct nl_pktinfo {
  std::uint32_t group;
};

struct ifinfomsg {
  std::uint8_t ifi_family;
  std::uint8_t pad;  //= __ifi_pad
  std::uint16_t ifi_type;
  std::int32_t ifi_index;
  std::uint32_t ifi_flags;
  std::uint32_t ifi_change;
};
static_assert(sizeof(ifinfomsg) == 16);

struct ndmsg {
  std::uint8_t ndm_family;
  std::uint8_t ndm_pad1;
  std::uint16_t ndm_pad2;
  std::int32_t ndm_ifindex;
  std::uint16_t ndm_state;
  std::uint8_t ndm_flags;
  std::uint8_t ndm_type;
};
static_assert(sizeof(ndmsg) == 12);

struct rtnl_link_ifmap {
  std::uint64_t mem_start;
  std::uint64_t mem_end;
  std::uint64_t base_addr;
  std::uint16_t irq;
  std::uint8_t dma;
  std::uint8_t port;
  std::uint32_t pad;  //= -
};
static_assert(sizeof(rtnl_link_ifmap) == 32);

struct rtnl_link_stats64 {
  std::uint64_t rx_packets;
  std::uint64_t tx_packets;
  std::uint64_t rx_bytes;
  std::uint64_t tx_bytes;
  std::uint64_t rx_errors;
  std::uint64_t tx_errors;
  std::uint64_t rx_dropped;
  std::uint64_t tx_dropped;
  std::uint64_t multicast;
  std::uint64_t collisions;
  std::uint64_t rx_length_errors;
  std::uint64_t rx_over_errors;
  std::uint64_t rx_crc_errors;
  std::uint64_t rx_frame_errors;
  std::uint64_t rx_fifo_errors;
  std::uint64_t rx_missed_errors;
  std::uint64_t tx_aborted_errors;
  std::uint64_t tx_carrier_errors;
  std::uint64_t tx_fifo_errors;
  std::uint64_t tx_heartbeat_errors;
  std::uint64_t tx_window_errors;
  std::uint64_t rx_compressed;
  std::uint64_t tx_compressed;
  std::uint64_t rx_nohandler;
  std::uint64_t rx_otherhost_dropped;
};
static_assert(sizeof(rtnl_link_stats64) == 200);

}  // namespace uapi
