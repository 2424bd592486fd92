// Messages of rtnetlink: how they are written and read.
#pragma once

#include "ktap.h"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

// A network of this process alone, where the kernel has such.
static inline void enter_network(void) { (void)!unshare(CLONE_NEWNET); }

static inline int open_netlink(int protocol) {
  return (int)NEED(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
}

static inline void switch_on(int fd, int option) {
  int const on = 1;
  NEED(setsockopt(fd, SOL_NETLINK, option, &on, sizeof on));
}

static inline int join(int fd, int group) {
  return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
}

struct request {
  struct nlmsghdr header;
  struct ifinfomsg link;
  char attributes[1024];
};

static inline struct request request_of(int type, int flags) {
  return (struct request){.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                                     .nlmsg_type = (uint16_t)type,
                                     .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
                                     .nlmsg_seq = 7}};
}

static inline void add(struct request* r, int type, void const* value, size_t size) {
  struct rtattr* const a = (struct rtattr*)((char*)r + NLMSG_ALIGN(r->header.nlmsg_len));
  a->rta_type = (uint16_t)type;
  a->rta_len = (uint16_t)RTA_LENGTH(size);
  memcpy(RTA_DATA(a), value, size);
  r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
}
static inline void add_text(struct request* r, int type, char const* text) {
  add(r, type, text, strlen(text) + 1);
}
static inline void add_number(struct request* r, int type, uint32_t n) {
  add(r, type, &n, sizeof n);
}

static char answer[65536];

// The next packet's first message; its type is 0 if there is none.
static inline struct nlmsghdr* next(int fd) {
  memset(answer, 0, sizeof(struct nlmsghdr));
  (void)!recv(fd, answer, sizeof answer, MSG_DONTWAIT);
  return (struct nlmsghdr*)answer;
}

static inline void ask(int fd, struct request const* r) {
  NEED(send(fd, r, r->header.nlmsg_len, 0));
}

// The error that an answer tells, as a positive number; -1 if it is none.
static inline int error_in(struct nlmsghdr const* h) {
  if (h->nlmsg_type != NLMSG_ERROR) return -1;
  return -((struct nlmsgerr const*)NLMSG_DATA(h))->error;
}

// What a request ends in, when it is to be acknowledged.
static inline int result_of(int fd, struct request r) {
  r.header.nlmsg_flags |= NLM_F_ACK;
  ask(fd, &r);
  return error_in(next(fd));
}

static inline struct rtattr* attribute_of(struct nlmsghdr* h, int type) {
  struct ifinfomsg* const i = NLMSG_DATA(h);
  int left = (int)IFLA_PAYLOAD(h);
  for (struct rtattr* a = IFLA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left))
    if ((a->rta_type & NLA_TYPE_MASK) == type) return a;
  return NULL;
}

static inline long number_of(struct nlmsghdr* h, int type) {
  struct rtattr* const a = attribute_of(h, type);
  if (!a) return -1;
  return RTA_PAYLOAD(a) == 1 ? *(uint8_t*)RTA_DATA(a) : *(uint32_t*)RTA_DATA(a);
}

static inline bool has_text(struct nlmsghdr* h, int type, char const* text) {
  struct rtattr* const a = attribute_of(h, type);
  return a && RTA_PAYLOAD(a) == strlen(text) + 1 && strcmp(RTA_DATA(a), text) == 0;
}

// The words of an extended acknowledgement, behind `size` bytes of a message.
static inline char const* words_in(struct nlmsghdr const* h, size_t size) {
  if (!(h->nlmsg_flags & NLM_F_ACK_TLVS)) return "";
  struct nlattr const* const a = (struct nlattr const*)((char const*)h + NLMSG_ALIGN(size));
  return a->nla_type == NLMSGERR_ATTR_MSG ? (char const*)(a + 1) : "";
}

// --- lo -------------------------------------------------------------------------------------
static inline struct request link_request(int type, int flags) {
  struct request r = request_of(type, flags);
  r.link.ifi_index = 1;
  return r;
}

// The answer to RTM_GETLINK.
static inline struct nlmsghdr* get_link(int fd) {
  struct request const r = link_request(RTM_GETLINK, 0);
  ask(fd, &r);
  return next(fd);
}

static inline unsigned flags_of(struct nlmsghdr* h) {
  return ((struct ifinfomsg*)NLMSG_DATA(h))->ifi_flags;
}
static inline unsigned change_of(struct nlmsghdr* h) {
  return ((struct ifinfomsg*)NLMSG_DATA(h))->ifi_change;
}

static inline struct ifreq named(char const* name) {
  struct ifreq r = {0};
  strncpy(r.ifr_name, name, sizeof r.ifr_name - 1);
  return r;
}

static inline int set_flags(int fd, int flags) {
  struct ifreq r = named("lo");
  r.ifr_flags = (short)flags;
  return ioctl(fd, SIOCSIFFLAGS, &r);
}

// A socket that hears of every change.
static inline int listen_to_links(void) {
  int const fd = open_netlink(NETLINK_ROUTE);
  struct sockaddr_nl const all = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
  NEED(bind(fd, (struct sockaddr const*)&all, sizeof all));
  return fd;
}
