// What mount_setattr(2) and statmount(2) call the flags of a mount. The ways of access times are
// numbers of their own.
#pragma once
#include <array>

#include "generated/uapi/mount.hpp"
#include "vfs/mount.hpp"

namespace auk::vfs {

struct MountAttribute {
  u64 attribute;
  u32 flag;
};
inline constexpr std::array mount_attributes{
    MountAttribute{uapi::mount_attr_rdonly, mount_flag::read_only},
    MountAttribute{uapi::mount_attr_nosuid, mount_flag::no_suid},
    MountAttribute{uapi::mount_attr_nodev, mount_flag::no_dev},
    MountAttribute{uapi::mount_attr_noexec, mount_flag::no_exec},
    MountAttribute{uapi::mount_attr_nodiratime, mount_flag::no_dir_atime},
    MountAttribute{uapi::mount_attr_nosymfollow, mount_flag::no_symlinks},
};

}  // namespace auk::vfs
