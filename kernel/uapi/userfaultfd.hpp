// What userfaultfd(2) and its ioctls pass.
// Linux: <linux/userfaultfd.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct uffdio_api {
  std::uint64_t api;
  std::uint64_t features;
  std::uint64_t ioctls;
};

struct uffdio_range {
  std::uint64_t start;
  std::uint64_t len;
};

struct uffdio_register {
  uffdio_range range;
  std::uint64_t mode;
  std::uint64_t ioctls;
};

struct uffdio_copy {
  std::uint64_t dst;
  std::uint64_t src;
  std::uint64_t len;
  std::uint64_t mode;
  std::int64_t copy;
};

struct uffdio_zeropage {
  uffdio_range range;
  std::uint64_t mode;
  std::int64_t zeropage;
};

static_assert(std::has_unique_object_representations_v<uffdio_copy>);

}  // namespace uapi
