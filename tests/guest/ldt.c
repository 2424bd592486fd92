// Segments of a program's own: modify_ldt(2), and what the kernel does with them.
#include "ktap.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <ucontext.h>

enum { READ = 0, WRITE_OLD = 1, READ_DEFAULTS = 2, WRITE = 0x11 };
enum { DATA = 0, STACK_DOWN = 1, CODE = 2, CONFORMING = 3 };
#define ENTRIES 8192
#define SELECTOR(index) ((uint16_t)((index) << 3 | 7))

// The call gives an int of 32 bits: no errno.
static int ldt(int what, void* at, unsigned long size) {
  return (int)SYS(modify_ldt, what, at, size);
}
static struct user_desc desc(unsigned index, unsigned base, unsigned limit, unsigned contents) {
  return (struct user_desc){.entry_number = index,
                            .base_addr = base,
                            .limit = limit,
                            .seg_32bit = 1,
                            .contents = contents,
                            .limit_in_pages = 1,
                            .useable = 1};
}
static int put(struct user_desc d) { return ldt(WRITE, &d, sizeof d); }
static int drop(unsigned index) {
  return put((struct user_desc){.entry_number = index, .read_exec_only = 1, .seg_not_present = 1});
}
static uint64_t entry(unsigned index) {
  static uint64_t all[ENTRIES];
  return ldt(READ, all, sizeof all) > 0 ? all[index] : 0;
}

