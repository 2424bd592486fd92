// TLB shoot-down of kernel addresses.
#pragma once
#include "base/types.hpp"

namespace auk::core {

/// No CPU uses an old translation of these kernel pages any more when this returns.
/// Context: as call_on_others().
void flush_tlb_everywhere(VirtAddr va, usize pages);

}  // namespace auk::core
