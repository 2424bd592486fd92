// start_kernel(): the first function that no longer cares how the machine was booted.
//
// Context: boot CPU, interrupts off, early window onto the first 4 GiB still in place.
#pragma once
#include "core/handover.hpp"

namespace auk::init {

[[noreturn]] void start_kernel(const core::HandOver& handover);

}  // namespace auk::init
