// Sockets of AF_NETLINK: names, groups, what travels between programs and to the kernel, and
// limits.
#include "rtnl.h"

#include <sys/epoll.h>

static char text[4096];

static struct sockaddr_nl address(uint32_t port, uint32_t groups) {
  return (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = groups};
}

static int bind_to(int fd, uint32_t port, uint32_t groups) {
  struct sockaddr_nl const a = address(port, groups);
  return bind(fd, (struct sockaddr const*)&a, sizeof a);
}

static int connect_to(int fd, uint32_t port, uint32_t groups) {
  struct sockaddr_nl const a = address(port, groups);
  return connect(fd, (struct sockaddr const*)&a, sizeof a);
}

static long send_to(int fd, char const* what, uint32_t port, uint32_t groups, int flags) {
  struct sockaddr_nl const a = address(port, groups);
  return sendto(fd, what, strlen(what), flags, (struct sockaddr const*)&a, sizeof a);
}

static struct sockaddr_nl name_of(int fd) {
  struct sockaddr_nl a = {0};
  socklen_t size = sizeof a;
  NEED(getsockname(fd, (struct sockaddr*)&a, &size));
  return a;
}

static bool got(long size, char const* wanted) {
  return size == (long)strlen(wanted) && memcmp(text, wanted, (size_t)size) == 0;
}

static int events_of(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
  return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static int option_of(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_NETLINK, option, &value, &size) < 0) return -1;
  return value;
}

// Bound to a port of its own.
static int open_port(uint32_t port) {
  int const fd = open_netlink(NETLINK_USERSOCK);
  NEED(bind_to(fd, port, 0));
  return fd;
}

TEST(made) {
  int const fd = (int)WORKS(socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, NETLINK_ROUTE));
  IS(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
  FAILS(recv(fd, text, 1, 0), EAGAIN);
  WORKS(socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK));
  FAILS(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE), ESOCKTNOSUPPORT);
  FAILS(socket(AF_NETLINK, SOCK_SEQPACKET, NETLINK_ROUTE), ESOCKTNOSUPPORT);
  FAILS(socket(AF_NETLINK, SOCK_STREAM, 77), ESOCKTNOSUPPORT);
  FAILS(socket(AF_NETLINK, SOCK_RAW, 77), EPROTONOSUPPORT);
  FAILS(socket(AF_NETLINK, SOCK_RAW, -1), EPROTONOSUPPORT);
  FAILS(socket(AF_NETLINK, SOCK_RAW, 30), EPROTONOSUPPORT);
  int pair[2];
  FAILS(socketpair(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, pair), EOPNOTSUPP);
  FAILS(listen(fd, 1), EOPNOTSUPP);
  FAILS(accept(fd, NULL, NULL), EOPNOTSUPP);
  FAILS(shutdown(fd, SHUT_RD), EOPNOTSUPP);
  int value = 0;
  socklen_t size = sizeof value;
  WORKS(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &size));
  IS(value, NETLINK_ROUTE);
  WORKS(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size));
  IS(value, AF_NETLINK);
  WORKS(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size));
  IS(value, SOCK_DGRAM);
  WORKS(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &size));
  IS(value, 212992);
  IS(events_of(fd), POLLOUT);
  FAILS(recv(fd, text, 1, MSG_OOB), EOPNOTSUPP);
}

