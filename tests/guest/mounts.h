// Purpose: what programs that mount have in common. After ktap.h.
#pragma once

#include <sys/mount.h>

// A namespace of its own, from which nothing reaches others.
static inline void be_alone(void) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static inline bool exists(char const* path) { return access(path, F_OK) == 0; }
