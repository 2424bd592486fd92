// madvise(2) for any space.
#pragma once
#include "vm/space.hpp"

namespace auk::syscall {

/// EINVAL, ENOMEM and what the advice itself fails with.
Result<void> advise(vm::AddressSpace& space, UserAddr at, u64 size, int advice);

}  // namespace auk::syscall
