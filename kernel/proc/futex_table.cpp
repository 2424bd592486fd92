#include "proc/futex_table.hpp"

#include <bit>

#include "base/math.hpp"
#include "core/cpu_mask.hpp"
#include "mem/vmalloc.hpp"

namespace auk::proc {
namespace {

AUK_RO_AFTER_INIT constinit std::span<FutexBucket> buckets;

}  // namespace

Result<void> setup_futexes() {
  constexpr usize per_cpu = 256;
  const usize count = std::bit_ceil(per_cpu * core::possible_cpus);
  mem::KernelRange* const range = TRY(
      mem::map_memory(ALLOC_SITE, align_up(count * sizeof(FutexBucket), page_size) / page_size));
  auto* const first = range->as<FutexBucket>();
  for (usize i = 0; i < count; ++i) ::new (first + i) FutexBucket;
  buckets = {first, count};
  return {};
}

FutexBucket& bucket_of(const FutexKey& k) {
  u64 h = reinterpret_cast<u64>(k.owner) ^ (k.offset * 0x9e3779b97f4a7c15);
  h ^= h >> 29;
  h *= 0xbf58476d1ce4e5b9;
  return buckets[(h >> 32) & (buckets.size() - 1)];
}

Result<FutexKey> futex_key(Task& me, UserAddr word, bool is_private, FutexAccess use) {
  if (word.value % sizeof(u32) != 0) return Errno::einval;
  if (!core::is_user_range(word, sizeof(u32))) return Errno::efault;
  if (!is_private) {
    u32 now = 0;
    TRY(use == FutexAccess::write ? bring_in_futex(word)
                                  : core::read_user(&now, word, sizeof(now)));
    if (const auto shared = me.space->shared_place(word))
      return FutexKey{shared->object, shared->offset};
    // What nobody can write never changes: nothing to wait for.
    if (use == FutexAccess::read) TRY(bring_in_futex(word));
  }
  return FutexKey{me.space.get(), word.value};
}

Result<void> bring_in_futex(UserAddr word) {
  u32 old = 0;
  if (!machine::load_user_u32(old, word.value)) return Errno::efault;
  return machine::cas_user_u32(word.value, old, old) ? Result<void>() : Errno::efault;
}

}  // namespace auk::proc
