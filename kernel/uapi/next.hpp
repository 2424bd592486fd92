// What Linux 6.13 to 7.1 added to the ABI and the headers of 6.12 do not have yet.
//
// A header set that knows one of these makes the tests fail with "drop it here": then the generated
// constant takes over.  `//= -` marks what has no Linux name of its own.
// Linux: <linux/sched.h>, <linux/pidfd.h>, <linux/fcntl.h>, <linux/nsfs.h>, <asm/unistd_64.h>
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace uapi {

// --- clone3(2) and unshare(2), 7.1; beyond the 32 bits that clone(2) looks at -----------------

// The child is reaped by itself: no zombie, no exit signal.
inline constexpr std::uint64_t clone_autoreap = std::uint64_t{1} << 34;
// The child starts with no_new_privs.
inline constexpr std::uint64_t clone_nnp = std::uint64_t{1} << 35;
// The last close of the pidfd that this call returned kills the child.
inline constexpr std::uint64_t clone_pidfd_autokill = std::uint64_t{1} << 36;
// Implies clone_newns, with one empty root mount.
inline constexpr std::uint64_t clone_empty_mntns = std::uint64_t{1} << 37;
// The same for unshare(2), which has 32 bits only and so reuses clone_parent_settid's.
inline constexpr std::uint64_t unshare_empty_mntns = 0x100000;

// --- descriptors that stand for something without being open, 6.14 to 6.17 -----------------------

inline constexpr int pidfd_self_thread = -10000;
inline constexpr int pidfd_self_thread_group = -10001;
inline constexpr int pidfd_self = pidfd_self_thread;
inline constexpr int pidfd_self_process = pidfd_self_thread_group;
inline constexpr int fd_pidfs_root = -10002;
inline constexpr int fd_nsfs_root = -10003;
inline constexpr int fd_invalid = -10009;

// --- PIDFD_GET_INFO, 6.13 to 7.1 -----------------------------------------------------------------

// Bits of pidfd_info::mask, both ways: what is wanted, and what was filled in.
inline constexpr std::uint64_t pidfd_info_pid = 0x01;
inline constexpr std::uint64_t pidfd_info_creds = 0x02;
inline constexpr std::uint64_t pidfd_info_cgroupid = 0x04;
inline constexpr std::uint64_t pidfd_info_exit = 0x08;
inline constexpr std::uint64_t pidfd_info_coredump = 0x10;
inline constexpr std::uint64_t pidfd_info_supported_mask = 0x20;
inline constexpr std::uint64_t pidfd_info_coredump_signal = 0x40;
inline constexpr std::uint64_t pidfd_info_coredump_code = 0x80;
// What pidfd_info::supported_mask says in 7.1.
inline constexpr std::uint64_t pidfd_info_all = 0xff;  //= -

// Bits of pidfd_info::coredump_mask.
inline constexpr std::uint32_t pidfd_coredumped = 1;
inline constexpr std::uint32_t pidfd_coredump_skip = 2;
inline constexpr std::uint32_t pidfd_coredump_user = 4;
inline constexpr std::uint32_t pidfd_coredump_root = 8;

// The struct as of 7.1.  It did not only grow: 6.19 and 7.0 (size 80) had supported_mask at 72,
// where coredump_code stands now, so a program built for those reads the wrong field.  Programs
// of 7.1 are the ones to agree with.
struct pidfd_info {  //= -
  std::uint64_t mask;
  std::uint64_t cgroupid;
  std::uint32_t pid;
  std::uint32_t tgid;
  std::uint32_t ppid;
  std::uint32_t ruid;
  std::uint32_t rgid;
  std::uint32_t euid;
  std::uint32_t egid;
  std::uint32_t suid;
  std::uint32_t sgid;
  std::uint32_t fsuid;
  std::uint32_t fsgid;
  std::int32_t exit_code;  // as wait(2) reports it
  std::uint32_t coredump_mask;
  std::uint32_t coredump_signal;
  std::uint32_t coredump_code;  // si_code of the fatal signal, an int in disguise
  std::uint32_t pad;
  std::uint64_t supported_mask;
};
inline constexpr std::size_t pidfd_info_size_ver0 = 64;
inline constexpr std::size_t pidfd_info_size_ver1 = 72;
inline constexpr std::size_t pidfd_info_size_ver2 = 80;
inline constexpr std::size_t pidfd_info_size_ver3 = 88;
static_assert(sizeof(pidfd_info) == pidfd_info_size_ver3);
static_assert(std::has_unique_object_representations_v<pidfd_info>);
static_assert(offsetof(pidfd_info, pid) == 16 && offsetof(pidfd_info, ruid) == 28);
static_assert(offsetof(pidfd_info, fsgid) == 56 && offsetof(pidfd_info, exit_code) == 60);
static_assert(offsetof(pidfd_info, coredump_mask) == pidfd_info_size_ver0);
static_assert(offsetof(pidfd_info, coredump_signal) == 68);
static_assert(offsetof(pidfd_info, coredump_code) == pidfd_info_size_ver1);
static_assert(offsetof(pidfd_info, supported_mask) == pidfd_info_size_ver2);

// The command carries the caller's idea of the size in bits 16 to 29; match on the rest.
[[nodiscard]] constexpr std::uint32_t pidfd_get_info_command(std::size_t size) noexcept {
  return 0xc000ff0bU | static_cast<std::uint32_t>(size << 16);
}
inline constexpr std::uint32_t pidfd_get_info = pidfd_get_info_command(sizeof(pidfd_info));
static_assert(pidfd_get_info == 0xc058ff0b);
static_assert(pidfd_get_info_command(pidfd_info_size_ver0) == 0xc040ff0b);

// --- core dumps over a socket with a handshake (core_pattern "@@"), 6.17 ------------------------

struct coredump_req {  //= -
  std::uint32_t size;
  std::uint32_t size_ack;
  std::uint64_t mask;
};
struct coredump_ack {  //= -
  std::uint32_t size;
  std::uint32_t spare;
  std::uint64_t mask;
};
inline constexpr std::size_t coredump_req_size_ver0 = 16;
inline constexpr std::size_t coredump_ack_size_ver0 = 16;
static_assert(sizeof(coredump_req) == coredump_req_size_ver0);
static_assert(sizeof(coredump_ack) == coredump_ack_size_ver0);
static_assert(std::has_unique_object_representations_v<coredump_req>);
static_assert(std::has_unique_object_representations_v<coredump_ack>);

inline constexpr std::uint64_t coredump_kernel = 1;
inline constexpr std::uint64_t coredump_userspace = 2;
inline constexpr std::uint64_t coredump_reject = 4;
inline constexpr std::uint64_t coredump_wait = 8;

// The kernel's answer to an acknowledgement; four bytes on the wire.
inline constexpr std::uint32_t coredump_mark_reqack = 0;
inline constexpr std::uint32_t coredump_mark_minsize = 1;
inline constexpr std::uint32_t coredump_mark_maxsize = 2;
inline constexpr std::uint32_t coredump_mark_unsupported = 3;
inline constexpr std::uint32_t coredump_mark_conflicting = 4;

// --- system calls, 6.13 to 7.0; one number on every ISA ----------------------------------------

namespace nr {

inline constexpr unsigned setxattrat = 463;
inline constexpr unsigned getxattrat = 464;
inline constexpr unsigned listxattrat = 465;
inline constexpr unsigned removexattrat = 466;
inline constexpr unsigned open_tree_attr = 467;
inline constexpr unsigned file_getattr = 468;
inline constexpr unsigned file_setattr = 469;
inline constexpr unsigned listns = 470;
inline constexpr unsigned rseq_slice_yield = 471;

}  // namespace nr

// Continue syscall_count and syscall_name of the generated list.
inline constexpr unsigned next_syscall_count = 472;  //= -

[[nodiscard]] constexpr const char* next_syscall_name(unsigned number) noexcept {
  switch (number) {
    case nr::setxattrat: return "setxattrat";
    case nr::getxattrat: return "getxattrat";
    case nr::listxattrat: return "listxattrat";
    case nr::removexattrat: return "removexattrat";
    case nr::open_tree_attr: return "open_tree_attr";
    case nr::file_getattr: return "file_getattr";
    case nr::file_setattr: return "file_setattr";
    case nr::listns: return "listns";
    case nr::rseq_slice_yield: return "rseq_slice_yield";
    default: return nullptr;
  }
}

}  // namespace uapi
