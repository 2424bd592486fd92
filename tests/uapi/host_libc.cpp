// Host tests include both libc and our headers, in either order: neither may break the other.
// Also checks the values that Linux does not export against the ones libc ships.

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "uapi_all.inc"

static_assert(uapi::af_unix == AF_UNIX && uapi::af_inet6 == AF_INET6 && uapi::af_vsock == AF_VSOCK);
static_assert(uapi::sock_stream == SOCK_STREAM && uapi::sock_seqpacket == SOCK_SEQPACKET);
static_assert(uapi::sock_cloexec == SOCK_CLOEXEC && uapi::sock_nonblock == SOCK_NONBLOCK);
static_assert(uapi::msg_dontwait == MSG_DONTWAIT && uapi::msg_cmsg_cloexec == MSG_CMSG_CLOEXEC);
static_assert(uapi::scm_rights == SCM_RIGHTS && uapi::sol_socket == SOL_SOCKET);
static_assert(uapi::shut_rdwr == SHUT_RDWR && uapi::somaxconn == SOMAXCONN);
static_assert(uapi::mnt_detach == MNT_DETACH && uapi::umount_nofollow == UMOUNT_NOFOLLOW);
static_assert(uapi::dt_dir == DT_DIR && uapi::dt_sock == DT_SOCK);
static_assert(uapi::utime_now == UTIME_NOW && uapi::utime_omit == UTIME_OMIT);
static_assert(uapi::st_nosuid == ST_NOSUID);
static_assert(uapi::nsig == _NSIG - 1 && uapi::sigrtmax == 64);
static_assert(static_cast<int>(uapi::Errno::enotrecoverable) == ENOTRECOVERABLE);

static_assert(sizeof(uapi::stat) == sizeof(struct stat));
static_assert(sizeof(uapi::siginfo) == sizeof(siginfo_t));
static_assert(sizeof(uapi::rusage) == sizeof(struct rusage));
static_assert(sizeof(uapi::user_regs_struct) == sizeof(struct user_regs_struct));
static_assert(sizeof(uapi::epoll_event) == sizeof(struct epoll_event));
static_assert(sizeof(uapi::linux_dirent64) == 24);
