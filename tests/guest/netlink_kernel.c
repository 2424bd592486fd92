// What the kernel answers over AF_NETLINK: acknowledgements, answers in parts, and what gets lost.
#include "rtnl.h"

static int fill_queue(int fd, int limit) {
  struct request const r = request_of(NLMSG_NOOP, NLM_F_ACK);
  int n = 0;
  while (n < limit && send(fd, &r, r.header.nlmsg_len, MSG_DONTWAIT) > 0) ++n;
  return n;
}

static int small_buffer(int fd) {
  int const size = 1;
  return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

TEST(acknowledgements) {
  int const fd = open_netlink(NETLINK_ROUTE);
  // Whatever the kernel does not do succeeds, and is acknowledged if that was asked for.
  struct request r = request_of(NLMSG_NOOP, 0);
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, 0);
  IS(result_of(fd, r), 0);
  r = request_of(RTM_GETLINK, NLM_F_ACK);
  r.header.nlmsg_flags = NLM_F_ACK;
  ask(fd, &r);
  IS(error_in(next(fd)), 0);
  // An error comes unasked, with the request.
  r = request_of(RTM_GETLINK, 0);
  r.link.ifi_index = 4711;
  ask(fd, &r);
  struct nlmsghdr* h = next(fd);
  IS(error_in(h), ENODEV);
  IS(h->nlmsg_len, 20 + sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg));
  IS(h->nlmsg_flags, 0);
  IS(h->nlmsg_seq, 7);
  IS(h->nlmsg_pid, getpid());
  struct nlmsgerr const* const e = NLMSG_DATA(h);
  OK(memcmp(&e->msg, &r, r.header.nlmsg_len) == 0);
  switch_on(fd, NETLINK_CAP_ACK);
  ask(fd, &r);
  h = next(fd);
  IS(error_in(h), ENODEV);
  IS(h->nlmsg_len, 36);
  IS(h->nlmsg_flags, NLM_F_CAPPED);
}

TEST(words) {
  int const fd = open_netlink(NETLINK_ROUTE);
  struct request r = request_of(RTM_GETLINK, 0);
  r.header.nlmsg_len = NLMSG_LENGTH(4);
  ask(fd, &r);
  IS(next(fd)->nlmsg_flags, 0);
  switch_on(fd, NETLINK_EXT_ACK);
  ask(fd, &r);
  struct nlmsghdr* h = next(fd);
  IS(error_in(h), EINVAL);
  IS(h->nlmsg_flags, NLM_F_ACK_TLVS);
  OK(strcmp(words_in(h, 36 + 4), "Invalid header for get link") == 0);
  // Where the attribute is that is wrong.
  r = request_of(RTM_GETLINK, 0);
  add_text(&r, IFLA_IFNAME, "lo");
  add(&r, IFLA_MTU, "", 1);
  ask(fd, &r);
  h = next(fd);
  IS(error_in(h), ERANGE);
  struct nlattr const* a = (struct nlattr const*)((char*)h + 20 + r.header.nlmsg_len);
  IS(a->nla_type, NLMSGERR_ATTR_MSG);
  a = (struct nlattr const*)((char const*)a + NLMSG_ALIGN(a->nla_len));
  IS(a->nla_type, NLMSGERR_ATTR_OFFS);
  IS(*(uint32_t const*)(a + 1), 40);
  switch_on(fd, NETLINK_CAP_ACK);
  ask(fd, &r);
  h = next(fd);
  IS(h->nlmsg_flags, NLM_F_ACK_TLVS | NLM_F_CAPPED);
  OK(strcmp(words_in(h, 36), "Attribute failed policy validation") == 0);
  // Something to say though it went well.
  r = request_of(RTM_GETLINK, NLM_F_ACK);
  r.link.ifi_index = 1;
  memset(r.attributes, 0, 3);
  r.header.nlmsg_len += 3;
  ask(fd, &r);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  h = next(fd);
  IS(error_in(h), 0);
  OK(strcmp(words_in(h, 36), "bytes leftover after parsing attributes") == 0);
  r = request_of(RTM_NEWLINK, NLM_F_CREATE);
  ask(fd, &r);
  h = next(fd);
  IS(error_in(h), EOPNOTSUPP);
  OK(strcmp(words_in(h, 36), "Unknown device type") == 0);
}

