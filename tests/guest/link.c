// Links as rtnetlink shows and changes them: lo.
#include "rtnl.h"

#include <linux/sockios.h>

TEST(one_link) {
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE);
  struct nlmsghdr* h = get_link(fd);
  IS(h->nlmsg_type, RTM_NEWLINK);
  IS(h->nlmsg_flags, 0);
  IS(h->nlmsg_seq, 7);
  IS(h->nlmsg_pid, getpid());
  struct ifinfomsg const* const i = NLMSG_DATA(h);
  IS(i->ifi_family, 0);
  IS(i->ifi_type, 772);
  IS(i->ifi_index, 1);
  IS(i->ifi_flags, IFF_LOOPBACK);
  IS(i->ifi_change, 0);
  OK(has_text(h, IFLA_IFNAME, "lo"));
  IS(number_of(h, IFLA_TXQLEN), 1000);
  IS(number_of(h, IFLA_OPERSTATE), 2);
  IS(number_of(h, IFLA_LINKMODE), 0);
  IS(number_of(h, IFLA_MTU), 65536);
  IS(number_of(h, IFLA_MIN_MTU), 0);
  IS(number_of(h, IFLA_GROUP), 0);
  IS(number_of(h, IFLA_PROMISCUITY), 0);
  IS(number_of(h, IFLA_NUM_TX_QUEUES), 1);
  IS(number_of(h, IFLA_GSO_MAX_SEGS), 65535);
  IS(number_of(h, IFLA_TSO_MAX_SIZE), 524280);
  IS(number_of(h, IFLA_CARRIER), 1);
  IS(number_of(h, IFLA_CARRIER_CHANGES), 0);
  IS(number_of(h, IFLA_PROTO_DOWN), 0);
  OK(attribute_of(h, IFLA_LINKINFO) == NULL);
  OK(attribute_of(h, IFLA_MASTER) == NULL);
  OK(has_text(h, IFLA_QDISC, "noop") || has_text(h, IFLA_QDISC, "noqueue"));
  struct rtattr* const address = attribute_of(h, IFLA_ADDRESS);
  OK(address && RTA_PAYLOAD(address) == 6 && memcmp(RTA_DATA(address), "\0\0\0\0\0", 6) == 0);
}

TEST(order_and_sizes) {
  static struct {
    int type, size;
  } const wanted[] = {
      {IFLA_IFNAME, 3},
      {IFLA_TXQLEN, 4},
      {IFLA_OPERSTATE, 1},
      {IFLA_LINKMODE, 1},
      {IFLA_MTU, 4},
      {IFLA_MIN_MTU, 4},
      {IFLA_MAX_MTU, 4},
      {IFLA_GROUP, 4},
      {IFLA_PROMISCUITY, 4},
      {61, 4},
      {IFLA_NUM_TX_QUEUES, 4},
      {IFLA_GSO_MAX_SEGS, 4},
      {IFLA_GSO_MAX_SIZE, 4},
      {58, 4},
      {63, 4},
      {64, 4},
      {59, 4},
      {60, 4},
      {IFLA_NUM_RX_QUEUES, 4},
      {IFLA_CARRIER, 1},
      {IFLA_CARRIER_CHANGES, 4},
      {IFLA_CARRIER_UP_COUNT, 4},
      {IFLA_CARRIER_DOWN_COUNT, 4},
      {IFLA_PROTO_DOWN, 1},
      {IFLA_ADDRESS, 6},
      {IFLA_BROADCAST, 6},
      {IFLA_STATS64, 200},
      {IFLA_STATS, 96},
      {IFLA_XDP, 8},
      {IFLA_QDISC, -1},
      {IFLA_AF_SPEC, -1},
      {IFLA_MAP, 32},
      {62, 0},
      {65, 0},
  };
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE);
  struct nlmsghdr* h = get_link(fd);
  struct rtattr* a = IFLA_RTA(NLMSG_DATA(h));
  int left = (int)IFLA_PAYLOAD(h);
  unsigned good = 0;
  for (; RTA_OK(a, left) && good < sizeof wanted / sizeof *wanted; a = RTA_NEXT(a, left), ++good) {
    if ((a->rta_type & NLA_TYPE_MASK) != wanted[good].type) break;
    if (wanted[good].size >= 0 && (int)RTA_PAYLOAD(a) != wanted[good].size) break;
  }
  IS(good, sizeof wanted / sizeof *wanted);
  IS(left, 0);
}

