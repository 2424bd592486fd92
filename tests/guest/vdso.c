// The code that the kernel lends to programs: what it says is what system calls say.
#include "ktap.h"

#include <elf.h>
#include <sys/auxv.h>

static char const* image;
static Elf64_Sym const* symbols;
static char const* strings;
static uint32_t const* hash;
static uint16_t const* versions;
static Elf64_Verdef const* definitions;

static void read_image(void) {
  image = (char const*)getauxval(AT_SYSINFO_EHDR);
  if (image == NULL) ktap_give_up("AT_SYSINFO_EHDR");
  Elf64_Ehdr const* const header = (void const*)image;
  Elf64_Phdr const* const segments = (void const*)(image + header->e_phoff);
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type != PT_DYNAMIC) continue;
    Elf64_Dyn const* d = (void const*)(image + segments[i].p_offset);
    for (; d->d_tag != DT_NULL; ++d) {
      void const* const at = image + d->d_un.d_ptr;
      if (d->d_tag == DT_SYMTAB) symbols = at;
      if (d->d_tag == DT_STRTAB) strings = at;
      if (d->d_tag == DT_HASH) hash = at;
      if (d->d_tag == DT_VERSYM) versions = at;
      if (d->d_tag == DT_VERDEF) definitions = at;
    }
  }
}

static void* find(char const* name) {
  if (image == NULL) read_image();
  for (uint32_t i = 0; hash != NULL && i < hash[1]; ++i)
    if (symbols[i].st_shndx != 0 && strcmp(strings + symbols[i].st_name, name) == 0)
      return (void*)(image + symbols[i].st_value);
  return NULL;
}

TEST(shape) {
  read_image();
  Elf64_Ehdr const* const header = (void const*)image;
  IS(memcmp(header->e_ident, ELFMAG, SELFMAG), 0);
  IS(header->e_type, ET_DYN);
  IS(header->e_machine, EM_X86_64);
  OK(symbols != NULL);
  OK(strings != NULL);
  OK(versions != NULL);
  OK(definitions != NULL);
  bool named = false;
  for (Elf64_Verdef const* d = definitions; d != NULL;
       d = d->vd_next != 0 ? (void const*)((char const*)d + d->vd_next) : NULL) {
    Elf64_Verdaux const* const a = (void const*)((char const*)d + d->vd_aux);
    named |= strcmp(strings + a->vda_name, "LINUX_2.6") == 0;
  }
  OK(named);
  OK(find("__vdso_clock_gettime") != NULL);
  OK(find("__vdso_clock_getres") != NULL);
  OK(find("__vdso_gettimeofday") != NULL);
  OK(find("__vdso_time") != NULL);
  OK(find("__vdso_getcpu") != NULL);
  OK(find("clock_gettime") == find("__vdso_clock_gettime"));
  OK(find("no_such_thing") == NULL);
}

static int64_t ns_of(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

TEST(clocks) {
  int (*const get)(int, struct timespec*) = find("__vdso_clock_gettime");
  int (*const resolution)(int, struct timespec*) = find("__vdso_clock_getres");
  int const clocks[] = {
      CLOCK_REALTIME,         CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
      CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,  CLOCK_TAI,           CLOCK_PROCESS_CPUTIME_ID,
      CLOCK_THREAD_CPUTIME_ID};
  for (int i = 0; i < 9; ++i) {
    struct timespec before, between, after;
    NEED(SYS(clock_gettime, clocks[i], &before));
    IS(get(clocks[i], &between), 0);
    NEED(SYS(clock_gettime, clocks[i], &after));
    OK(ns_of(before) <= ns_of(between) && ns_of(between) <= ns_of(after));
    struct timespec exact, same;
    NEED(SYS(clock_getres, clocks[i], &exact));
    IS(resolution(clocks[i], &same), 0);
    OK(ns_of(exact) == ns_of(same));
    IS(resolution(clocks[i], NULL), 0);
  }
  struct timespec t;
  IS(get(99, &t), -EINVAL);
  IS(resolution(99, &t), -EINVAL);
}

TEST(time_of_day) {
  int (*const get)(struct timeval*, struct timezone*) = find("__vdso_gettimeofday");
  time_t (*const seconds)(time_t*) = find("__vdso_time");
  struct timeval before, between, after;
  NEED(SYS(gettimeofday, &before, NULL));
  IS(get(&between, NULL), 0);
  NEED(SYS(gettimeofday, &after, NULL));
  OK(!timercmp(&between, &before, <));
  OK(!timercmp(&after, &between, <));
  struct timezone zone = {5, 5};
  IS(get(NULL, &zone), 0);
  IS(zone.tz_minuteswest, 0);
  time_t stored = 0;
  time_t const now = seconds(&stored);
  OK(now == stored);
  OK(now >= before.tv_sec && now <= after.tv_sec + 1);
  OK(seconds(NULL) >= now);
}

// What settimeofday(2) changes is seen at once.
TEST(clock_is_set) {
  int (*const get)(int, struct timespec*) = find("__vdso_clock_gettime");
  struct timespec before, t;
  NEED(SYS(clock_gettime, CLOCK_REALTIME, &before));
  t = before;
  t.tv_sec += 5000;
  NEED(SYS(clock_settime, CLOCK_REALTIME, &t));
  IS(get(CLOCK_REALTIME, &t), 0);
  OK(t.tv_sec >= before.tv_sec + 5000);
  NEED(SYS(clock_settime, CLOCK_REALTIME, &before));
  IS(get(CLOCK_REALTIME, &t), 0);
  OK(t.tv_sec < before.tv_sec + 4000);
}

TEST(number_of_cpu) {
  long (*const get)(unsigned*, unsigned*, void*) = find("__vdso_getcpu");
  unsigned cpu, node = 9, before, after;
  do {
    NEED(SYS(getcpu, &before, NULL, NULL));
    get(&cpu, &node, NULL);
    NEED(SYS(getcpu, &after, NULL, NULL));
  } while (before != after);
  OK(cpu == before);
  IS(node, 0);
  IS(get(NULL, NULL, NULL), 0);
}

TEST(not_to_be_written) {
  read_image();
  FAILS(read(open("/dev/zero", O_RDONLY), (void*)image, 1), EFAULT);
  pid_t const child = NEED(fork());
  if (child == 0) {
    *(char volatile*)image = 0;
    _exit(0);
  }
  IS(ktap_status_of(child), SIGSEGV);
}
