#include "core/version.hpp"

#include "generated/version.hpp"

namespace auk::core {

constinit const std::string_view release = AUK_RELEASE;
constinit const std::string_view version = AUK_VERSION;
constinit const std::string_view banner =
    "Auk version " AUK_RELEASE " (clang " __clang_version__ ") " AUK_VERSION;

}  // namespace auk::core
