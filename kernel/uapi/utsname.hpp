// What uname(2) writes.
// Linux: <linux/utsname.h>
#pragma once

#include <type_traits>

namespace uapi {

struct new_utsname {
  char sysname[65];
  char nodename[65];
  char release[65];
  char version[65];
  char machine[65];
  char domainname[65];
};
static_assert(sizeof(new_utsname) == 390);
static_assert(std::has_unique_object_representations_v<new_utsname>);

}  // namespace uapi