TEST(found_by_name) {
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE);
  struct request r = request_of(RTM_GETLINK, 0);
  add_text(&r, IFLA_IFNAME, "lo");
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  r = request_of(RTM_GETLINK, 0);
  add_text(&r, IFLA_ALT_IFNAME, "lo");
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  r = request_of(RTM_GETLINK, 0);
  add(&r, IFLA_IFNAME, "lo", 2);
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  r = request_of(RTM_GETLINK, 0);
  add_text(&r, IFLA_IFNAME, "nobody0");
  IS(result_of(fd, r), ENODEV);
  r = request_of(RTM_GETLINK, 0);
  add_text(&r, IFLA_IFNAME, "longer_than_a_name");
  IS(result_of(fd, r), ERANGE);
  r = request_of(RTM_GETLINK, 0);
  add(&r, IFLA_IFNAME, "", 0);
  IS(result_of(fd, r), ERANGE);
  r = request_of(RTM_GETLINK, 0);
  IS(result_of(fd, r), EINVAL);
  r.link.ifi_index = 4711;
  IS(result_of(fd, r), ENODEV);
  r.link.ifi_index = -1;
  IS(result_of(fd, r), EINVAL);
  r = link_request(RTM_GETLINK, 0);
  add_number(&r, IFLA_TARGET_NETNSID, 3);
  IS(result_of(fd, r), EINVAL);
  r = link_request(RTM_GETLINK, 0);
  add_number(&r, IFLA_NET_NS_PID, 1);
  IS(result_of(fd, r), EOPNOTSUPP);
  r = link_request(RTM_GETLINK, 0);
  r.header.nlmsg_len = NLMSG_LENGTH(4);
  IS(result_of(fd, r), EINVAL);
  r.header.nlmsg_len = NLMSG_LENGTH(0);
  IS(result_of(fd, r), 0);
  // With an acknowledgement behind the answer.
  r = link_request(RTM_GETLINK, NLM_F_ACK);
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  struct nlmsghdr* const h = next(fd);
  IS(error_in(h), 0);
  IS(h->nlmsg_len, 36);
  IS(h->nlmsg_flags, NLM_F_CAPPED);
}

TEST(all_links) {
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE);
  struct request r = request_of(RTM_GETLINK, NLM_F_DUMP);
  ask(fd, &r);
  struct nlmsghdr* h = next(fd);
  IS(h->nlmsg_type, RTM_NEWLINK);
  IS(h->nlmsg_flags, NLM_F_MULTI);
  IS(h->nlmsg_seq, 7);
  OK(has_text(h, IFLA_IFNAME, "lo"));
  h = next(fd);
  IS(h->nlmsg_type, NLMSG_DONE);
  IS(h->nlmsg_len, 20);
  IS(h->nlmsg_flags, NLM_F_MULTI);
  IS(*(int*)NLMSG_DATA(h), 0);
  IS(next(fd)->nlmsg_type, 0);
  // Any of the two bits makes a list of it.
  r = request_of(RTM_GETLINK, NLM_F_MATCH);
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  IS(next(fd)->nlmsg_type, NLMSG_DONE);
  // Old programs send a family only.
  r = request_of(RTM_GETLINK, NLM_F_DUMP);
  r.header.nlmsg_len = NLMSG_LENGTH(1);
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  IS(next(fd)->nlmsg_type, NLMSG_DONE);
  // Those of a device that has others.
  r = request_of(RTM_GETLINK, NLM_F_DUMP);
  add_number(&r, IFLA_MASTER, 1);
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, NLMSG_DONE);
  r = request_of(RTM_GETLINK, NLM_F_DUMP);
  add_number(&r, IFLA_MASTER, UINT32_MAX);
  ask(fd, &r);
  h = next(fd);
  IS(h->nlmsg_type, RTM_NEWLINK);
  IS(h->nlmsg_flags, NLM_F_MULTI | NLM_F_DUMP_FILTERED);
  IS(next(fd)->nlmsg_type, NLMSG_DONE);
}

