// Who we are: the banner, and the strings uname(2) will give.
#pragma once
#include <string_view>

namespace auk::core {

/// `7.1.0-auk.N`: the ABI we follow is that of Linux 7.1; N counts builds of a working tree.
extern const std::string_view release;
extern const std::string_view version;
extern const std::string_view banner;

}  // namespace auk::core
