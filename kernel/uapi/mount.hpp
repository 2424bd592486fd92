// Arguments of mount_setattr(2), statmount(2) and listmount(2).
// Linux: <linux/mount.h>
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace uapi {

struct mount_attr {
  std::uint64_t attr_set;
  std::uint64_t attr_clr;
  std::uint64_t propagation;
  std::uint64_t userns_fd;
};
static_assert(sizeof(mount_attr) == 32);
static_assert(std::has_unique_object_representations_v<mount_attr>);

struct mnt_id_req {
  std::uint32_t size;
  std::uint32_t spare;  // a descriptor of a namespace
  std::uint64_t mnt_id;
  std::uint64_t param;
  std::uint64_t mnt_ns_id;
};
static_assert(sizeof(mnt_id_req) == 32);
static_assert(std::has_unique_object_representations_v<mnt_id_req>);

struct statmount {
  std::uint32_t size;
  std::uint32_t mnt_opts;
  std::uint64_t mask;
  std::uint32_t sb_dev_major;
  std::uint32_t sb_dev_minor;
  std::uint64_t sb_magic;
  std::uint32_t sb_flags;
  std::uint32_t fs_type;
  std::uint64_t mnt_id;
  std::uint64_t mnt_parent_id;
  std::uint32_t mnt_id_old;
  std::uint32_t mnt_parent_id_old;
  std::uint64_t mnt_attr;
  std::uint64_t mnt_propagation;
  std::uint64_t mnt_peer_group;
  std::uint64_t mnt_master;
  std::uint64_t propagate_from;
  std::uint32_t mnt_root;
  std::uint32_t mnt_point;
  std::uint64_t mnt_ns_id;
  std::uint64_t spare2[49];  //= __spare2
};
static_assert(sizeof(statmount) == 512);
static_assert(offsetof(statmount, mnt_ns_id) == 112);
static_assert(std::has_unique_object_representations_v<statmount>);

}  // namespace uapi
