// userfaultfd(2): pages that the program fills itself.
#include <linux/userfaultfd.h>
#include <pthread.h>

#include "ktap.h"

#define PAGE 4096L

static char source[4 * PAGE] __attribute__((aligned(PAGE)));

static int open_one(int flags) {
  int const fd = (int)SYS(userfaultfd, flags);
  if (fd < 0) return fd;
  struct uffdio_api api = {.api = UFFD_API};
  return ioctl(fd, UFFDIO_API, &api) == 0 ? fd : -1;
}

static int watch(int fd, void* at, long size) {
  struct uffdio_register r = {{(uint64_t)at, (uint64_t)size}, UFFDIO_REGISTER_MODE_MISSING, 0};
  return ioctl(fd, UFFDIO_REGISTER, &r);
}

static int copy(int fd, void* to, long size, uint64_t mode, int64_t* done) {
  struct uffdio_copy c = {(uint64_t)to, (uint64_t)source, (uint64_t)size, mode, 0};
  int const r = ioctl(fd, UFFDIO_COPY, &c);
  if (done) *done = c.copy;
  return r;
}

static int zero(int fd, void* to, long size) {
  struct uffdio_zeropage z = {{(uint64_t)to, (uint64_t)size}, 0, 0};
  return ioctl(fd, UFFDIO_ZEROPAGE, &z);
}

static int wake(int fd, void* at, long size) {
  struct uffdio_range r = {(uint64_t)at, (uint64_t)size};
  return ioctl(fd, UFFDIO_WAKE, &r);
}

static int unwatch(int fd, void* at, long size) {
  struct uffdio_range r = {(uint64_t)at, (uint64_t)size};
  return ioctl(fd, UFFDIO_UNREGISTER, &r);
}

static char* pages(int count) {
  char* const at = mmap(NULL, (size_t)(count * PAGE), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) ktap_give_up("pages");
  return at;
}

TEST(agreeing) {
  FAILS(SYS(userfaultfd, 2), EINVAL);
  FAILS(SYS(userfaultfd, O_APPEND), EINVAL);
  int const fd = (int)WORKS(SYS(userfaultfd, O_CLOEXEC | O_NONBLOCK));
  IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
  IS(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  char name[64] = "", path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  NEED(readlink(path, name, sizeof name - 1));
  IS(strcmp(name, "anon_inode:[userfaultfd]"), 0);
  // Nothing works before it.
  struct uffd_msg message;
  FAILS(read(fd, &message, sizeof message), EINVAL);
  FAILS(wake(fd, source, PAGE), EINVAL);
  struct pollfd p = {fd, POLLIN, 0};
  IS(poll(&p, 1, 0), 1);
  IS(p.revents, POLLERR);
  struct uffdio_api api = {.api = 1};
  FAILS(ioctl(fd, UFFDIO_API, &api), EINVAL);
  IS(api.api, 0);
  api = (struct uffdio_api){.api = UFFD_API, .features = 1ULL << 62};
  FAILS(ioctl(fd, UFFDIO_API, &api), EINVAL);
  IS(api.features, 0);
  FAILS(ioctl(fd, UFFDIO_API, BAD_POINTER), EFAULT);
  api = (struct uffdio_api){.api = UFFD_API, .features = UFFD_FEATURE_THREAD_ID};
  WORKS(ioctl(fd, UFFDIO_API, &api));
  IS(api.api, UFFD_API);
  OK((api.features & UFFD_FEATURE_THREAD_ID) != 0);
  OK((api.features & UFFD_FEATURE_MISSING_SHMEM) != 0);
  OK((api.features & UFFD_FEATURE_SIGBUS) != 0);
  OK((api.ioctls & (1ULL << _UFFDIO_REGISTER)) != 0);
  api = (struct uffdio_api){.api = UFFD_API};
  FAILS(ioctl(fd, UFFDIO_API, &api), EINVAL);
  IS(poll(&p, 1, 0), 0);
  FAILS(read(fd, &message, sizeof message), EAGAIN);
  FAILS(read(fd, &message, sizeof message - 1), EINVAL);
  FAILS(write(fd, &message, sizeof message), EBADF);
  FAILS(ioctl(fd, 0x1234, 0), EINVAL);
  int const blocking = open_one(0);
  p.fd = blocking;
  IS(poll(&p, 1, 0), 1);
  IS(p.revents, POLLERR);
}

TEST(registering) {
  int const fd = (int)NEED(open_one(O_NONBLOCK)), other = (int)NEED(open_one(O_NONBLOCK));
  char* const at = pages(4);
  struct uffdio_register r = {{(uint64_t)at, PAGE}, 0, 0};
  FAILS(ioctl(fd, UFFDIO_REGISTER, &r), EINVAL);
  r.mode = 8;
  FAILS(ioctl(fd, UFFDIO_REGISTER, &r), EINVAL);
  FAILS(watch(fd, at + 1, PAGE), EINVAL);
  FAILS(watch(fd, at, 100), EINVAL);
  FAILS(watch(fd, at, 0), EINVAL);
  FAILS(watch(fd, at, -PAGE), EINVAL);
  FAILS(watch(fd, 0, PAGE), EINVAL);
  FAILS(ioctl(fd, UFFDIO_REGISTER, BAD_POINTER), EFAULT);
  r = (struct uffdio_register){{(uint64_t)at, 2 * PAGE}, UFFDIO_REGISTER_MODE_MISSING, 0};
  WORKS(ioctl(fd, UFFDIO_REGISTER, &r));
  OK((r.ioctls & (1ULL << _UFFDIO_COPY)) != 0);
  OK((r.ioctls & (1ULL << _UFFDIO_ZEROPAGE)) != 0);
  OK((r.ioctls & (1ULL << _UFFDIO_WAKE)) != 0);
  WORKS(watch(fd, at, 4 * PAGE));
  FAILS(watch(other, at + PAGE, PAGE), EBUSY);
  WORKS(unwatch(fd, at + PAGE, PAGE));
  WORKS(watch(other, at + PAGE, PAGE));
  NEED(munmap(at, PAGE));
  FAILS(unwatch(fd, at, PAGE), EINVAL);
  FAILS(watch(fd, at, PAGE), EINVAL);
  int const file = make_file("read-only", "x");
  close(file);
  int const reading = (int)NEED(open("read-only", O_RDONLY));
  char* const shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reading, 0);
  OK(shared != MAP_FAILED);
  FAILS(watch(fd, shared, PAGE), EPERM);
}

