// ASSERT and WARN_ON in a host process: a failed assertion is an exception that a test can expect.
#pragma once

namespace auk {

/// What a failed ASSERT throws. Both texts are literals.
struct HostBug {
  const char* file;
  int line;
  const char* text;
};

/// Says it on standard error and throws HostBug; in a destructor that ends the process, as it
/// should: only a death test survives a kernel that has to stop there.
[[noreturn]] void host_bug(const char* file, int line, const char* text);
void host_warn(const char* file, int line, const char* text);

/// Failed WARN_ONs of this thread.
extern constinit thread_local unsigned host_warnings;

}  // namespace auk

#define AUK_ISA_BUG(kind_, text_) ::auk::host_bug(__FILE__, __LINE__, text_)
#define AUK_ISA_WARN(kind_, text_) ::auk::host_warn(__FILE__, __LINE__, text_)