TEST(strict_requests) {
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE);
  struct request r = link_request(RTM_GETLINK, 0);
  add_number(&r, IFLA_MTU, 1);
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  struct request dump = request_of(RTM_GETLINK, NLM_F_DUMP);
  dump.link.ifi_index = 1;
  ask(fd, &dump);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  IS(next(fd)->nlmsg_type, NLMSG_DONE);
  switch_on(fd, NETLINK_GET_STRICT_CHK);
  IS(result_of(fd, r), EINVAL);
  ask(fd, &dump);
  struct nlmsghdr* h = next(fd);
  IS(h->nlmsg_type, NLMSG_DONE);
  IS(*(int*)NLMSG_DATA(h), -EINVAL);
  dump.link.ifi_index = 0;
  ask(fd, &dump);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  IS(next(fd)->nlmsg_type, NLMSG_DONE);
  r = link_request(RTM_GETLINK, 0);
  add_number(&r, IFLA_EXT_MASK, 1);
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  r = link_request(RTM_GETLINK, 0);
  r.link.ifi_change = 1;
  IS(result_of(fd, r), EINVAL);
  r = link_request(RTM_GETLINK, 0);
  add_number(&r, 4000, 1);
  IS(result_of(fd, r), EINVAL);
}

TEST(up_and_down) {
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE), news = listen_to_links();
  struct request r = link_request(RTM_SETLINK, 0);
  r.link.ifi_flags = r.link.ifi_change = IFF_UP;
  IS(result_of(fd, r), 0);
  struct sockaddr_nl from;
  socklen_t size = sizeof from;
  OK(recvfrom(news, answer, sizeof answer, MSG_DONTWAIT, (struct sockaddr*)&from, &size) > 100);
  IS(from.nl_pid, 0);
  IS(from.nl_groups, 1);
  struct nlmsghdr* h = (struct nlmsghdr*)answer;
  IS(h->nlmsg_type, RTM_NEWLINK);
  IS(h->nlmsg_seq, 0);
  IS(h->nlmsg_pid, 0);
  IS(flags_of(h), IFF_LOOPBACK | IFF_UP | IFF_RUNNING | 0x10000);
  IS(change_of(h), IFF_UP);
  IS(number_of(h, IFLA_OPERSTATE), 0);
  OK(has_text(h, IFLA_QDISC, "noqueue"));
  IS(next(news)->nlmsg_type, 0);
  // Nothing is nothing new.
  IS(result_of(fd, r), 0);
  IS(next(news)->nlmsg_type, 0);
  r.link.ifi_flags = 0;
  IS(result_of(fd, r), 0);
  h = next(news);
  IS(flags_of(h), IFF_LOOPBACK);
  IS(change_of(h), IFF_UP);
  IS(number_of(h, IFLA_OPERSTATE), 2);
  // Without a mask it is all of them; those that are the device's own stay.
  r.link.ifi_change = 0;
  r.link.ifi_flags = IFF_NOARP | IFF_BROADCAST;
  IS(result_of(fd, r), 0);
  h = next(news);
  IS(flags_of(h), IFF_LOOPBACK | IFF_NOARP);
  IS(change_of(h), IFF_NOARP);
  r.link.ifi_flags = 0;
  r.link.ifi_change = IFF_NOARP;
  IS(result_of(fd, r), 0);
  IS(flags_of(next(news)), IFF_LOOPBACK);
  r.link.ifi_flags = r.link.ifi_change = IFF_PROMISC | IFF_ALLMULTI;
  IS(result_of(fd, r), 0);
  h = get_link(fd);
  IS(flags_of(h), IFF_LOOPBACK | IFF_PROMISC | IFF_ALLMULTI);
  IS(number_of(h, IFLA_PROMISCUITY), 1);
  r.link.ifi_flags = 0;
  IS(result_of(fd, r), 0);
  h = get_link(fd);
  IS(flags_of(h), IFF_LOOPBACK);
  IS(number_of(h, IFLA_PROMISCUITY), 0);
}

