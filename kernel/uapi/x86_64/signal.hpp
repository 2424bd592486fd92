// Signals at the border: actions, sets, siginfo, and what a handler's frame holds.
// User pointers are plain 64-bit numbers; libc has macros for si_*, sa_handler and sa_sigaction, so
// those fields go without their prefix.
// Linux: <linux/signal.h>, <asm/sigcontext.h>, <asm/ucontext.h>, <linux/signalfd.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

// Bit n-1 stands for signal n.
struct sigset {        //= sigset_t
  std::uint64_t bits;  //= -
};
static_assert(sizeof(sigset) == 8);

struct kernel_sigaction {  //= sigaction
  std::uint64_t handler;   //= sa_handler
  std::uint64_t flags;     //= sa_flags
  std::uint64_t restorer;  //= sa_restorer
  std::uint64_t mask;      //= sa_mask
};
static_assert(sizeof(kernel_sigaction) == 32);
static_assert(std::has_unique_object_representations_v<kernel_sigaction>);

struct stack_t {
  std::uint64_t ss_sp;
  std::int32_t ss_flags;
  std::uint32_t pad;  //= -
  std::uint64_t ss_size;
};
static_assert(sizeof(stack_t) == 24);
static_assert(std::has_unique_object_representations_v<stack_t>);

union sigval {  //= sigval_t
  std::int32_t sival_int;
  std::uint64_t sival_ptr;
};

// Which member counts follows from signo and code.  Programs get the 128 bytes as they are, so a
// sender starts from `siginfo{}`: `raw` comes first to make that zero every byte of the union.
struct siginfo {       //= siginfo_t
  std::int32_t signo;  //= si_signo
  std::int32_t error;  //= si_errno
  std::int32_t code;   //= si_code
  std::uint32_t pad0;  //= -
  union {
    std::uint32_t raw[28];  //= -
    struct {
      std::int32_t pid;   //= _pid
      std::uint32_t uid;  //= _uid
    } kill;               //= _kill
    struct {
      std::int32_t tid;          //= _tid
      std::int32_t overrun;      //= _overrun
      sigval value;              //= _sigval
      std::int32_t sys_private;  //= _sys_private
    } timer;                     //= _timer
    struct {
      std::int32_t pid;   //= _pid
      std::uint32_t uid;  //= _uid
      sigval value;       //= _sigval
    } rt;                 //= _rt
    struct {
      std::int32_t pid;     //= _pid
      std::uint32_t uid;    //= _uid
      std::int32_t status;  //= _status
      std::uint32_t pad;    //= -
      std::int64_t utime;   //= _utime
      std::int64_t stime;   //= _stime
    } child;                //= _sigchld
    struct {
      std::uint64_t addr;  //= _addr
      union {
        std::int32_t trapno;    //= _trapno
        std::int16_t addr_lsb;  //= _addr_lsb
        struct {
          std::uint64_t pad;    //= -
          std::uint64_t lower;  //= _lower
          std::uint64_t upper;  //= _upper
        } bound;                //= _addr_bnd
        struct {
          std::uint32_t pad[2];  //= -
          std::uint32_t pkey;    //= _pkey
        } key;                   //= _addr_pkey
        struct {
          std::uint64_t data;   //= _data
          std::uint32_t type;   //= _type
          std::uint32_t flags;  //= _flags
        } perf;                 //= _perf
      } more;                   //= .
    } fault;                    //= _sigfault
    struct {
      std::int64_t band;  //= _band
      std::int32_t fd;    //= _fd
    } poll;               //= _sigpoll
    struct {
      std::uint64_t call_addr;  //= _call_addr
      std::int32_t syscall;     //= _syscall
      std::uint32_t arch;       //= _arch
    } sys;                      //= _sigsys
  } fields;                     //= _sifields*
};
static_assert(sizeof(siginfo) == 128);

struct sigevent {  //= sigevent_t
  sigval sigev_value;
  std::int32_t sigev_signo;
  std::int32_t sigev_notify;
  union {
    std::int32_t pad[12];  //= _pad
    std::int32_t tid;      //= _tid
    struct {
      std::uint64_t function;   //= _function
      std::uint64_t attribute;  //= _attribute
    } thread;                   //= _sigev_thread
  } un;                         //= _sigev_un
};
static_assert(sizeof(sigevent) == 64);

