// modify_ldt(2).
// Linux: <asm/ldt.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct user_desc {
  std::uint32_t entry_number;
  std::uint32_t base_addr;
  std::uint32_t limit;
  std::uint32_t flags;  //= -
};
static_assert(sizeof(user_desc) == 16);
static_assert(std::has_unique_object_representations_v<user_desc>);

}  // namespace uapi
