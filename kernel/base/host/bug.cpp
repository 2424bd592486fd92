#include "base/isa/bug.hpp"

#include <cstdio>

namespace auk {

constinit thread_local unsigned host_warnings = 0;

void host_bug(const char* file, int line, const char* text) {
  std::fprintf(stderr, "BUG: %s:%d: %s\n", file, line, text);
  throw HostBug{file, line, text};
}

void host_warn(const char* file, int line, const char* text) {
  ++host_warnings;
  std::fprintf(stderr, "WARNING: %s:%d: %s\n", file, line, text);
}

}  // namespace auk