TEST(filling) {
  int const fd = (int)NEED(open_one(O_NONBLOCK));
  char* const at = pages(4);
  int64_t done = 0;
  memset(source, 'x', sizeof source);
  FAILS(copy(fd, at, PAGE, 0, &done), ENOENT);
  IS(done, -ENOENT);
  NEED(watch(fd, at, 4 * PAGE));
  WORKS(copy(fd, at, PAGE, 0, &done));
  IS(done, PAGE);
  IS(at[PAGE - 1], 'x');
  FAILS(copy(fd, at, PAGE, 0, &done), EEXIST);
  IS(done, -EEXIST);
  FAILS(zero(fd, at, PAGE), EEXIST);
  WORKS(zero(fd, at + 2 * PAGE, PAGE));
  IS(at[2 * PAGE], 0);
  at[2 * PAGE] = 7;
  IS(at[2 * PAGE], 7);
  // As far as it goes.
  FAILS(copy(fd, at + PAGE, 2 * PAGE, UFFDIO_COPY_MODE_DONTWAKE, &done), EAGAIN);
  IS(done, PAGE);
  FAILS(copy(fd, at + 3 * PAGE, 2 * PAGE, 0, &done), ENOENT);
  FAILS(copy(fd, at + 3 * PAGE, PAGE, 64, &done), EINVAL);
  FAILS(copy(fd, at + 3 * PAGE + 1, PAGE, 0, &done), EINVAL);
  struct uffdio_copy c = {(uint64_t)(at + 3 * PAGE), (uint64_t)page_before_nothing() + PAGE, PAGE,
                          0, 0};
  FAILS(ioctl(fd, UFFDIO_COPY, &c), EFAULT);
  // Any address will do as source.
  c.src = (uint64_t)(source + 5);
  WORKS(ioctl(fd, UFFDIO_COPY, &c));
  // What is thrown away is missing again.
  NEED(madvise(at, PAGE, MADV_DONTNEED));
  WORKS(copy(fd, at, PAGE, 0, &done));
  FAILS(wake(fd, at + 1, PAGE), EINVAL);
  WORKS(wake(fd, at, PAGE));
  WORKS(unwatch(fd, at, 4 * PAGE));
  FAILS(zero(fd, at, PAGE), ENOENT);
}

struct helper {
  int fd, answers;
  struct uffd_msg first;
};