TEST(names) {
  int const fd = open_netlink(NETLINK_USERSOCK);
  IS(name_of(fd).nl_family, AF_NETLINK);
  IS(name_of(fd).nl_pid, 0);
  struct sockaddr_nl peer;
  socklen_t size = sizeof peer;
  WORKS(getpeername(fd, (struct sockaddr*)&peer, &size));
  IS(size, sizeof peer);
  IS(peer.nl_pid, 0);
  struct sockaddr_nl a = address(0, 0);
  FAILS(bind(fd, (struct sockaddr*)&a, sizeof a - 1), EINVAL);
  a.nl_family = AF_UNIX;
  FAILS(bind(fd, (struct sockaddr*)&a, sizeof a), EINVAL);
  FAILS(bind(fd, BAD_POINTER, sizeof a), EFAULT);
  WORKS(bind_to(fd, 0, 0));
  IS(name_of(fd).nl_pid, getpid());
  // Again is well if it is the same; 0 is not.
  WORKS(bind_to(fd, (uint32_t)getpid(), 0));
  FAILS(bind_to(fd, 0, 0), EINVAL);
  FAILS(bind_to(fd, 4712, 0), EINVAL);
  // The process's number is taken: one that is none.
  int const second = open_netlink(NETLINK_USERSOCK);
  WORKS(bind_to(second, 0, 0));
  OK((int)name_of(second).nl_pid < -4096);
  int const third = open_netlink(NETLINK_USERSOCK);
  FAILS(bind_to(third, (uint32_t)getpid(), 0), EADDRINUSE);
  WORKS(bind_to(third, 4711, 0));
  IS(name_of(third).nl_pid, 4711);
  // Each protocol has numbers of its own, and they come back.
  WORKS(bind_to(open_netlink(NETLINK_ROUTE), 4711, 0));
  WORKS(close(third));
  WORKS(bind_to(open_netlink(NETLINK_USERSOCK), 4711, 0));
}

TEST(between_programs) {
  int const a = open_port(100), b = open_port(200);
  IS(send_to(a, "hello", 200, 0, 0), 5);
  IS(events_of(b), POLLIN | POLLOUT);
  IS(events_of(a), POLLOUT);
  struct sockaddr_nl from;
  socklen_t size = sizeof from;
  OK(got(recvfrom(b, text, sizeof text, 0, (struct sockaddr*)&from, &size), "hello"));
  IS(size, sizeof from);
  IS(from.nl_family, AF_NETLINK);
  IS(from.nl_pid, 100);
  IS(from.nl_groups, 0);
  FAILS(send_to(a, "x", 300, 0, 0), ECONNREFUSED);
  FAILS(send_to(a, "x", 0, 0, 0), ECONNREFUSED);
  FAILS(send(a, "x", 1, 0), ECONNREFUSED);
  FAILS(send(a, "", 0, 0), ENODATA);
  FAILS(send(a, "x", 1, MSG_OOB), EOPNOTSUPP);
  FAILS(send(a, BAD_POINTER, 10, 0), EFAULT);
  char* const large = calloc(1, 300000);
  FAILS(send(a, large, 300000, 0), EMSGSIZE);
  struct sockaddr_nl to = address(200, 0);
  IS(sendto(a, large, 100000, 0, (struct sockaddr*)&to, sizeof to), 100000);
  IS(recv(b, large, 300000, 0), 100000);
  free(large);
  FAILS(sendto(a, "x", 1, 0, (struct sockaddr*)&to, sizeof to - 1), EINVAL);
  to.nl_family = AF_UNIX;
  FAILS(sendto(a, "x", 1, 0, (struct sockaddr*)&to, sizeof to), EINVAL);
  // To itself.
  IS(send_to(a, "self", 100, 0, 0), 4);
  OK(got(read(a, text, sizeof text), "self"));
  // One that has no number gets one by sending.
  int const c = open_netlink(NETLINK_USERSOCK);
  IS(send_to(c, "x", 200, 0, 0), 1);
  IS(name_of(c).nl_pid, getpid());
}