TEST(values) {
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE), news = listen_to_links();
  struct request r = link_request(RTM_SETLINK, 0);
  add_number(&r, IFLA_MTU, 1500);
  IS(result_of(fd, r), 0);
  struct nlmsghdr* h = next(news);
  IS(number_of(h, IFLA_MTU), 1500);
  IS(change_of(h), 0);
  IS(result_of(fd, r), 0);
  IS(next(news)->nlmsg_type, 0);
  r = link_request(RTM_SETLINK, 0);
  add_number(&r, IFLA_MTU, 0xffffffff);
  IS(result_of(fd, r), EINVAL);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_MTU, "", 1);
  IS(result_of(fd, r), ERANGE);
  r = request_of(RTM_NEWLINK, 0);
  add_text(&r, IFLA_IFNAME, "lo");
  add_number(&r, IFLA_MTU, 65536);
  add_number(&r, IFLA_TXQLEN, 77);
  IS(result_of(fd, r), 0);
  IS(number_of(next(news), IFLA_MTU), 65536);
  IS(number_of(next(news), IFLA_TXQLEN), 77);
  r = link_request(RTM_SETLINK, 0);
  add_number(&r, IFLA_TXQLEN, 32768);
  IS(result_of(fd, r), ERANGE);
  r = link_request(RTM_SETLINK, 0);
  add_number(&r, IFLA_TXQLEN, 1000);
  // The same name is none.
  add_text(&r, IFLA_IFNAME, "lo");
  IS(result_of(fd, r), 0);
  next(news);
  // News only of a device that is up.
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_IFALIAS, "itself", 6);
  add_number(&r, IFLA_GROUP, 5);
  IS(result_of(fd, r), 0);
  IS(next(news)->nlmsg_type, 0);
  h = get_link(fd);
  OK(has_text(h, IFLA_IFALIAS, "itself"));
  IS(number_of(h, IFLA_GROUP), 5);
  r = request_of(RTM_NEWLINK, 0);
  add_number(&r, IFLA_GROUP, 5);
  r.link.ifi_flags = r.link.ifi_change = IFF_UP;
  IS(result_of(fd, r), 0);
  IS(change_of(next(news)), IFF_UP);
  IS(change_of(next(news)), 0);
  IS(next(news)->nlmsg_type, 0);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_IFALIAS, "", 0);
  add_number(&r, IFLA_GROUP, 0);
  IS(result_of(fd, r), 0);
  h = next(news);
  IS(h->nlmsg_type, RTM_NEWLINK);
  OK(attribute_of(h, IFLA_IFALIAS) == NULL);
  IS(next(news)->nlmsg_type, 0);
  NEED(set_flags(fd, 0));
  next(news);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_IFALIAS, answer, 256);
  IS(result_of(fd, r), ERANGE);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_ADDRESS, "\2\0\0\0\0\1", 6);
  IS(result_of(fd, r), 0);
  h = next(news);
  OK(memcmp(RTA_DATA(attribute_of(h, IFLA_ADDRESS)), "\2\0\0\0\0\1", 6) == 0);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_ADDRESS, "\3\0\0\0\0\1", 6);
  IS(result_of(fd, r), EADDRNOTAVAIL);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_ADDRESS, "\0\0\0\0\0", 6);
  IS(result_of(fd, r), EADDRNOTAVAIL);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_ADDRESS, "\2\0", 2);
  IS(result_of(fd, r), EINVAL);
}