TEST(several_at_once) {
  int const fd = open_netlink(NETLINK_ROUTE);
  struct request const one = request_of(NLMSG_NOOP, NLM_F_ACK);
  size_t const size = one.header.nlmsg_len;
  char all[512];
  for (int i = 0; i < 3; ++i) {
    memcpy(all + i * size, &one, size);
    ((struct nlmsghdr*)(all + i * size))->nlmsg_seq = 10 + (uint32_t)i;
  }
  IS(send(fd, all, 3 * size, 0), 3 * size);
  for (int i = 0; i < 3; ++i) {
    struct nlmsghdr const* const h = next(fd);
    IS(error_in(h), 0);
    IS(h->nlmsg_seq, 10 + i);
  }
  IS(next(fd)->nlmsg_type, 0);
  // What is no message ends it.
  ((struct nlmsghdr*)(all + size))->nlmsg_len = 15;
  IS(send(fd, all, 3 * size, 0), 3 * size);
  IS(next(fd)->nlmsg_seq, 10);
  IS(next(fd)->nlmsg_type, 0);
  ((struct nlmsghdr*)all)->nlmsg_len = 4000;
  IS(send(fd, all, 3 * size, 0), 3 * size);
  IS(next(fd)->nlmsg_type, 0);
  IS(send(fd, all, 15, 0), 15);
  IS(next(fd)->nlmsg_type, 0);
  // The last one need not be filled up.
  memcpy(all, &one, size);
  ((struct nlmsghdr*)all)->nlmsg_len = 17;
  IS(send(fd, all, 17, 0), 17);
  IS(error_in(next(fd)), 0);
}

TEST(in_parts) {
  int const fd = open_netlink(NETLINK_ROUTE);
  struct request const r = request_of(RTM_GETLINK, NLM_F_DUMP | NLM_F_ACK);
  ask(fd, &r);
  // One at a time.
  struct request other = request_of(RTM_GETLINK, NLM_F_DUMP);
  ask(fd, &other);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  struct nlmsghdr* h = next(fd);
  IS(error_in(h), EBUSY);
  h = next(fd);
  IS(h->nlmsg_type, NLMSG_DONE);
  // No acknowledgement besides.
  IS(next(fd)->nlmsg_type, 0);
  ask(fd, &other);
  IS(next(fd)->nlmsg_type, RTM_NEWLINK);
  IS(next(fd)->nlmsg_type, NLMSG_DONE);
  // One that nobody reads to its end goes with its socket.
  ask(fd, &other);
  WORKS(close(fd));
}

TEST(lost) {
  int const fd = open_netlink(NETLINK_ROUTE);
  WORKS(small_buffer(fd));
  int limit = 0;
  socklen_t length = sizeof limit;
  WORKS(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &limit, &length));
  IS(limit, 2304);
  int const sent = fill_queue(fd, 500);
  IS(sent, 500);
  struct pollfd p = {.fd = fd, .events = POLLIN};
  IS(poll(&p, 1, 0), 1);
  IS(p.revents, POLLIN | POLLERR);
  FAILS(recv(fd, answer, sizeof answer, 0), ENOBUFS);
  int n = 0;
  while (next(fd)->nlmsg_type == NLMSG_ERROR) ++n;
  OK(n >= 2 && n < 20);
  // Room again.
  struct request const r = request_of(NLMSG_NOOP, 0);
  IS(result_of(fd, r), 0);
  // Until all is read nothing more comes, even where there is room.
  IS(fill_queue(fd, 100), 100);
  FAILS(recv(fd, answer, sizeof answer, 0), ENOBUFS);
  IS(next(fd)->nlmsg_type, NLMSG_ERROR);
  IS(fill_queue(fd, 1), 1);
  int rest = 0;
  while (next(fd)->nlmsg_type == NLMSG_ERROR) ++rest;
  IS(rest, n - 1);
  int error = -1;
  socklen_t size = sizeof error;
  fill_queue(fd, 100);
  WORKS(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
  IS(error, ENOBUFS);
  IS(next(fd)->nlmsg_type, NLMSG_ERROR);
}

TEST(lost_in_silence) {
  int const fd = open_netlink(NETLINK_ROUTE);
  switch_on(fd, NETLINK_NO_ENOBUFS);
  WORKS(small_buffer(fd));
  IS(fill_queue(fd, 500), 500);
  int n = 0;
  while (next(fd)->nlmsg_type == NLMSG_ERROR) ++n;
  OK(n >= 2 && n < 20);
  struct pollfd p = {.fd = fd, .events = POLLIN};
  IS(poll(&p, 1, 0), 0);
}

