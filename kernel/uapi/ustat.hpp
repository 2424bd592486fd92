// ustat(2), which no header of Linux's exports.
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct ustat {  //= -
  std::int32_t f_tfree;
  std::uint32_t pad0;
  std::uint64_t f_tinode;
  char f_fname[6];
  char f_fpack[6];
  std::uint32_t pad1;
};
static_assert(sizeof(ustat) == 32);
static_assert(std::has_unique_object_representations_v<ustat>);

}  // namespace uapi