TEST(connected) {
  int const a = open_port(100), b = open_port(200), c = open_port(300);
  WORKS(connect_to(a, 200, 0));
  struct sockaddr_nl peer;
  socklen_t size = sizeof peer;
  NEED(getpeername(a, (struct sockaddr*)&peer, &size));
  IS(peer.nl_pid, 200);
  IS(write(a, "one", 3), 3);
  OK(got(read(b, text, sizeof text), "one"));
  // From its peer only.
  FAILS(send_to(c, "x", 100, 0, 0), ECONNREFUSED);
  IS(send_to(b, "back", 100, 0, 0), 4);
  OK(got(read(a, text, sizeof text), "back"));
  // It may still send to others.
  IS(send_to(a, "other", 300, 0, 0), 5);
  OK(got(read(c, text, sizeof text), "other"));
  struct sockaddr const nobody = {.sa_family = AF_UNSPEC};
  WORKS(connect(a, &nobody, sizeof nobody));
  FAILS(write(a, "x", 1), ECONNREFUSED);
  IS(send_to(c, "now", 100, 0, 0), 3);
  FAILS(connect(a, &nobody, 1), EINVAL);
  struct sockaddr_nl bad = address(200, 0);
  FAILS(connect(a, (struct sockaddr*)&bad, 8), EINVAL);
  bad.nl_family = AF_UNIX;
  FAILS(connect(a, (struct sockaddr*)&bad, sizeof bad), EINVAL);
  // A peer need not be there.
  WORKS(connect_to(a, 999, 2));
  NEED(getpeername(a, (struct sockaddr*)&peer, &size));
  IS(peer.nl_groups, 2);
  int const d = open_netlink(NETLINK_USERSOCK);
  WORKS(connect_to(d, 100, 0));
  IS(name_of(d).nl_pid, getpid());
}

TEST(looking_and_cutting) {
  int const a = open_port(100), b = open_port(200);
  IS(send_to(a, "first", 200, 0, 0), 5);
  IS(send_to(a, "second", 200, 0, 0), 6);
  OK(got(recv(b, text, sizeof text, MSG_PEEK), "first"));
  IS(recv(b, text, 2, MSG_PEEK | MSG_TRUNC), 5);
  struct iovec v = {text, 3};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  IS(recvmsg(b, &m, 0), 3);
  IS(m.msg_flags, MSG_TRUNC);
  // The rest is gone.
  OK(got(recv(b, text, sizeof text, 0), "second"));
  FAILS(recv(b, text, 1, MSG_DONTWAIT), EAGAIN);
  struct timeval const soon = {.tv_usec = 50000};
  NEED(setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
  int64_t const before = now_ns(CLOCK_MONOTONIC);
  FAILS(recv(b, text, 1, 0), EAGAIN);
  OK(now_ns(CLOCK_MONOTONIC) - before >= 50000000);
  IS(send_to(a, "lost", 200, 0, 0), 4);
  FAILS(recv(b, BAD_POINTER, 4, 0), EFAULT);
  FAILS(recv(b, text, 1, MSG_DONTWAIT), EAGAIN);
}

TEST(waiting) {
  int const a = open_port(100), b = open_port(200);
  int const all = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN};
  NEED(epoll_ctl(all, EPOLL_CTL_ADD, b, &e));
  IS(epoll_wait(all, &e, 1, 0), 0);
  pid_t const child = fork();
  if (child == 0) {
    usleep(50000);
    (void)!send_to(a, "late", 200, 0, 0);
    _exit(0);
  }
  IS(epoll_wait(all, &e, 1, 10000), 1);
  IS(e.events, EPOLLIN);
  OK(got(read(b, text, sizeof text), "late"));
  ktap_status_of(child);
}

static void on_alarm(int number) { (void)number; }

TEST(interrupted) {
  int const b = open_port(200);
  struct sigaction const action = {.sa_handler = on_alarm};
  NEED(sigaction(SIGALRM, &action, NULL));
  struct itimerval const soon = {.it_value = {.tv_usec = 50000}};
  NEED(setitimer(ITIMER_REAL, &soon, NULL));
  FAILS(recv(b, text, 1, 0), EINTR);
}