// Fills what is asked for, page by page, until the descriptor has nothing more to say.
static void* fill_pages(void* arg) {
  struct helper* const h = arg;
  struct uffd_msg m;
  while (h->answers > 0 && read(h->fd, &m, sizeof m) == sizeof m) {
    if (h->first.event == 0) h->first = m;
    int64_t done;
    void* const page = (void*)(m.arg.pagefault.address & ~(uint64_t)(PAGE - 1));
    if (copy(h->fd, page, PAGE, 0, &done) != 0 && done == -EEXIST) wake(h->fd, page, PAGE);
    --h->answers;
  }
  return NULL;
}

TEST(faults_wait_for_an_answer) {
  struct helper h = {.fd = (int)NEED(open_one(0)), .answers = 3};
  char* const at = pages(4);
  memset(source, 'f', sizeof source);
  NEED(watch(h.fd, at, 4 * PAGE));
  pthread_t thread;
  OK(pthread_create(&thread, NULL, fill_pages, &h) == 0);
  IS(at[PAGE + 10], 'f');
  IS(h.first.event, UFFD_EVENT_PAGEFAULT);
  IS(h.first.arg.pagefault.flags, 0);
  IS(h.first.arg.pagefault.address - (uint64_t)at, PAGE);
  IS(h.first.arg.pagefault.feat.ptid, 0);
  // A write, and one by the kernel.
  at[0] = 'w';
  IS(at[0], 'w');
  IS(at[1], 'f');
  int ends[2];
  NEED(pipe(ends));
  IS(write(ends[1], at + 2 * PAGE, 5), 5);
  OK(pthread_join(thread, NULL) == 0);
  // A child has nobody to ask.
  IS(IN_CHILD(_exit(at[3 * PAGE])), 0);
  close(h.fd);
  IS(at[3 * PAGE], 0);
}

TEST(what_a_message_says) {
  struct uffdio_api api = {.api = UFFD_API,
                           .features = UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_EXACT_ADDRESS};
  struct helper h = {.fd = (int)NEED(SYS(userfaultfd, 0)), .answers = 1};
  NEED(ioctl(h.fd, UFFDIO_API, &api));
  char* const at = pages(1);
  NEED(watch(h.fd, at, PAGE));
  pthread_t thread;
  OK(pthread_create(&thread, NULL, fill_pages, &h) == 0);
  at[77] = 1;
  OK(pthread_join(thread, NULL) == 0);
  IS(h.first.arg.pagefault.flags, UFFD_PAGEFAULT_FLAG_WRITE);
  IS(h.first.arg.pagefault.address - (uint64_t)at, 77);
  IS(h.first.arg.pagefault.feat.ptid, SYS(gettid));
}

TEST(files_of_memory) {
  struct helper h = {.fd = (int)NEED(open_one(0)), .answers = 2};
  int const file = (int)NEED(memfd_create("pages", 0));
  NEED(ftruncate(file, 3 * PAGE));
  char* const at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  OK(at != MAP_FAILED);
  NEED(pwrite(file, "there", 5, 0));
  memset(source, 'm', sizeof source);
  NEED(watch(h.fd, at, 4 * PAGE));
  pthread_t thread;
  OK(pthread_create(&thread, NULL, fill_pages, &h) == 0);
  IS(at[0], 't');
  IS(at[PAGE], 'm');
  char* const mine = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  OK(mine != MAP_FAILED);
  NEED(watch(h.fd, mine, 3 * PAGE));
  IS(mine[PAGE], 'm');
  IS(mine[2 * PAGE], 'm');
  OK(pthread_join(thread, NULL) == 0);
  char byte = 0;
  // What was copied for private memory is not the file's.
  IS(pread(file, &byte, 1, 2 * PAGE), 1);
  IS(byte, 0);
  IS(pread(file, &byte, 1, PAGE), 1);
  IS(byte, 'm');
  int64_t done;
  FAILS(copy(h.fd, at + 3 * PAGE, PAGE, 0, &done), EFAULT);
  FAILS(copy(h.fd, at, PAGE, 0, &done), EEXIST);
}

