// Every system call, as a function. Grouped by the file that defines them; the man pages of section
// 2 say what they do.
#pragma once
#include "syscall/bind.hpp"
#include "uapi/dirent.hpp"
#include "uapi/fcntl.hpp"
#include "uapi/isa/signal.hpp"
#include "uapi/poll.hpp"
#include "uapi/resource.hpp"
#include "uapi/sched.hpp"
#include "uapi/stat.hpp"
#include "uapi/sysinfo.hpp"
#include "uapi/time.hpp"
#include "uapi/uio.hpp"
#include "uapi/ustat.hpp"
#include "uapi/utsname.hpp"

namespace auk::syscall::calls {

using core::UserIn;
using core::UserOut;
using core::UserStr;

// file.cpp
Value read(Task&, Fd, UserAddr buffer, u64 size);
Value write(Task&, Fd, UserAddr buffer, u64 size);
Value pread64(Task&, Fd, UserAddr buffer, u64 size, i64 offset);
Value pwrite64(Task&, Fd, UserAddr buffer, u64 size, i64 offset);
Value close(Task&, Fd);
Value close_range(Task&, u32 first, u32 last, u32 flags);
Value lseek(Task&, Fd, i64 offset, int whence);
Value dup(Task&, Fd);
Value dup2(Task&, Fd from, Fd to);
Value dup3(Task&, Fd from, Fd to, int flags);
Value fcntl(Task&, Fd, u32 command, u64 arg);
Value ioctl(Task&, Fd, u32 command, u64 arg);
Value pipe(Task&, UserAddr fds);
Value pipe2(Task&, UserAddr fds, u32 flags);
Value ftruncate(Task&, Fd, i64 size);
Value fsync(Task&, Fd);
Value fdatasync(Task&, Fd);
Value sync(Task&);
Value syncfs(Task&, Fd);
Value sync_file_range(Task&, Fd, i64 offset, i64 size, u32 flags);
Value readahead(Task&, Fd, i64 offset, u64 size);
Value fadvise64(Task&, Fd, i64 offset, i64 size, int advice);

// space.cpp
Value fallocate(Task&, Fd, u32 mode, i64 offset, i64 size);
Value memfd_create(Task&, UserStr name, u32 flags);
Value memfd_secret(Task&, u32 flags);
Value userfaultfd(Task&, u32 flags);
Value cachestat(Task&, Fd, UserAddr range, UserAddr out, u32 flags);

// old.cpp
Value ustat(Task&, u32 device, UserOut<uapi::ustat>);
Value sysfs(Task&, int option, u64 first, UserAddr second);
Value vhangup(Task&);
// security.cpp
Value lsm_list_modules(Task&, UserOut<u64> ids, UserAddr size, u32 flags);
Value lsm_get_self_attr(Task&, u32 attribute, UserAddr to, UserAddr size, u32 flags);
Value lsm_set_self_attr(Task&, u32 attribute, UserAddr from, u32 size, u32 flags);
// landlock.cpp
Value landlock_create_ruleset(Task&, UserAddr from, u64 size, u32 flags);
Value landlock_add_rule(Task&, Fd, int kind, UserAddr rule, u32 flags);
Value landlock_restrict_self(Task&, Fd, u32 flags);
// mount_report.cpp
Value statmount(Task&, UserAddr request, UserAddr to, u64 size, u32 flags);
Value listmount(Task&, UserAddr request, UserOut<u64> ids, u64 count, u32 flags);
// mount_object.cpp
Value fsopen(Task&, UserStr type, u32 flags);
Value fspick(Task&, Fd dir, UserStr path, u32 flags);
Value fsconfig(Task&, Fd, u32 command, UserAddr key, UserAddr value, int more);
Value fsmount(Task&, Fd, u32 flags, u32 wanted);
Value open_tree(Task&, Fd dir, UserStr path, u32 flags);
Value move_mount(Task&, Fd from_dir, UserStr from, Fd to_dir, UserStr to, u32 flags);
Value mount_setattr(Task&, Fd dir, UserStr path, u32 flags, UserAddr at, u64 size);
// pidfd.cpp
Value pidfd_open(Task&, int pid, u32 flags);
Value pidfd_getfd(Task&, Fd, int number, u32 flags);
Value pidfd_send_signal(Task&, Fd, u32 signal, UserAddr info, u32 flags);
Value process_mrelease(Task&, Fd, u32 flags);
// kcmp.cpp
Value kcmp(Task&, int first, int second, int kind, u64 a, u64 b);

// vector.cpp
Value readv(Task&, Fd, UserAddr vector, u64 count);
Value writev(Task&, Fd, UserAddr vector, u64 count);
Value preadv(Task&, Fd, UserAddr vector, u64 count, i64 offset);
Value pwritev(Task&, Fd, UserAddr vector, u64 count, i64 offset);
Value preadv2(Task&, Fd, UserAddr vector, u64 count, i64 offset, u64 high, u32 flags);
Value pwritev2(Task&, Fd, UserAddr vector, u64 count, i64 offset, u64 high, u32 flags);

// splice.cpp
Value splice(Task&, Fd from, UserAddr from_offset, Fd to, UserAddr to_offset, u64 size, u32 flags);
Value tee(Task&, Fd from, Fd to, u64 size, u32 flags);
Value vmsplice(Task&, Fd, UserAddr vector, u64 count, u32 flags);
Value sendfile(Task&, Fd to, Fd from, UserAddr offset, u64 count);
Value copy_file_range(Task&, Fd from, UserAddr from_offset, Fd to, UserAddr to_offset, u64 size,
                      u32 flags);

// xattr.cpp
Value setxattr(Task&, UserStr path, UserStr name, UserAddr value, u64 size, u32 flags);
Value lsetxattr(Task&, UserStr path, UserStr name, UserAddr value, u64 size, u32 flags);
Value fsetxattr(Task&, Fd, UserStr name, UserAddr value, u64 size, u32 flags);
Value getxattr(Task&, UserStr path, UserStr name, UserAddr value, u64 size);
Value lgetxattr(Task&, UserStr path, UserStr name, UserAddr value, u64 size);
Value fgetxattr(Task&, Fd, UserStr name, UserAddr value, u64 size);
Value listxattr(Task&, UserStr path, UserAddr list, u64 size);
Value llistxattr(Task&, UserStr path, UserAddr list, u64 size);
Value flistxattr(Task&, Fd, UserAddr list, u64 size);
Value removexattr(Task&, UserStr path, UserStr name);
Value lremovexattr(Task&, UserStr path, UserStr name);
Value fremovexattr(Task&, Fd, UserStr name);

// path.cpp
Value open(Task&, UserStr path, u32 flags, u32 mode);
Value openat(Task&, Fd dir, UserStr path, u32 flags, u32 mode);
Value creat(Task&, UserStr path, u32 mode);
Value mkdir(Task&, UserStr path, u32 mode);
Value mkdirat(Task&, Fd dir, UserStr path, u32 mode);
Value rmdir(Task&, UserStr path);
Value mknod(Task&, UserStr path, u32 mode, u32 device);
Value mknodat(Task&, Fd dir, UserStr path, u32 mode, u32 device);
Value unlink(Task&, UserStr path);
Value unlinkat(Task&, Fd dir, UserStr path, int flags);
Value rename(Task&, UserStr from, UserStr to);
Value renameat(Task&, Fd from_dir, UserStr from, Fd to_dir, UserStr to);
Value renameat2(Task&, Fd from_dir, UserStr from, Fd to_dir, UserStr to, u32 flags);
Value link(Task&, UserStr from, UserStr to);
Value linkat(Task&, Fd from_dir, UserStr from, Fd to_dir, UserStr to, int flags);
Value symlink(Task&, UserStr target, UserStr path);
Value symlinkat(Task&, UserStr target, Fd dir, UserStr path);
Value truncate(Task&, UserStr path, i64 size);
Value chdir(Task&, UserStr path);
Value fchdir(Task&, Fd);
Value chroot(Task&, UserStr path);
Value getcwd(Task&, UserAddr buffer, u64 size);
Value umask(Task&, u32 mask);
Value openat2(Task&, Fd dir, UserStr path, UserAddr arguments, u64 size);

// handle.cpp
Value name_to_handle_at(Task&, Fd dir, UserStr path, UserAddr handle, UserAddr mount_id, u32 flags);
Value open_by_handle_at(Task&, Fd mount, UserAddr handle, u32 flags);

// accounting.cpp
Value acct(Task&, UserStr path);

// quota.cpp
Value quotactl(Task&, u32 word, UserStr special, u32, UserAddr);
Value quotactl_fd(Task&, Fd fd, u32 word, u32, UserAddr);

// mount.cpp
Value mount(Task&, UserStr source, UserStr target, UserStr type, u64 flags, UserAddr data);
Value umount2(Task&, UserStr target, u32 flags);
Value pivot_root(Task&, UserStr new_root, UserStr put_old);
Value setns(Task&, Fd, u32 kinds);
Value unshare(Task&, u64 flags);

// attributes.cpp
Value stat(Task&, UserStr path, UserOut<uapi::stat> out);
Value lstat(Task&, UserStr path, UserOut<uapi::stat> out);
Value fstat(Task&, Fd, UserOut<uapi::stat> out);
Value newfstatat(Task&, Fd dir, UserStr path, UserOut<uapi::stat> out, int flags);
Value statx(Task&, Fd dir, UserStr path, int flags, u32 mask, UserOut<uapi::statx> out);
Value statfs(Task&, UserStr path, UserOut<uapi::statfs> out);
Value fstatfs(Task&, Fd, UserOut<uapi::statfs> out);
Value access(Task&, UserStr path, u32 mode);
Value faccessat(Task&, Fd dir, UserStr path, u32 mode);
Value faccessat2(Task&, Fd dir, UserStr path, u32 mode, int flags);
Value readlink(Task&, UserStr path, UserAddr buffer, int size);
Value readlinkat(Task&, Fd dir, UserStr path, UserAddr buffer, int size);
Value chmod(Task&, UserStr path, u32 mode);
Value fchmodat2(Task&, Fd dir, UserStr path, u32 mode, int flags);
Value fchmod(Task&, Fd, u32 mode);
Value fchmodat(Task&, Fd dir, UserStr path, u32 mode);
Value chown(Task&, UserStr path, u32 uid, u32 gid);
Value lchown(Task&, UserStr path, u32 uid, u32 gid);
Value fchown(Task&, Fd, u32 uid, u32 gid);
Value fchownat(Task&, Fd dir, UserStr path, u32 uid, u32 gid, int flags);
Value utimensat(Task&, Fd dir, UserStr path, UserAddr times, int flags);
Value futimesat(Task&, Fd dir, UserStr path, UserAddr times);
Value utimes(Task&, UserStr path, UserAddr times);
Value utime(Task&, UserStr path, UserAddr times);
Value getdents64(Task&, Fd, UserAddr buffer, u32 size);
Value getdents(Task&, Fd, UserAddr buffer, u32 size);

// memory.cpp
Value brk(Task&, UserAddr end);
Value mmap(Task&, UserAddr at, u64 size, u64 protection, u64 flags, Fd fd, u64 offset);
Value munmap(Task&, UserAddr at, u64 size);
Value mprotect(Task&, UserAddr at, u64 size, u64 protection);
Value pkey_mprotect(Task&, UserAddr at, u64 size, u64 protection, int key);
Value pkey_alloc(Task&, u64 flags, u64 rights);
Value pkey_free(Task&, int key);
Value mseal(Task&, UserAddr at, u64 size, u64 flags);
Value mremap(Task&, UserAddr at, u64 size, u64 new_size, u64 flags, UserAddr to);
Value remap_file_pages(Task&, UserAddr at, u64 size, u64 protection, u64 page_offset, u64 flags);
Value madvise(Task&, UserAddr at, u64 size, int advice);
Value msync(Task&, UserAddr at, u64 size, int flags);
Value mincore(Task&, UserAddr at, u64 size, UserAddr out);
Value mlock(Task&, UserAddr at, u64 size);
Value mlock2(Task&, UserAddr at, u64 size, int flags);
Value munlock(Task&, UserAddr at, u64 size);
Value mlockall(Task&, int flags);
Value munlockall(Task&);

// other_memory.cpp
Value process_vm_readv(Task&, int pid, UserAddr own, u64 own_count, UserAddr theirs,
                       u64 their_count, u64 flags);
Value process_vm_writev(Task&, int pid, UserAddr own, u64 own_count, UserAddr theirs,
                        u64 their_count, u64 flags);
Value process_madvise(Task&, Fd, UserAddr vector, u64 count, int advice, u32 flags);

// process.cpp
Value fork(Task&);
Value vfork(Task&);
Value clone(Task&, u64 flags, UserAddr stack, UserAddr parent_tid, UserAddr child_tid, u64 tls);
Value clone3(Task&, UserAddr args, u64 size);
Value execve(Task&, UserStr path, UserAddr arguments, UserAddr environment);
Value execveat(Task&, Fd dir, UserStr path, UserAddr arguments, UserAddr environment, int flags);
Value exit(Task&, int status);
Value exit_group(Task&, int status);
Value wait4(Task&, int pid, UserOut<u32> status, int options, UserOut<uapi::rusage> usage);
Value waitid(Task&, int which, int id, UserAddr info, int options, UserOut<uapi::rusage> usage);
Value getpid(Task&);
Value getppid(Task&);
Value gettid(Task&);
Value getpgrp(Task&);
Value getpgid(Task&, int pid);
Value setpgid(Task&, int pid, int group);
Value getsid(Task&, int pid);
Value setsid(Task&);
Value set_tid_address(Task&, UserAddr at);
Value set_robust_list(Task&, UserAddr head, u64 size);
Value get_robust_list(Task&, int tid, UserOut<u64> head, UserOut<u64> size);
Value rseq(Task&, UserAddr at, u32 size, int flags, u32 signature);
Value getcpu(Task&, UserOut<u32> cpu, UserOut<u32> node);

// scheduling.cpp
Value sched_yield(Task&);
Value sched_getaffinity(Task&, int pid, u32 size, UserAddr mask);
Value sched_setaffinity(Task&, int pid, u32 size, UserAddr mask);
Value sched_setscheduler(Task&, int pid, int policy, UserIn<uapi::sched_param> param);
Value sched_getscheduler(Task&, int pid);
Value sched_setparam(Task&, int pid, UserIn<uapi::sched_param> param);
Value sched_getparam(Task&, int pid, UserOut<uapi::sched_param> param);
Value sched_setattr(Task&, int pid, UserAddr attr, u32 flags);
Value sched_getattr(Task&, int pid, UserAddr attr, u32 size, u32 flags);
Value sched_get_priority_max(Task&, int policy);
Value sched_get_priority_min(Task&, int policy);
Value sched_rr_get_interval(Task&, int pid, UserOut<uapi::kernel_timespec> interval);

// nice.cpp
Value getpriority(Task&, int which, int who);
Value setpriority(Task&, int which, int who, int nice);

// io_priority.cpp
Value ioprio_set(Task&, int which, int who, int priority);
Value ioprio_get(Task&, int which, int who);

// prctl.cpp
Value prctl(Task&, int option, u64 a, u64 b, u64 c, u64 d);

// capability.cpp
Value capget(Task&, UserAddr header, UserAddr data);
Value capset(Task&, UserAddr header, UserAddr data);

// personality.cpp
Value personality(Task&, u32 persona);

// membarrier.cpp
Value membarrier(Task&, int command, u32 flags, int cpu);

// identity.cpp
Value getuid(Task&);
Value geteuid(Task&);
Value getgid(Task&);
Value getegid(Task&);
Value getresuid(Task&, UserOut<u32> real, UserOut<u32> effective, UserOut<u32> saved);
Value getresgid(Task&, UserOut<u32> real, UserOut<u32> effective, UserOut<u32> saved);
Value setuid(Task&, u32 id);
Value setgid(Task&, u32 id);
Value setreuid(Task&, u32 real, u32 effective);
Value setregid(Task&, u32 real, u32 effective);
Value setresuid(Task&, u32 real, u32 effective, u32 saved);
Value setresgid(Task&, u32 real, u32 effective, u32 saved);
Value setfsuid(Task&, u32 id);
Value setfsgid(Task&, u32 id);
Value getgroups(Task&, int size, UserAddr list);
Value setgroups(Task&, int size, UserAddr list);

// limits.cpp
Value getrlimit(Task&, u32 resource, UserOut<uapi::rlimit64> out);
Value setrlimit(Task&, u32 resource, UserIn<uapi::rlimit64> in);
Value prlimit64(Task&, int pid, u32 resource, UserIn<uapi::rlimit64> in,
                UserOut<uapi::rlimit64> out);
Value getrusage(Task&, int who, UserOut<uapi::rusage> out);
Value times(Task&, UserAddr out);
Value uname(Task&, UserOut<uapi::new_utsname> out);
Value sethostname(Task&, UserAddr name, int size);
Value setdomainname(Task&, UserAddr name, int size);
Value sysinfo(Task&, UserOut<uapi::sysinfo> out);
Value syslog(Task& me, int action, UserAddr buffer, int size);
Value getrandom(Task&, UserAddr buffer, u64 size, u32 flags);
Value reboot(Task&, u32 magic1, u32 magic2, u32 command, UserAddr arg);

// signal.cpp
Value rt_sigaction(Task&, u32 signal, UserIn<uapi::kernel_sigaction> in,
                   UserOut<uapi::kernel_sigaction> out, u64 set_size);
Value rt_sigprocmask(Task&, int how, UserIn<u64> in, UserOut<u64> out, u64 set_size);
Value rt_sigpending(Task&, UserOut<u64> out, u64 set_size);
Value rt_sigsuspend(Task&, UserIn<u64> mask, u64 set_size);
Value rt_sigtimedwait(Task&, UserIn<u64> set, UserAddr info, UserAddr timeout, u64 set_size);
Value rt_sigqueueinfo(Task&, int pid, u32 signal, UserAddr info);
Value rt_tgsigqueueinfo(Task&, int group, int tid, u32 signal, UserAddr info);
Value rt_sigreturn(Task&);
Value sigaltstack(Task&, UserIn<uapi::stack_t> in, UserOut<uapi::stack_t> out);
Value kill(Task&, int pid, u32 signal);
Value tkill(Task&, int tid, u32 signal);
Value tgkill(Task&, int group, int tid, u32 signal);
Value pause(Task&);

// clock.cpp
Value clock_gettime(Task&, int clock, UserOut<uapi::kernel_timespec> out);
Value clock_settime(Task&, int clock, UserIn<uapi::kernel_timespec> in);
Value clock_getres(Task&, int clock, UserOut<uapi::kernel_timespec> out);
Value gettimeofday(Task&, UserAddr time, UserAddr zone);
Value settimeofday(Task&, UserAddr time, UserAddr zone);
Value adjtimex(Task&, UserAddr address);
Value clock_adjtime(Task&, int clock, UserAddr address);
Value time(Task&, UserOut<i64> out);
Value nanosleep(Task&, UserIn<uapi::kernel_timespec> want, UserAddr rest);
Value clock_nanosleep(Task&, int clock, int flags, UserIn<uapi::kernel_timespec> want,
                      UserAddr rest);
Value restart_syscall(Task&);
Value alarm(Task&, u32 seconds);
Value getitimer(Task&, int which, UserAddr out);
Value setitimer(Task&, int which, UserAddr in, UserAddr out);

// futex.cpp
Value futex(Task&, UserAddr word, int operation, u32 value, u64 timeout, UserAddr word2,
            u32 value3);
Value futex_waitv(Task&, UserAddr waits, u32 count, u32 flags, UserAddr timeout, int clock);
Value futex_wake(Task&, UserAddr word, u64 mask, int count, u32 flags);
Value futex_wait(Task&, UserAddr word, u64 value, u64 mask, u32 flags, UserAddr timeout, int clock);
Value futex_requeue(Task&, UserAddr waits, u32 flags, int wake, int move);

// timer.cpp
Value timer_create(Task&, int clock, UserIn<uapi::sigevent> event, UserOut<u32> out);
Value timer_settime(Task&, u32 id, u32 flags, UserIn<uapi::itimerspec> in,
                    UserOut<uapi::itimerspec> out);
Value timer_gettime(Task&, u32 id, UserOut<uapi::itimerspec> out);
Value timer_getoverrun(Task&, u32 id);
Value timer_delete(Task&, u32 id);

// poll.cpp
Value poll(Task&, UserAddr fds, u32 count, int timeout_ms);
Value ppoll(Task&, UserAddr fds, u32 count, UserAddr timeout, UserIn<u64> mask, u64 set_size);
Value select(Task&, int count, UserAddr in, UserAddr out, UserAddr except, UserAddr timeout);
Value pselect6(Task&, int count, UserAddr in, UserAddr out, UserAddr except, UserAddr timeout,
               UserAddr mask);
Value epoll_create(Task&, int size);
Value epoll_create1(Task&, u32 flags);
Value epoll_ctl(Task&, Fd epoll, int operation, Fd fd, UserIn<uapi::epoll_event> in);
Value epoll_wait(Task&, Fd epoll, UserAddr events, int most, int timeout_ms);
Value epoll_pwait(Task&, Fd epoll, UserAddr events, int most, int timeout_ms, UserIn<u64> mask,
                  u64 set_size);
Value epoll_pwait2(Task&, Fd epoll, UserAddr events, int most, UserAddr timeout, UserIn<u64> mask,
                   u64 set_size);
Value inotify_init(Task&);
Value inotify_init1(Task&, u32 flags);
Value inotify_add_watch(Task&, Fd, UserStr path, u32 mask);
Value inotify_rm_watch(Task&, Fd, int number);

// lock.cpp
Value flock(Task&, Fd, int operation);

// socket.cpp, socket_option.cpp
Value socket(Task&, u32 family, u32 type, u32 protocol);
Value socketpair(Task&, u32 family, u32 type, u32 protocol, UserAddr out);
Value bind(Task&, Fd fd, UserAddr at, u32 size);
Value connect(Task&, Fd fd, UserAddr at, u32 size);
Value listen(Task&, Fd fd, int backlog);
Value accept(Task&, Fd fd, UserAddr at, UserAddr length);
Value accept4(Task&, Fd fd, UserAddr at, UserAddr length, u32 flags);
Value getsockname(Task&, Fd fd, UserAddr at, UserAddr length);
Value getpeername(Task&, Fd fd, UserAddr at, UserAddr length);
Value sendto(Task&, Fd fd, UserAddr bytes, u64 size, u32 flags, UserAddr at, u32 address_size);
Value recvfrom(Task&, Fd fd, UserAddr bytes, u64 size, u32 flags, UserAddr at, UserAddr length);
Value sendmsg(Task&, Fd fd, UserAddr at, u32 flags);
Value recvmsg(Task&, Fd fd, UserAddr at, u32 flags);
Value sendmmsg(Task&, Fd fd, UserAddr at, u32 count, u32 flags);
Value recvmmsg(Task&, Fd fd, UserAddr at, u32 count, u32 flags,
               core::UserIn<uapi::kernel_timespec> timeout);
Value shutdown(Task&, Fd fd, int how);
Value setsockopt(Task&, Fd fd, int level, int option, UserAddr at, u32 size);
Value getsockopt(Task&, Fd fd, int level, int option, UserAddr at, UserAddr length);

// event.cpp
Value eventfd(Task&, u32 count);
Value eventfd2(Task&, u32 count, u32 flags);
Value timerfd_create(Task&, int clock, u32 flags);
Value timerfd_settime(Task&, Fd, u32 flags, UserIn<uapi::itimerspec> in,
                      UserOut<uapi::itimerspec> out);
Value timerfd_gettime(Task&, Fd, UserOut<uapi::itimerspec> out);
Value signalfd(Task&, Fd, UserIn<u64> mask, u64 set_size);
Value signalfd4(Task&, Fd, UserIn<u64> mask, u64 set_size, u32 flags);

// isa/calls.cpp
Value arch_prctl(Task&, int option, u64 arg);
Value iopl(Task&, u32 level);
Value ioperm(Task&, u64 first, u64 count, int allow);
Value modify_ldt(Task&, int what, UserAddr at, u64 size);
Value map_shadow_stack(Task&, UserAddr at, u64 size, u32 flags);

}  // namespace auk::syscall::calls