// A sender waits for room with another program; the kernel does not.
TEST(waiting_for_room) {
  int const a = open_netlink(NETLINK_USERSOCK), b = open_netlink(NETLINK_USERSOCK);
  struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = 200};
  NEED(bind(b, (struct sockaddr*)&to, sizeof to));
  WORKS(small_buffer(b));
  NEED(connect(a, (struct sockaddr*)&to, sizeof to));
  int n = 0;
  while (n < 500 && send(a, "x", 1, MSG_DONTWAIT) == 1) ++n;
  OK(n >= 2 && n < 20);
  FAILS(send(a, "x", 1, MSG_DONTWAIT), EAGAIN);
  struct timeval const soon = {.tv_usec = 50000};
  NEED(setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon));
  int64_t const before = now_ns(CLOCK_MONOTONIC);
  FAILS(send(a, "x", 1, 0), EAGAIN);
  OK(now_ns(CLOCK_MONOTONIC) - before >= 50000000);
  struct timeval const never = {0};
  NEED(setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, &never, sizeof never));
  pid_t const child = fork();
  if (child == 0) _exit(send(a, "late", 4, 0) == 4 ? 0 : 1);
  usleep(50000);
  char text[8];
  int read = 0;
  while (read < n && recv(b, text, sizeof text, 0) == 1) ++read;
  IS(read, n);
  IS(recv(b, text, sizeof text, 0), 4);
  IS(ktap_status_of(child), 0);
}

// Who listens, asks, changes and goes, all at once.
static void mingle(int number) {
  for (int i = 0; i < 100; ++i) {
    int const fd = open_netlink(NETLINK_ROUTE), user = open_netlink(NETLINK_USERSOCK);
    struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    NEED(bind(fd, (struct sockaddr*)&a, sizeof a));
    a.nl_groups = 2;
    NEED(bind(user, (struct sockaddr*)&a, sizeof a));
    struct request change = request_of(RTM_SETLINK, NLM_F_ACK);
    change.link.ifi_index = 1;
    add_number(&change, IFLA_MTU, 1500 + (uint32_t)(i + number));
    ask(fd, &change);
    struct request const list = request_of(RTM_GETLINK, NLM_F_DUMP);
    ask(fd, &list);
    (void)!sendto(user, "x", 1, MSG_DONTWAIT, (struct sockaddr*)&a, sizeof a);
    bool has_end = false;
    for (int n = 0; n < 1000 && !has_end; ++n) has_end = next(fd)->nlmsg_type == NLMSG_DONE;
    if (!has_end) _exit(1);
    while (recv(user, answer, 10, MSG_DONTWAIT) > 0) continue;
    close(fd);
    close(user);
  }
  _exit(0);
}

TEST(crowd) {
  enum { COUNT = 4 };
  pid_t children[COUNT];
  enter_network();
  for (int i = 0; i < COUNT; ++i)
    if ((children[i] = fork()) == 0) mingle(i);
  for (int i = 0; i < COUNT; ++i) IS(ktap_status_of(children[i]), 0);
  struct request back = request_of(RTM_SETLINK, 0);
  back.link.ifi_index = 1;
  add_number(&back, IFLA_MTU, 65536);
  IS(result_of(open_netlink(NETLINK_ROUTE), back), 0);
}

TEST(in_proc) {
  int const fd = open_netlink(NETLINK_USERSOCK);
  struct sockaddr_nl const a = {.nl_family = AF_NETLINK, .nl_pid = 987654, .nl_groups = 0x50};
  NEED(bind(fd, (struct sockaddr const*)&a, sizeof a));
  struct stat s;
  NEED(fstat(fd, &s));
  char wanted[200];
  snprintf(wanted, sizeof wanted,
           " 2   987654     00000050 0        0        0     2        0        %-8lu\n",
           (unsigned long)s.st_ino);
  int const file = (int)NEED(open("/proc/net/netlink", O_RDONLY));
  long all = 0;
  for (long n; (n = read(file, answer + all, sizeof answer - 1 - (size_t)all)) > 0;) all += n;
  answer[all] = 0;
  OK(strncmp(answer, "sk               Eth Pid        Groups   Rmem ", 46) == 0);
  OK(strstr(answer, wanted) != NULL);
  // The kernel's end.
  OK(strstr(answer, " 0   0          00000000 ") != NULL);
}
