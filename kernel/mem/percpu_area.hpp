// Per-CPU memory: areas for the CPUs that exist, and small dynamic pieces of them.
//
// Data model: an area is the template's variables plus room for dynamic pieces; a dynamic piece is
// named by its offset, the same on every CPU. Offset 0 is never a dynamic piece.
// Locking: level innermost for the map of pieces.
// Context: any but NMI; setup on the boot CPU.
#pragma once
#include <optional>

#include "base/result.hpp"
#include "core/percpu.hpp"

namespace auk::mem {

/// Makes the area of a CPU that will be started; the boot CPU has one from the start. ENOMEM.
Result<void> create_percpu_area(CpuId cpu);

/// A zeroed piece on every CPU, present and future; nothing when the room is used up.
std::optional<u32> allocate_percpu(u32 size, u32 align);
/// The piece is no longer used on any CPU.
void free_percpu(u32 offset, u32 size);

/// This CPU's copy.
void* percpu_pointer(u32 offset, const core::Pinned& pin);

}  // namespace auk::mem