// The software-reserved bytes at the end of the legacy FPU image: they tell whether, and how much,
// XSAVE state follows it.
struct fpx_sw_bytes {  //= _fpx_sw_bytes
  std::uint32_t magic1;
  std::uint32_t extended_size;
  std::uint64_t xfeatures;
  std::uint32_t xstate_size;
  std::uint32_t padding[7];
};
static_assert(sizeof(fpx_sw_bytes) == 48);
static_assert(std::has_unique_object_representations_v<fpx_sw_bytes>);

// The FXSAVE image.
struct fpstate {  //= _fpstate_64
  std::uint16_t cwd;
  std::uint16_t swd;
  std::uint16_t twd;
  std::uint16_t fop;
  std::uint64_t rip;
  std::uint64_t rdp;
  std::uint32_t mxcsr;
  std::uint32_t mxcsr_mask;
  std::uint32_t st_space[32];
  std::uint32_t xmm_space[64];
  std::uint32_t reserved2[12];
  fpx_sw_bytes sw_reserved;
};
static_assert(sizeof(fpstate) == 512);
static_assert(std::has_unique_object_representations_v<fpstate>);

// The XSAVE header that follows it.
struct xstate_header {  //= _header
  std::uint64_t xfeatures;
  std::uint64_t reserved1[2];
  std::uint64_t reserved2[5];
};
static_assert(sizeof(xstate_header) == 64);

struct sigcontext {
  std::uint64_t r8;
  std::uint64_t r9;
  std::uint64_t r10;
  std::uint64_t r11;
  std::uint64_t r12;
  std::uint64_t r13;
  std::uint64_t r14;
  std::uint64_t r15;
  std::uint64_t rdi;
  std::uint64_t rsi;
  std::uint64_t rbp;
  std::uint64_t rbx;
  std::uint64_t rdx;
  std::uint64_t rax;
  std::uint64_t rcx;
  std::uint64_t rsp;
  std::uint64_t rip;
  std::uint64_t eflags;
  std::uint16_t cs;
  std::uint16_t gs;
  std::uint16_t fs;
  std::uint16_t ss;
  std::uint64_t err;
  std::uint64_t trapno;
  std::uint64_t oldmask;
  std::uint64_t cr2;
  std::uint64_t fpstate_ptr;  //= fpstate
  std::uint64_t reserved1[8];
};
static_assert(sizeof(sigcontext) == 256);
static_assert(std::has_unique_object_representations_v<sigcontext>);

struct ucontext {
  std::uint64_t uc_flags;
  std::uint64_t uc_link;
  stack_t uc_stack;
  sigcontext uc_mcontext;
  std::uint64_t uc_sigmask;
};
static_assert(sizeof(ucontext) == 304);
static_assert(std::has_unique_object_representations_v<ucontext>);

// What read(2) on a signalfd returns.
struct signalfd_siginfo {
  std::uint32_t ssi_signo;
  std::int32_t ssi_errno;
  std::int32_t ssi_code;
  std::uint32_t ssi_pid;
  std::uint32_t ssi_uid;
  std::int32_t ssi_fd;
  std::uint32_t ssi_tid;
  std::uint32_t ssi_band;
  std::uint32_t ssi_overrun;
  std::uint32_t ssi_trapno;
  std::int32_t ssi_status;
  std::int32_t ssi_int;
  std::uint64_t ssi_ptr;
  std::uint64_t ssi_utime;
  std::uint64_t ssi_stime;
  std::uint64_t ssi_addr;
  std::uint16_t ssi_addr_lsb;
  std::uint16_t pad2;  //= __pad2
  std::int32_t ssi_syscall;
  std::uint64_t ssi_call_addr;
  std::uint32_t ssi_arch;
  std::uint8_t pad[28];  //= __pad
};
static_assert(sizeof(signalfd_siginfo) == 128);
static_assert(std::has_unique_object_representations_v<signalfd_siginfo>);

}  // namespace uapi
