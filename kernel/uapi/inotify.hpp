// One event as read from an inotify file; `len` bytes of name, padded with NULs, follow it.
// Linux: <linux/inotify.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct inotify_event {
  std::int32_t wd;
  std::uint32_t mask;
  std::uint32_t cookie;
  std::uint32_t len;
};
static_assert(sizeof(inotify_event) == 16);
static_assert(std::has_unique_object_representations_v<inotify_event>);

}  // namespace uapi
