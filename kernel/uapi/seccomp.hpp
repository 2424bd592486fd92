// What a seccomp filter sees, and the messages of its listener.
// Linux: <linux/seccomp.h>, <linux/filter.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct seccomp_data {
  std::int32_t nr;
  std::uint32_t arch;
  std::uint64_t instruction_pointer;
  std::uint64_t args[6];
};
static_assert(sizeof(seccomp_data) == 64);
static_assert(std::has_unique_object_representations_v<seccomp_data>);

struct seccomp_notif_sizes {
  std::uint16_t notif;       //= seccomp_notif
  std::uint16_t notif_resp;  //= seccomp_notif_resp
  std::uint16_t data;        //= seccomp_data
};

struct seccomp_notif {
  std::uint64_t id;
  std::uint32_t pid;
  std::uint32_t flags;
  seccomp_data data;
};
static_assert(sizeof(seccomp_notif) == 80);

struct seccomp_notif_resp {
  std::uint64_t id;
  std::int64_t val;
  std::int32_t error;
  std::uint32_t flags;
};
static_assert(sizeof(seccomp_notif_resp) == 24);

struct seccomp_notif_addfd {
  std::uint64_t id;
  std::uint32_t flags;
  std::uint32_t srcfd;
  std::uint32_t newfd;
  std::uint32_t newfd_flags;
};
static_assert(sizeof(seccomp_notif_addfd) == 24);

// Classic BPF.
struct sock_filter {
  std::uint16_t code;
  std::uint8_t jt;
  std::uint8_t jf;
  std::uint32_t k;
};
static_assert(std::has_unique_object_representations_v<sock_filter>);

struct sock_fprog {
  std::uint16_t len;
  std::uint16_t pad0;  //= -
  std::uint32_t pad1;  //= -
  std::uint64_t filter;
};
static_assert(sizeof(sock_fprog) == 16);
static_assert(std::has_unique_object_representations_v<sock_fprog>);

}  // namespace uapi
