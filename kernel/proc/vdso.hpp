// The code that the kernel lends to every program: its pages, and where exec puts them.
//
// Data model: one page cache for all programs: the page of the clock, then the code. Each program
// maps both; a debugger that writes there gets a copy of its own. Context: threads.
#pragma once
#include "vm/space.hpp"

namespace auk::proc {

/// Before the first program. ENOMEM.
Result<void> setup_vdso();
/// What /proc/PID/maps calls an area that shows an object from a page on; empty if it is not one of
/// these.
std::string_view vdso_name(const vm::MemObject* object, u64 page_offset);
/// Into a space that is being made: where the code starts, AT_SYSINFO_EHDR. ENOMEM.
Result<UserAddr> map_vdso(vm::AddressSpace& space);

}  // namespace auk::proc
