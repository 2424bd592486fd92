// eventfd(2): a number that is waited for.
//
// Data model: one counter, changed by compare-and-set. Locking: none. Context: threads.
#pragma once
#include "io/file.hpp"

namespace auk::io {

/// `flags`: O_NONBLOCK. A semaphore gives 1 to each read, otherwise a read takes all. ENOMEM.
Result<Ref<File>> make_eventfd(u32 count, bool is_semaphore, u32 flags);

}  // namespace auk::io
