// Records of processes that ended.
// Linux: <linux/acct.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct acct_v3 {
  std::int8_t ac_flag;
  std::int8_t ac_version;
  std::uint16_t ac_tty;
  std::uint32_t ac_exitcode;
  std::uint32_t ac_uid;
  std::uint32_t ac_gid;
  std::uint32_t ac_pid;
  std::uint32_t ac_ppid;
  std::uint32_t ac_btime;
  std::uint32_t ac_etime_bits;  //= -  (a float there)
  std::uint16_t ac_utime;
  std::uint16_t ac_stime;
  std::uint16_t ac_mem;
  std::uint16_t ac_io;
  std::uint16_t ac_rw;
  std::uint16_t ac_minflt;
  std::uint16_t ac_majflt;
  std::uint16_t ac_swaps;
  char ac_comm[16];
};
static_assert(sizeof(acct_v3) == 64);
static_assert(std::has_unique_object_representations_v<acct_v3>);

}  // namespace uapi
