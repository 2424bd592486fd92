// futex_waitv(2) and the robust list that a thread leaves behind.
// Linux: <linux/futex.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct futex_waitv {
  std::uint64_t val;
  std::uint64_t uaddr;
  std::uint32_t flags;
  std::uint32_t pad;  //= __reserved
};
static_assert(sizeof(futex_waitv) == 24);
static_assert(std::has_unique_object_representations_v<futex_waitv>);

struct robust_list {
  std::uint64_t next;
};

struct robust_list_head {
  robust_list list;
  std::int64_t futex_offset;
  std::uint64_t list_op_pending;
};
static_assert(sizeof(robust_list_head) == 24);
static_assert(std::has_unique_object_representations_v<robust_list_head>);

}  // namespace uapi