static uint64_t access_of(uint16_t selector) {
  uint64_t bits = 0;
  __asm__ volatile("lar %1, %0\n jz 1f\n xor %k0, %k0\n1:"
                   : "=&r"(bits)
                   : "r"((uint64_t)selector)
                   : "cc");
  return bits;
}
static uint64_t limit_of(uint16_t selector) {
  uint64_t limit = 0;
  __asm__ volatile("lsl %1, %0\n jz 1f\n mov $-1, %0\n1:"
                   : "=&r"(limit)
                   : "r"((uint64_t)selector)
                   : "cc");
  return limit;
}
#define SET(segment, value) __asm__ volatile("movl %0, %%" #segment ::"r"((unsigned)(value)))
#define GET(segment)                                                                               \
  ({                                                                                               \
    unsigned value_;                                                                               \
    __asm__ volatile("movl %%" #segment ", %0" : "=r"(value_));                                    \
    value_;                                                                                        \
  })
#define AT_GS(offset)                                                                              \
  ({                                                                                               \
    uint32_t value_;                                                                               \
    __asm__ volatile("movl %%gs:%1, %0" : "=r"(value_) : "m"(*(uint32_t*)(offset)));               \
    value_;                                                                                        \
  })

static char* low_page(size_t size) {
  char* const page = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  NEED((long)page);
  return page;
}
static unsigned low(void* p) { return (unsigned)(uintptr_t)p; }

// What a program that is asked for it finds at its start.
__attribute__((constructor)) static void show_selectors(int argc, char** argv) {
  if (argc != 2 || strcmp(argv[1], "--selectors") != 0) return;
  uint64_t first = 0;
  bool const none = (GET(ds) | GET(es) | GET(fs) | GET(gs)) == 0 && ldt(READ, &first, 8) == 0;
  _exit(none ? 42 : 43);
}

TEST(answers) {
  char bytes[256];
  memset(bytes, 1, sizeof bytes);
  IS(ldt(READ, bytes, sizeof bytes), 0);
  IS(ldt(READ, BAD_POINTER, sizeof bytes), 0);
  IS(bytes[0], 1);
  IS(ldt(READ_DEFAULTS, bytes, 10), 10);
  IS(bytes[9], 0);
  IS(bytes[10], 1);
  IS(ldt(READ_DEFAULTS, bytes, sizeof bytes), 128);
  IS(bytes[127], 0);
  IS(bytes[128], 1);
  IS(ldt(READ_DEFAULTS, BAD_POINTER, 8), -EFAULT);
  IS(ldt(READ_DEFAULTS, BAD_POINTER, 0), 0);
  IS(ldt(3, bytes, 16), -ENOSYS);
  IS(ldt(-1, bytes, 16), -ENOSYS);
  IS(SYS(modify_ldt, 3, bytes, 16), (unsigned)-ENOSYS);
  struct user_desc d = desc(0, 0, 0xfffff, DATA);
  IS(ldt(WRITE, &d, sizeof d - 1), -EINVAL);
  IS(ldt(WRITE, &d, sizeof d + 1), -EINVAL);
  IS(ldt(WRITE, BAD_POINTER, sizeof d), -EFAULT);
  IS(ldt(WRITE, BAD_POINTER, 1), -EINVAL);
  IS(put(desc(ENTRIES, 0, 1, DATA)), -EINVAL);
  IS(put(desc(-1U, 0, 1, DATA)), -EINVAL);
  IS(put(desc(0, 0, 1, CONFORMING)), -EINVAL);
  d = desc(1, 0, 1, CONFORMING);
  d.seg_not_present = 1;
  IS(ldt(WRITE_OLD, &d, sizeof d), -EINVAL);
  IS(ldt(READ, bytes, sizeof bytes), 0);
  IS(put(d), 0);
  IS(ldt(READ, bytes, 4), 4);
  IS(ldt(READ, bytes, sizeof bytes), 256);
  IS(bytes[16], 0);
  IS(bytes[255], 0);
  IS(ldt(READ, BAD_POINTER, 8), -EFAULT);
  IS(ldt(READ, BAD_POINTER, 0), 0);
}

TEST(entries) {
  IS(put(desc(5, 0x12345678, 0xabcde, DATA)), 0);
  OK(entry(5) == 0x12daf3345678bcde);
  OK(entry(4) == 0);
  IS(put(desc(0, 0, 0xfffff, CODE)), 0);
  OK(entry(0) == 0x00dffb000000ffff);
  OK(entry(5) == 0x12daf3345678bcde);
  struct user_desc d = desc(0, 0xffffffff, 0, STACK_DOWN);
  d.read_exec_only = 1;
  d.limit_in_pages = d.useable = 0;
  d.seg_not_present = 1;
  IS(put(d), 0);
  OK(entry(0) == 0xff4075ffffff0000);
  // The old form knows no useable bit, and empties by base and limit alone.
  d = desc(0, 4, 4, DATA);
  IS(ldt(WRITE_OLD, &d, sizeof d), 0);
  OK(entry(0) == 0x00c0f30000040004);
  d = desc(0, 0, 0, DATA);
  IS(ldt(WRITE_OLD, &d, sizeof d), 0);
  OK(entry(0) == 0);
  IS(put(d), 0);
  OK(entry(0) == 0x00d0f30000000000);
  IS(drop(0), 0);
  OK(entry(0) == 0);
  d = (struct user_desc){.read_exec_only = 1, .seg_not_present = 1, .lm = 1, .seg_32bit = 1};
  IS(put(d), 0);
  OK(entry(0) == 0x0040710000000000);
  static uint64_t all[ENTRIES + 1];
  all[ENTRIES] = 1;
  IS(put(desc(ENTRIES - 1, 0, 1, DATA)), 0);
  IS(ldt(READ, all, sizeof all), (long)sizeof all - 8);
  OK(all[ENTRIES - 1] == 0x00d0f30000000001);
  IS(all[ENTRIES], 1);
  IS(drop(ENTRIES - 1), 0);
  IS(ldt(READ, all, sizeof all), (long)sizeof all - 8);
}

TEST(what_the_processor_sees) {
  IS(limit_of(SELECTOR(0)), -1);
  IS(put(desc(0, 0, 0xfff, DATA)), 0);
  IS(limit_of(SELECTOR(0)), 0xffffff);
  IS(access_of(SELECTOR(0)), 0xd0f300);
  IS(limit_of(SELECTOR(1)), -1);
  IS(put(desc(1, 0, 0x10, CODE)), 0);
  IS(limit_of(SELECTOR(1)), 0x10fff);
  IS(access_of(SELECTOR(1)), 0xd0fb00);
  IS(drop(0), 0);
  IS(limit_of(SELECTOR(0)), -1);
  IS(limit_of(SELECTOR(1)), 0x10fff);
}

static void sleep_shortly(void) {
  struct timespec const t = {.tv_nsec = 2000000};
  nanosleep(&t, NULL);
}

TEST(data_segments) {
  uint32_t* const words = (uint32_t*)low_page(8192);
  words[0] = 100;
  words[3] = 103;
  words[1024] = 200;
  IS(put(desc(2, low(words), 0xfffff, DATA)), 0);
  IS(put(desc(3, low(words) + 4096, 0xfffff, DATA)), 0);
  SET(gs, SELECTOR(2));
  IS(AT_GS(0), 100);
  IS(AT_GS(12), 103);
  sleep_shortly();
  IS(GET(gs), SELECTOR(2));
  IS(AT_GS(0), 100);
  unsigned long base = 0;
  IS(SYS(arch_prctl, ARCH_GET_GS, &base), 0);
  IS(base, low(words));
  // What is in the register stays what it was.
  IS(put(desc(2, low(words) + 4096, 0xfffff, DATA)), 0);
  IS(AT_GS(0), 100);
  SET(gs, SELECTOR(2));
  IS(AT_GS(0), 200);
  SET(ds, SELECTOR(2));
  SET(es, SELECTOR(3));
  sleep_shortly();
  IS(GET(ds), SELECTOR(2));
  IS(GET(es), SELECTOR(3));
  // A base of its own is no segment's.
  IS(SYS(arch_prctl, ARCH_SET_GS, words), 0);
  IS(GET(gs), 0);
  IS(AT_GS(12), 103);
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    bool const same = GET(ds) == SELECTOR(2) && GET(es) == SELECTOR(3) && GET(gs) == 0;
    sleep_shortly();
    bool const sees = AT_GS(12) == 103 && entry(3) != 0;
    bool const changes = drop(3) == 0 && entry(3) == 0;
    _exit(same + 2 * sees + 4 * changes);
  }
  int status = 0;
  NEED(waitpid(child, &status, 0));
  IS(WEXITSTATUS(status), 7);
  OK(entry(3) != 0);
  SET(ds, 0);
  SET(es, 0x2b);
  sleep_shortly();
  IS(GET(ds), 0);
  IS(GET(es), 0x2b);
}

