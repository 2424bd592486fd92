// An attribute of a security module.
// Linux: <linux/lsm.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct lsm_ctx {
  std::uint64_t id;
  std::uint64_t flags;
  std::uint64_t len;
  std::uint64_t ctx_len;
};
static_assert(sizeof(lsm_ctx) == 32);
static_assert(std::has_unique_object_representations_v<lsm_ctx>);

}  // namespace uapi