TEST(groups) {
  int const a = open_port(100), b = open_netlink(NETLINK_USERSOCK), c = open_port(300);
  WORKS(bind_to(b, 200, 1 << 4));
  IS(name_of(b).nl_groups, 1 << 4);
  WORKS(join(c, 5));
  WORKS(join(c, 32));
  IS(name_of(c).nl_groups, 0x80000010);
  // To all in a group, then to a port: nobody is at 0.
  FAILS(send_to(a, "all", 0, 1 << 4, 0), ECONNREFUSED);
  struct sockaddr_nl from;
  socklen_t size = sizeof from;
  OK(got(recvfrom(b, text, sizeof text, 0, (struct sockaddr*)&from, &size), "all"));
  IS(from.nl_pid, 100);
  IS(from.nl_groups, 1 << 4);
  OK(got(read(c, text, sizeof text), "all"));
  // Who is meant by the port, too, gets it once; of several groups the lowest counts.
  IS(send_to(a, "both", 300, 3 << 4, 0), 4);
  OK(got(read(b, text, sizeof text), "both"));
  OK(got(read(c, text, sizeof text), "both"));
  FAILS(recv(c, text, 1, MSG_DONTWAIT), EAGAIN);
  // Not to itself.
  FAILS(send_to(c, "x", 0, 1u << 31, 0), ECONNREFUSED);
  FAILS(recv(c, text, 1, MSG_DONTWAIT), EAGAIN);
  int group = 5;
  WORKS(setsockopt(c, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof group));
  FAILS(send_to(a, "less", 0, 1 << 4, 0), ECONNREFUSED);
  FAILS(recv(c, text, 1, MSG_DONTWAIT), EAGAIN);
  OK(got(read(b, text, sizeof text), "less"));
  // Binding again sets the first 32.
  WORKS(bind_to(b, 200, 0));
  IS(name_of(b).nl_groups, 0);
  FAILS(send_to(a, "none", 0, 1 << 4, 0), ECONNREFUSED);
  FAILS(recv(b, text, 1, MSG_DONTWAIT), EAGAIN);
  FAILS(join(c, 0), EINVAL);
  FAILS(join(c, 33), EINVAL);
  // One without a number does not hear of what is for port 0.
  int const d = open_netlink(NETLINK_USERSOCK);
  NEED(join(d, 5));
  FAILS(send_to(a, "x", 0, 1 << 4, 0), ECONNREFUSED);
  FAILS(recv(d, text, 1, MSG_DONTWAIT), EAGAIN);
}

TEST(memberships) {
  int const fd = open_netlink(NETLINK_ROUTE);
  uint32_t words[4] = {0};
  socklen_t size = sizeof words;
  WORKS(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, words, &size));
  IS(size, 0);
  WORKS(join(fd, RTNLGRP_LINK));
  WORKS(join(fd, RTNLGRP_MAX));
  FAILS(join(fd, RTNLGRP_MAX + 1), EINVAL);
  size = sizeof words;
  WORKS(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, words, &size));
  IS(size, 8);
  IS(words[0], 1);
  IS(words[1], 1 << (RTNLGRP_MAX - 33));
  memset(words, 0, sizeof words);
  size = 5;
  WORKS(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, words, &size));
  IS(size, 8);
  IS(words[0], 1);
  IS(words[1], 0);
  become_nobody();
  int const user = open_netlink(NETLINK_USERSOCK);
  FAILS(join(user, 1), EPERM);
  FAILS(bind_to(user, 0, 1), EPERM);
  WORKS(bind_to(user, 0, 0));
  FAILS(send_to(user, "x", 4000, 0, 0), ECONNREFUSED);
  int const route = open_netlink(NETLINK_ROUTE);
  WORKS(join(route, RTNLGRP_LINK));
  FAILS(send_to(route, "x", 4000, 0, 0), EPERM);
  FAILS(send_to(route, "x", 0, 1, 0), EPERM);
  FAILS(connect_to(route, 4000, 0), EPERM);
  WORKS(connect_to(route, 0, 0));
}