static atomic_int stage;
static atomic_int seen_selectors;

static void* other_thread(void* unused) {
  (void)unused;
  seen_selectors = (int)(GET(ds) | GET(es) | GET(gs));
  stage = 1;
  while (limit_of(SELECTOR(7)) != 0x7fff) {}
  stage = 2;
  while (limit_of(SELECTOR(7)) == 0x7fff) {}
  return NULL;
}

TEST(threads) {
  IS(put(desc(6, 0, 0xfffff, DATA)), 0);
  SET(es, SELECTOR(6));
  pthread_t thread;
  NEED(pthread_create(&thread, NULL, other_thread, NULL) == 0 ? 0 : -1);
  while (stage == 0) sched_yield();
  // A thread starts with its maker's.
  IS(seen_selectors, SELECTOR(6));
  IS(put(desc(7, 0, 7, DATA)), 0);
  while (stage == 1) sched_yield();
  IS(drop(7), 0);
  NEED(pthread_join(thread, NULL) == 0 ? 0 : -1);
  IS(GET(es), SELECTOR(6));
}

TEST(processes_do_not_share) {
  int hold[2];
  NEED(pipe(hold));
  pid_t children[8];
  for (int i = 0; i < 8; ++i) {
    children[i] = (pid_t)NEED(fork());
    if (children[i] != 0) continue;
    uint32_t* const word = (uint32_t*)low_page(4096);
    *word = 1000U + (unsigned)i;
    int right = put(desc((unsigned)i, low(word), 0, DATA)) == 0;
    SET(gs, SELECTOR(i));
    SET(ds, SELECTOR(i));
    for (int round = 0; round < 50; ++round) {
      sched_yield();
      if (round % 10 == 0) sleep_shortly();
      right &= AT_GS(0) == 1000U + (unsigned)i && GET(gs) == SELECTOR(i) && GET(ds) == SELECTOR(i);
      right &= limit_of(SELECTOR(i)) == 4095 && limit_of(SELECTOR(i + 1)) == -1UL;
    }
    _exit(right);
  }
  int sum = 0;
  for (int i = 0; i < 8; ++i) {
    int status = 0;
    NEED(waitpid(children[i], &status, 0));
    sum += status == 1 << 8;
  }
  IS(sum, 8);
  IS(entry(0), 0);
  IS(GET(ds), 0);
}

