// /dev/kmsg: the kernel's log, record by record. See Linux Documentation/ABI/testing/dev-kmsg.
#pragma once
#include "io/file.hpp"

namespace auk::drivers::memory {

/// EPERM.
Result<Ref<io::File>> open_kmsg(u32 flags);

}  // namespace auk::drivers::memory