TEST(options) {
  static int const switches[] = {NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR, NETLINK_NO_ENOBUFS,
                                 NETLINK_CAP_ACK, NETLINK_EXT_ACK,         NETLINK_GET_STRICT_CHK};
  int const fd = open_netlink(NETLINK_ROUTE);
  for (int i = 0; i < 6; ++i) {
    IS(option_of(fd, switches[i]), 0);
    int value = 5;
    WORKS(setsockopt(fd, SOL_NETLINK, switches[i], &value, sizeof value));
    IS(option_of(fd, switches[i]), 1);
    value = 0;
    WORKS(setsockopt(fd, SOL_NETLINK, switches[i], &value, sizeof value));
    IS(option_of(fd, switches[i]), 0);
  }
  int value = 1;
  FAILS(setsockopt(fd, SOL_NETLINK, 99, &value, sizeof value), ENOPROTOOPT);
  FAILS(setsockopt(fd, 99, NETLINK_PKTINFO, &value, sizeof value), ENOPROTOOPT);
  FAILS(setsockopt(fd, SOL_NETLINK, NETLINK_PKTINFO, BAD_POINTER, sizeof value), EFAULT);
  socklen_t size = 3;
  FAILS(getsockopt(fd, SOL_NETLINK, NETLINK_PKTINFO, &value, &size), EINVAL);
  size = sizeof value;
  FAILS(getsockopt(fd, SOL_NETLINK, 99, &value, &size), ENOPROTOOPT);
  FAILS(getsockopt(fd, 99, NETLINK_PKTINFO, &value, &size), ENOPROTOOPT);
  FAILS(getsockopt(fd, SOL_NETLINK, NETLINK_PKTINFO, BAD_POINTER, &size), EFAULT);
  FAILS(getsockopt(fd, SOL_NETLINK, NETLINK_PKTINFO, &value, BAD_POINTER), EFAULT);
}

static struct cmsghdr* receive_control(int fd, void* room, size_t size, struct msghdr* m) {
  static struct iovec v;
  v = (struct iovec){text, sizeof text};
  *m = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = size};
  NEED(recvmsg(fd, m, MSG_DONTWAIT));
  return CMSG_FIRSTHDR(m);
}

TEST(control) {
  _Alignas(struct cmsghdr) char room[256];
  struct msghdr m;
  int const a = open_port(100), b = open_port(200);
  NEED(join(b, 7));
  IS(send_to(a, "x", 200, 0, 0), 1);
  OK(receive_control(b, room, sizeof room, &m) == NULL);
  switch_on(b, NETLINK_PKTINFO);
  (void)send_to(a, "x", 0, 1 << 6, 0);
  struct cmsghdr* c = receive_control(b, room, sizeof room, &m);
  OK(c && c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_PKTINFO);
  IS(c->cmsg_len, CMSG_LEN(4));
  IS(*(uint32_t*)CMSG_DATA(c), 7);
  OK(CMSG_NXTHDR(&m, c) == NULL);
  int const on = 1;
  NEED(setsockopt(b, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  IS(send_to(a, "x", 200, 0, 0), 1);
  c = receive_control(b, room, sizeof room, &m);
  IS(*(uint32_t*)CMSG_DATA(c), 0);
  c = CMSG_NXTHDR(&m, c);
  OK(c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS);
  struct ucred* const who = (struct ucred*)CMSG_DATA(c);
  IS(who->pid, getpid());
  IS(who->uid, 0);
  // No room.
  IS(send_to(a, "x", 200, 0, 0), 1);
  OK(receive_control(b, NULL, 0, &m) == NULL);
  IS(m.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
  // Files do not travel here.
  char data[] = "x";
  struct iovec v = {data, 1};
  struct sockaddr_nl to = address(200, 0);
  m = (struct msghdr){.msg_name = &to,
                      .msg_namelen = sizeof to,
                      .msg_iov = &v,
                      .msg_iovlen = 1,
                      .msg_control = room,
                      .msg_controllen = CMSG_SPACE(4)};
  c = CMSG_FIRSTHDR(&m);
  *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(c), &a, sizeof a);
  FAILS(sendmsg(a, &m, 0), EINVAL);
}

// What the kernel sends has no sender.
TEST(from_the_kernel) {
  int const fd = open_netlink(NETLINK_ROUTE), on = 1;
  NEED(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  struct request const r = request_of(NLMSG_NOOP, NLM_F_ACK);
  ask(fd, &r);
  _Alignas(struct cmsghdr) char room[256];
  struct msghdr m;
  struct cmsghdr* const c = receive_control(fd, room, sizeof room, &m);
  OK(c && c->cmsg_type == SCM_CREDENTIALS);
  IS(((struct ucred*)CMSG_DATA(c))->pid, 0);
}