TEST(exec_begins_without) {
  IS(put(desc(0, 0, 0xfffff, DATA)), 0);
  SET(ds, SELECTOR(0));
  SET(es, SELECTOR(0));
  SET(gs, SELECTOR(0));
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    execl("/proc/self/exe", "ldt", "--selectors", NULL);
    _exit(99);
  }
  int status = 0;
  NEED(waitpid(child, &status, 0));
  IS(WEXITSTATUS(status), 42);
}

// --- code of 32 bits -------------------------------------------------------------------------

// 32 bits: eax *= 2 by way of the stack; then back by a far jump.
static unsigned char const code32[] = {
    0x50,                             // push %eax
    0x01, 0x04, 0x24,                 // add %eax, (%esp)
    0x58,                             // pop %eax
    0x90,                             // nop, or what a test puts here
    0x90,                             //
    0xea, 0,    0,    0, 0, 0x33, 0,  // ljmp $0x33, $back
};
enum { PLACE = 5, BACK_ADDRESS = 8 };
// 64 bits: the old stack, and return.
static unsigned char const code64[] = {
    0x4c, 0x89, 0xc4,  // mov %r8, %rsp
    0xc3,              // ret
};

static char* program32(void) {
  char* const page = low_page(8192);
  memcpy(page, code32, sizeof code32);
  memcpy(page + 64, code64, sizeof code64);
  unsigned const back = low(page + 64);
  memcpy(page + BACK_ADDRESS, &back, 4);
  return page;
}

struct far {
  uint32_t offset;
  uint16_t selector;
} __attribute__((packed));
unsigned jump_far(unsigned value, struct far const* target, char* stack);
__asm__(".text\n"
        "jump_far:\n"
        "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "lea 1f(%rip), %rax\n"
        "push %rax\n"
        "mov %rsp, %r8\n"
        "mov %edi, %eax\n"
        "mov %rdx, %rsp\n"
        "ljmpl *(%rsi)\n"
        "1: pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
        "ret\n");

// The value comes back in eax.
static unsigned run32(char* page, unsigned entry, uint16_t code, unsigned value) {
  struct far const target = {entry, code};
  return jump_far(value, &target, page + 8192 - 64);
}

TEST(code_of_32_bits) {
  char* const page = program32();
  IS(put(desc(0, 0, 0xfffff, CODE)), 0);
  IS(run32(page, low(page), SELECTOR(0), 21), 42);
  // Of Linux's own there is one.
  IS(run32(page, low(page), 0x23, 5), 10);
  // Addresses are relative to the segment.
  IS(put(desc(1, low(page), 1, CODE)), 0);
  IS(run32(page, 0, SELECTOR(1), 100), 200);
  // Interrupted often.
  struct itimerval const often = {{0, 2000}, {0, 2000}};
  signal(SIGALRM, SIG_IGN);
  NEED(setitimer(ITIMER_REAL, &often, NULL));
  int right = 0;
  for (int i = 0; i < 3000; ++i) right += run32(page, low(page), SELECTOR(0), 7) == 14;
  IS(right, 3000);
}