TEST(what_cannot_be) {
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE);
  struct request r = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  IS(result_of(fd, r), EEXIST);
  r = link_request(RTM_NEWLINK, NLM_F_REPLACE);
  IS(result_of(fd, r), EOPNOTSUPP);
  r = request_of(RTM_NEWLINK, 0);
  IS(result_of(fd, r), ENODEV);
  add_text(&r, IFLA_IFNAME, "nobody0");
  IS(result_of(fd, r), ENODEV);
  r.header.nlmsg_flags |= NLM_F_CREATE;
  IS(result_of(fd, r), EOPNOTSUPP);
  r = request_of(RTM_NEWLINK, 0);
  r.link.ifi_index = -3;
  IS(result_of(fd, r), EINVAL);
  r = request_of(RTM_SETLINK, 0);
  IS(result_of(fd, r), EINVAL);
  add_text(&r, IFLA_IFNAME, "nobody0");
  IS(result_of(fd, r), ENODEV);
  IS(result_of(fd, link_request(RTM_DELLINK, 0)), EOPNOTSUPP);
  IS(result_of(fd, request_of(RTM_DELLINK, 0)), EINVAL);
  r = request_of(RTM_DELLINK, 0);
  add_number(&r, IFLA_GROUP, 0);
  IS(result_of(fd, r), EPERM);
  r = request_of(RTM_DELLINK, 0);
  add_number(&r, IFLA_GROUP, 3);
  IS(result_of(fd, r), ENODEV);
  r = link_request(RTM_SETLINK, 0);
  add_number(&r, IFLA_MASTER, 0);
  IS(result_of(fd, r), 0);
  r = link_request(RTM_SETLINK, 0);
  add_number(&r, IFLA_MASTER, 99);
  IS(result_of(fd, r), EINVAL);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_CARRIER, "\1", 1);
  IS(result_of(fd, r), EOPNOTSUPP);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_PROTO_DOWN, "\1", 1);
  IS(result_of(fd, r), EOPNOTSUPP);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_PERM_ADDRESS, "\2\0\0\0\0\1", 6);
  IS(result_of(fd, r), EINVAL);
  r = link_request(RTM_SETLINK, 0);
  add_number(&r, IFLA_GSO_MAX_SIZE, 600000);
  IS(result_of(fd, r), EINVAL);
  r = link_request(RTM_SETLINK, 0);
  add(&r, IFLA_AF_SPEC, "\4\0\143\0", 4);
  IS(result_of(fd, r), EAFNOSUPPORT);
  r = link_request(RTM_SETLINK, 0);
  add_number(&r, IFLA_NET_NS_PID, 1);
  add_number(&r, IFLA_NET_NS_FD, 1);
  IS(result_of(fd, r), EINVAL);
}

// Lists of what needs a family of addresses.
TEST(other_lists) {
  static int const types[] = {RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGHTBL};
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE);
  for (int i = 0; i < 3; ++i) {
    struct request r = request_of(types[i], NLM_F_DUMP);
    r.link.ifi_family = 99;
    ask(fd, &r);
    struct nlmsghdr* const h = next(fd);
    IS(h->nlmsg_type, NLMSG_DONE);
    IS(h->nlmsg_flags, NLM_F_MULTI);
    IS(*(int*)NLMSG_DATA(h), 0);
    IS(next(fd)->nlmsg_type, 0);
  }
  struct request r = request_of(RTM_GETNEIGH, NLM_F_DUMP);
  r.header.nlmsg_len = NLMSG_LENGTH(12);
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, NLMSG_DONE);
  r = request_of(RTM_GETNEIGH, 0);
  r.header.nlmsg_len = NLMSG_LENGTH(12);
  r.link.ifi_family = 99;
  IS(result_of(fd, r), EAFNOSUPPORT);
  IS(result_of(fd, request_of(RTM_GETADDR, 0)), EOPNOTSUPP);
  r = request_of(RTM_NEWADDR, 0);
  r.link.ifi_family = 99;
  IS(result_of(fd, r), EOPNOTSUPP);
  r = request_of(RTM_MAX + 1, 0);
  IS(result_of(fd, r), EOPNOTSUPP);
  r = request_of(RTM_GETLINK, NLM_F_DUMP);
  r.link.ifi_family = AF_BRIDGE;
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, NLMSG_DONE);
}

TEST(who_may) {
  enter_network();
  int const mine = open_netlink(NETLINK_ROUTE);
  become_nobody();
  int const fd = open_netlink(NETLINK_ROUTE);
  IS(get_link(fd)->nlmsg_type, RTM_NEWLINK);
  struct request r = link_request(RTM_SETLINK, 0);
  add_number(&r, IFLA_MTU, 1000);
  IS(result_of(fd, r), EPERM);
  // The socket of somebody who might.
  IS(result_of(mine, r), EPERM);
  IS(result_of(fd, request_of(RTM_DELLINK, 0)), EPERM);
  FAILS(set_flags(fd, IFF_UP), EPERM);
  struct ifreq i = named("nobody0");
  FAILS(ioctl(fd, SIOCSIFMTU, &i), EPERM);
  FAILS(ioctl(fd, SIOCGIFMTU, &i), ENODEV);
  // News are for everybody.
  WORKS(join(fd, RTNLGRP_LINK));
  FAILS(join(fd, RTNLGRP_IPV4_MROUTE_R), EPERM);
}
