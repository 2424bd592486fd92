// What stat(2), statx(2) and statfs(2) write.
// Linux: <asm/stat.h>, <linux/stat.h>, <asm/statfs.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

// libc makes macros of st_atime and its sisters, hence the `_sec` here.
struct stat {
  std::uint64_t st_dev;
  std::uint64_t st_ino;
  std::uint64_t st_nlink;
  std::uint32_t st_mode;
  std::uint32_t st_uid;
  std::uint32_t st_gid;
  std::uint32_t pad0;  //= __pad0
  std::uint64_t st_rdev;
  std::int64_t st_size;
  std::int64_t st_blksize;
  std::int64_t st_blocks;      // in units of 512 bytes, whatever st_blksize says
  std::uint64_t st_atime_sec;  //= st_atime
  std::uint64_t st_atime_nsec;
  std::uint64_t st_mtime_sec;  //= st_mtime
  std::uint64_t st_mtime_nsec;
  std::uint64_t st_ctime_sec;  //= st_ctime
  std::uint64_t st_ctime_nsec;
  std::int64_t unused[3];  //= __unused
};
static_assert(sizeof(stat) == 144);
static_assert(std::has_unique_object_representations_v<stat>);

struct statx_timestamp {
  std::int64_t tv_sec;
  std::uint32_t tv_nsec;
  std::int32_t pad;  //= __reserved
};
static_assert(std::has_unique_object_representations_v<statx_timestamp>);

struct statx {
  std::uint32_t stx_mask;
  std::uint32_t stx_blksize;
  std::uint64_t stx_attributes;
  std::uint32_t stx_nlink;
  std::uint32_t stx_uid;
  std::uint32_t stx_gid;
  std::uint16_t stx_mode;
  std::uint16_t spare0[1];  //= __spare0
  std::uint64_t stx_ino;
  std::uint64_t stx_size;
  std::uint64_t stx_blocks;
  std::uint64_t stx_attributes_mask;
  statx_timestamp stx_atime;
  statx_timestamp stx_btime;
  statx_timestamp stx_ctime;
  statx_timestamp stx_mtime;
  std::uint32_t stx_rdev_major;
  std::uint32_t stx_rdev_minor;
  std::uint32_t stx_dev_major;
  std::uint32_t stx_dev_minor;
  std::uint64_t stx_mnt_id;
  std::uint32_t stx_dio_mem_align;
  std::uint32_t stx_dio_offset_align;
  std::uint64_t stx_subvol;
  std::uint32_t stx_atomic_write_unit_min;
  std::uint32_t stx_atomic_write_unit_max;
  std::uint32_t stx_atomic_write_segments_max;
  std::uint32_t spare1[1];  //= __spare1
  std::uint64_t spare3[9];  //= __spare3
};
static_assert(sizeof(statx) == 256);
static_assert(std::has_unique_object_representations_v<statx>);

// The pair that identifies a file system; programs only compare it.
struct fsid {  //= __kernel_fsid_t
  std::int32_t val[2];
};

struct statfs {
  std::int64_t f_type;
  std::int64_t f_bsize;
  std::int64_t f_blocks;
  std::int64_t f_bfree;
  std::int64_t f_bavail;
  std::int64_t f_files;
  std::int64_t f_ffree;
  fsid f_fsid;
  std::int64_t f_namelen;
  std::int64_t f_frsize;
  std::int64_t f_flags;
  std::int64_t f_spare[4];
};
static_assert(sizeof(statfs) == 120);
static_assert(std::has_unique_object_representations_v<statfs>);

}  // namespace uapi
