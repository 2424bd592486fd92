// What a ruleset speaks of, and the rules in it.
// Linux: <linux/landlock.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct landlock_ruleset_attr {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;
  std::uint64_t scoped;
};
static_assert(sizeof(landlock_ruleset_attr) == 24);
static_assert(std::has_unique_object_representations_v<landlock_ruleset_attr>);

struct [[gnu::packed]] landlock_path_beneath_attr {
  std::uint64_t allowed_access;
  std::int32_t parent_fd;
};
static_assert(sizeof(landlock_path_beneath_attr) == 12);
static_assert(std::has_unique_object_representations_v<landlock_path_beneath_attr>);

struct landlock_net_port_attr {
  std::uint64_t allowed_access;
  std::uint64_t port;
};
static_assert(sizeof(landlock_net_port_attr) == 16);
static_assert(std::has_unique_object_representations_v<landlock_net_port_attr>);

}  // namespace uapi