TEST(zeros_in_private_memory_of_a_file) {
  int const fd = (int)NEED(open_one(O_NONBLOCK));
  int const file = (int)NEED(memfd_create("pages", 0));
  NEED(ftruncate(file, 2 * PAGE));
  char* const at = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  OK(at != MAP_FAILED);
  NEED(watch(fd, at, 3 * PAGE));
  WORKS(zero(fd, at, PAGE));
  int ends[2];
  NEED(pipe(ends));
  IS(write(ends[1], "x", 1), 1);
  // The kernel writes to it, and the program.
  IS(read(ends[0], at, 1), 1);
  IS(at[0], 'x');
  at[1] = 'y';
  IS(at[1], 'y');
  IS(IN_CHILD(_exit(at[1])), EXITED('y'));
  char byte = 1;
  IS(pread(file, &byte, 1, 0), 1);
  IS(byte, 0);
  // Behind the file's end there is nothing to fill.
  FAILS(zero(fd, at + 2 * PAGE, PAGE), EFAULT);
  int64_t done;
  FAILS(copy(fd, at + 2 * PAGE, PAGE, 0, &done), EFAULT);
}

TEST(signals_instead_of_answers) {
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS};
  int const fd = (int)NEED(SYS(userfaultfd, O_NONBLOCK));
  NEED(ioctl(fd, UFFDIO_API, &api));
  char* const at = pages(2);
  NEED(watch(fd, at, 2 * PAGE));
  int ends[2];
  NEED(pipe(ends));
  FAILS(write(ends[1], at, 1), EFAULT);
  int64_t done;
  NEED(copy(fd, at, PAGE, 0, &done));
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    int const own = (int)NEED(SYS(userfaultfd, O_NONBLOCK));
    NEED(ioctl(own, UFFDIO_API, &api));
    NEED(watch(own, at, 2 * PAGE));
    _exit(at[PAGE]);
  }
  int const ended = ktap_status_of(child);
  OK(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGBUS);
}

TEST(for_programs_only) {
  int const fd = (int)NEED(open_one(UFFD_USER_MODE_ONLY | O_NONBLOCK));
  char* const at = pages(1);
  NEED(watch(fd, at, PAGE));
  int ends[2];
  NEED(pipe(ends));
  FAILS(write(ends[1], at, 1), EFAULT);
}

static int alarm_end;
static void on_alarm(int signal) {
  (void)signal;
  if (write(alarm_end, "", 1) != 1) _exit(9);
}

TEST(a_signal_comes_through) {
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    char* const at = pages(1);
    int const own = (int)NEED(open_one(O_NONBLOCK));
    NEED(watch(own, at, PAGE));
    alarm_end = ends[1];
    signal(SIGALRM, on_alarm);
    struct itimerval const again = {{0, 20000}, {0, 20000}};
    NEED(setitimer(ITIMER_REAL, &again, NULL));
    _exit(at[0]);
  }
  // Handlers run again and again while nobody answers, and it waits until it is killed.
  char bytes[8];
  for (int i = 0; i < 8; ++i) IS(read(ends[0], bytes, 1), 1);
  NEED(kill(child, SIGKILL));
  int const status = ktap_status_of(child);
  OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void* touch_page(void* at) { return (void*)(long)*(volatile char*)at; }

TEST(closing_lets_everybody_go) {
  int const fd = (int)NEED(open_one(O_NONBLOCK));
  char* const at = pages(2);
  NEED(watch(fd, at, 2 * PAGE));
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) OK(pthread_create(&threads[i], NULL, touch_page, at + i * PAGE) == 0);
  struct pollfd p = {fd, POLLIN, 0};
  IS(poll(&p, 1, 30000), 1);
  // One by the end of the registration, the other by that of the descriptor.
  WORKS(unwatch(fd, at, PAGE));
  void* result = (void*)1;
  OK(pthread_join(threads[0], &result) == 0);
  IS((long)result, 0);
  close(fd);
  OK(pthread_join(threads[1], &result) == 0);
  IS((long)result, 0);
}

TEST(of_another_program) {
  char* const at = pages(1);
  int pair[2];
  NEED(pipe(pair));
  // The child's memory, seen through the descriptor that it leaves here by its end.
  int const fd = (int)NEED(open_one(O_NONBLOCK));
  NEED(watch(fd, at, PAGE));
  memset(source, 'o', sizeof source);
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    // The parent's space is the one that is filled.
    int64_t done;
    _exit(copy(fd, at, PAGE, 0, &done) == 0 && done == PAGE ? 0 : 1);
  }
  IS(ktap_status_of(child), 0);
  IS(at[5], 'o');
}

TEST(who_may) {
  become_nobody();
  FAILS(SYS(userfaultfd, 0), EPERM);
  FAILS(SYS(userfaultfd, O_APPEND), EPERM);
  WORKS(SYS(userfaultfd, UFFD_USER_MODE_ONLY));
}
