// The robust list: locks that a thread still holds when it leaves its memory. See
// get_robust_list(2), Linux's Documentation/locking/robust-futexes.rst.
#include <utility>

#include "generated/uapi/futex.hpp"
#include "proc/futex_table.hpp"
#include "uapi/futex.hpp"

namespace auk::proc {
namespace {

constexpr u32 owner_bits = uapi::futex_tid_mask;

/// A lock of a dying thread, if it is one: its word says that the owner died. EFAULT: the list
/// leads nowhere.
Result<void> mark_dead(Task& me, UserAddr word, bool is_pi, bool is_pending) {
  if (word.value % sizeof(u32) != 0 || !core::is_user_range(word, sizeof(u32)))
    return Errno::efault;
  u32 now = TRY(core::UserIn<u32>(word).load());
  for (;;) {
    // Let go of already, but whoever waits has not been told.
    if (is_pending && !is_pi && (now & owner_bits) == 0) {
      (void)futex_wake(me, word, 1, ~u32{0}, false);
      return {};
    }
    if ((now & owner_bits) != me.tid()) return {};
    const u32 expected = now;
    const u32 marked = (now & uapi::futex_waiters) | u32{uapi::futex_owner_died};
    if (!machine::cas_user_u32(word.value, now, marked)) return Errno::efault;
    if (now == expected) break;
  }
  // The heirs of locks that hand priorities on are found by their owner.
  if (!is_pi && (now & uapi::futex_waiters) != 0) (void)futex_wake(me, word, 1, ~u32{0}, false);
  return {};
}

/// The lowest bit of a pointer to an entry says that its lock hands priorities on.
struct Entry {
  u64 packed;
  u64 address() const { return packed & ~u64{1}; }
  bool is_pi() const { return (packed & 1) != 0; }
};

Result<void> walk_robust_list(Task& me, UserAddr head) {
  const auto h = TRY(core::UserIn<uapi::robust_list_head>(head).load());
  const auto leave = [&](Entry e, bool is_pending) {
    const UserAddr word(e.address() + static_cast<u64>(h.futex_offset));
    return mark_dead(me, word, e.is_pi(), is_pending);
  };
  const Entry pending{h.list_op_pending};
  Entry entry{h.list.next};
  for (u32 n = 0; entry.address() != head.value && n < uapi::robust_list_limit; ++n) {
    // Read first: whoever gets the lock may reuse its memory.
    Result<u64> next = core::UserIn<u64>(UserAddr(entry.address())).load();
    if (entry.address() != pending.address()) TRY(leave(entry, false));
    if (!next.ok()) return next.error();
    entry.packed = *next;
  }
  return pending.address() != 0 ? leave(pending, true) : Result<void>();
}

}  // namespace

void leave_robust_list(Task& me) {
  const UserAddr head = std::exchange(me.robust_list, UserAddr(0));
  if (head.value != 0) (void)walk_robust_list(me, head);
}

}  // namespace auk::proc