static volatile struct {
  int signal, code;
  long cs, ss, trap, error, flags, ip_is_low;
} got;
static volatile long next_cs, next_ss;
#define CS_OF(context) ((unsigned short)(context)->uc_mcontext.gregs[REG_CSGSFS])
#define SS_OF(context) ((unsigned short)((context)->uc_mcontext.gregs[REG_CSGSFS] >> 48))

static void choose(ucontext_t* context, long cs, long ss) {
  context->uc_mcontext.gregs[REG_CSGSFS] = (cs & 0xffff) | ss << 48;
}
static void note(int signal, siginfo_t* info, void* at) {
  ucontext_t* const context = at;
  got.signal = signal;
  got.code = info->si_code;
  got.cs = CS_OF(context);
  got.ss = SS_OF(context);
  got.trap = context->uc_mcontext.gregs[REG_TRAPNO];
  got.error = context->uc_mcontext.gregs[REG_ERR];
  got.flags = (long)context->uc_flags;
  got.ip_is_low = (uint64_t)context->uc_mcontext.gregs[REG_RIP] < 1UL << 31;
}
static void skip_two(int signal, siginfo_t* info, void* at) {
  note(signal, info, at);
  ((ucontext_t*)at)->uc_mcontext.gregs[REG_RIP] += 2;
  ((ucontext_t*)at)->uc_mcontext.gregs[REG_RAX] += 1000;
}
static void repair(int signal, siginfo_t* info, void* at) {
  note(signal, info, at);
  choose(at, 0x33, 0x2b);
}
static void spoil(int signal, siginfo_t* info, void* at) {
  (void)signal, (void)info;
  ucontext_t* const context = at;
  choose(context, next_cs, next_ss);
}
static char other_stack[65536];
static void handle(int signal, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction a = {.sa_flags = SA_SIGINFO | SA_ONSTACK, .sa_sigaction = handler};
  NEED(sigaction(signal, &a, NULL));
  stack_t const stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
  NEED(sigaltstack(&stack, NULL));
}

TEST(signals_in_code_of_32_bits) {
  char* const page = program32();
  memcpy(page + PLACE, "\x0f\x0b", 2);  // ud2
  IS(put(desc(0, 0, 0xfffff, CODE)), 0);
  handle(SIGILL, skip_two);
  IS(run32(page, low(page), SELECTOR(0), 21), 1042);
  IS(got.signal, SIGILL);
  IS(got.cs, SELECTOR(0));
  IS(got.ss, 0x2b);
  IS(got.trap, 6);
  OK(got.ip_is_low);
  // Which stack segment comes back is only asked for code of 64 bits.
  IS(got.flags & 6, 2);
  // A stack segment of its own, and what is left of it in a handler.
  IS(put(desc(1, 0, 0xfffff, DATA)), 0);
  SET(ss, SELECTOR(1));
  IS(run32(page, low(page), SELECTOR(0), 1), 1002);
  IS(got.ss, SELECTOR(1));
  IS(GET(ss), 0x2b);
}

TEST(stack_segments) {
  IS(put(desc(1, 0, 0xfffff, DATA)), 0);
  handle(SIGILL, skip_two);
  SET(ss, SELECTOR(1));
  __asm__ volatile("ud2" ::: "rax");
  IS(GET(ss), SELECTOR(1));
  IS(got.ss, SELECTOR(1));
  IS(got.cs, 0x33);
  IS(got.flags & 6, 6);
  SYS(getpid);
  IS(GET(ss), 0x2b);
}

// Returns from a handler with these selectors.
static void go_with(long cs, long ss) {
  next_cs = cs;
  next_ss = ss;
  got.signal = 0;
  raise(SIGUSR1);
}

