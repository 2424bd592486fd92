// All variables there are. Apart from the variables themselves, which simulations have as well.
#include <algorithm>

#include "core/sysctl.hpp"

extern "C" auk::core::Sysctl* const __ld_sysctl[];
extern "C" auk::core::Sysctl* const __ld_sysctl_end[];

namespace auk::core {

std::span<Sysctl* const> all_sysctls() { return {__ld_sysctl, __ld_sysctl_end}; }

Sysctl* find_sysctl(std::string_view path) {
  const auto same = [](char a, char b) { return a == b || (a == '/' && b == '.'); };
  for (Sysctl* const s : all_sysctls())
    if (std::ranges::equal(s->path(), path, same)) return s;
  return nullptr;
}

}  // namespace auk::core
