// Random bytes nobody can predict: for programs, addresses, canaries.
//
// Purpose: one generator; what it gave cannot be computed from its later state.
// Data model: a ChaCha20 key. Every request takes one block under the lock: half of it becomes the
// next key (fast key erasure), the other half keys the request's own stream, which needs no lock.
// The hardware's generator and the cycle counter are stirred in with every request.
// Locking: level innermost, interrupts off. Context: any but NMI.
// Source: RFC 8439 (ChaCha20); random(4). Differences from Linux: no estimate of entropy, nothing
// ever blocks; on a machine without a hardware generator the counter alone seeds it.
#pragma once
#include <span>

#include "base/types.hpp"

namespace auk::random {

void fill(std::span<byte> out);
u64 next_u64();
/// What a program writes to /dev/random.
void stir(std::span<const byte> in);

}  // namespace auk::random
