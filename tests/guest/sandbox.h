// Purpose: what programs that sandbox themselves have in common. After ktap.h. The C library's
// headers know fewer rights than the kernel: all numbers stand here.
#pragma once

#include <sys/prctl.h>

#ifndef SYS_landlock_create_ruleset
#  define SYS_landlock_create_ruleset 444
#  define SYS_landlock_add_rule 445
#  define SYS_landlock_restrict_self 446
#endif

enum { GET_VERSION = 1, GET_ERRATA = 2 };
enum { PATH_BENEATH = 1, NET_PORT = 2 };
enum {
  EXECUTE = 1 << 0,
  WRITE_FILE = 1 << 1,
  READ_FILE = 1 << 2,
  READ_DIR = 1 << 3,
  REMOVE_DIR = 1 << 4,
  REMOVE_FILE = 1 << 5,
  MAKE_CHAR = 1 << 6,
  MAKE_DIR = 1 << 7,
  MAKE_REG = 1 << 8,
  MAKE_SOCK = 1 << 9,
  MAKE_FIFO = 1 << 10,
  MAKE_BLOCK = 1 << 11,
  MAKE_SYM = 1 << 12,
  REFER = 1 << 13,
  TRUNCATE = 1 << 14,
  IOCTL_DEV = 1 << 15,
  ALL_FILES = (1 << 16) - 1,
};
enum { BIND_TCP = 1, CONNECT_TCP = 2 };
enum { ABSTRACT_SOCKET = 1, SIGNAL = 2 };

struct handled {
  uint64_t files, ports, scoped;
};
struct __attribute__((packed)) path_rule {
  uint64_t access;
  int32_t fd;
};
struct port_rule {
  uint64_t access, port;
};

static inline int create(struct handled const* h, size_t size, unsigned flags) {
  return (int)SYS(landlock_create_ruleset, h, size, flags);
}
static inline int ruleset_of(uint64_t files, uint64_t scoped) {
  struct handled const h = {.files = files, .scoped = scoped};
  return create(&h, sizeof h, 0);
}
static inline long add_rule(int ruleset, int kind, void const* rule, unsigned flags) {
  return SYS(landlock_add_rule, ruleset, kind, rule, flags);
}
static inline long add_path(int ruleset, int fd, uint64_t access) {
  struct path_rule const rule = {access, fd};
  return add_rule(ruleset, PATH_BENEATH, &rule, 0);
}
static inline long restrict_self(int ruleset, unsigned flags) {
  return SYS(landlock_restrict_self, ruleset, flags);
}

static inline void allow(int ruleset, char const* path, uint64_t access) {
  int const fd = (int)NEED(open(path, O_PATH | O_CLOEXEC));
  NEED(add_path(ruleset, fd, access));
  close(fd);
}
static inline void enforce(int ruleset) {
  NEED(restrict_self(ruleset, 0));
  close(ruleset);
}
// This process gives up rights to files, and has no rules.
static inline void give_up(uint64_t files, uint64_t scoped) {
  enforce((int)NEED(ruleset_of(files, scoped)));
}
// It gives them up everywhere but in one place.
static inline void give_up_outside(char const* place, uint64_t files, uint64_t access) {
  int const ruleset = (int)NEED(ruleset_of(files, 0));
  allow(ruleset, place, access);
  enforce(ruleset);
}

// The errno of opening a file, which stays as it is; 0 if that works.
static inline int opens(char const* path, int flags) {
  int const fd = open(path, flags, 0644);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}