TEST(selectors_that_are_none) {
  handle(SIGUSR1, spoil);
  handle(SIGSEGV, repair);
  handle(SIGBUS, repair);
  struct user_desc d = desc(0, 0, 0xfffff, CODE);
  d.seg_not_present = 1;
  IS(put(d), 0);
  d = desc(1, 0, 0xfffff, DATA);
  d.seg_not_present = 1;
  IS(put(d), 0);
  IS(put(desc(2, 0, 0xfffff, DATA)), 0);
  d = desc(3, 0, 0xfffff, DATA);
  d.read_exec_only = 1;
  IS(put(d), 0);
  struct {
    long cs, ss;
    int signal;
    long trap, error;
  } const tries[] = {
      {SELECTOR(0), 0x2b, SIGBUS, 11, SELECTOR(0) & ~3},
      {SELECTOR(2), 0x2b, SIGSEGV, 13, SELECTOR(2) & ~3},
      {SELECTOR(9), 0x2b, SIGSEGV, 13, SELECTOR(9) & ~3},
      {0, 0x2b, SIGSEGV, 13, 0},
      {3, 0x2b, SIGSEGV, 13, 0},
      {0x13, 0x2b, SIGSEGV, 13, 0x10},
      {0x2b, 0x2b, SIGSEGV, 13, 0x28},
      {0x43, 0x2b, SIGSEGV, 13, 0x40},
      {0xfffb, 0x2b, SIGSEGV, 13, 0xfff8},
      // A stack fault on CPUs, a segment that is not there on QEMU's.
      {0x33, SELECTOR(1), SIGBUS, 0, SELECTOR(1) & ~3},
      {0x33, SELECTOR(3), SIGSEGV, 13, SELECTOR(3) & ~3},
      {0x33, SELECTOR(9), SIGSEGV, 13, SELECTOR(9) & ~3},
      {0x33, 0, SIGSEGV, 13, 0},
      {0x33, 0x1b, SIGSEGV, 13, 0x18},
      {0x33, 0x33, SIGSEGV, 13, 0x30},
  };
  for (size_t i = 0; i < sizeof tries / sizeof *tries; ++i) {
    go_with(tries[i].cs, tries[i].ss);
    IS(got.signal, tries[i].signal);
    IS(got.code, SI_KERNEL);
    if (tries[i].trap != 0) IS(got.trap, tries[i].trap);
    IS(got.error, tries[i].error);
    IS(got.cs, tries[i].cs | 3);
    IS(got.ss, tries[i].ss | 3);
  }
  go_with(0x33, SELECTOR(2));
  IS(got.signal, 0);
}

// Behind a system call in which another had the CPU, the stack segment still is one.
static atomic_bool over;
static void* busy(void* unused) {
  while (!over) {}
  return unused;
}

TEST(code_of_32_bits_beside_a_busy_thread) {
  char* const page = program32();
  IS(put(desc(0, 0, 0xfffff, CODE)), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  NEED(sched_setaffinity(0, sizeof one, &one));
  pthread_t thread;
  NEED(pthread_create(&thread, NULL, busy, NULL) == 0 ? 0 : -1);
  int right = 0;
  for (int i = 0; i < 30; ++i) {
    if (i % 3 == 0) sleep_shortly();
    SYS(sched_yield);
    right += run32(page, low(page), SELECTOR(0), 4) == 8;
  }
  over = true;
  NEED(pthread_join(thread, NULL) == 0 ? 0 : -1);
  IS(right, 30);
}

// The segment goes while code runs in it: who was interrupted there cannot go back.
static void* drop_later(void* unused) {
  for (int i = 0; i < 5; ++i) sleep_shortly();
  drop(0);
  return unused;
}

TEST(code_that_goes) {
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    char* const page = program32();
    memcpy(page, "\xeb\xfe", 2);  // jmp .
    put(desc(0, 0, 0xfffff, CODE));
    struct rlimit const no_cores = {0};
    setrlimit(RLIMIT_CORE, &no_cores);
    pthread_t thread;
    pthread_create(&thread, NULL, drop_later, NULL);
    run32(page, low(page), SELECTOR(0), 0);
    _exit(0);
  }
  int status = 0;
  NEED(waitpid(child, &status, 0));
  IS(status, SIGSEGV);
}
