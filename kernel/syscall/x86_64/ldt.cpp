// modify_ldt(2), for segments of 32 bits: 16 bits answer as Linux without CONFIG_X86_16BIT, because
// the way to a stack of 16 bits leaves half of the kernel's stack pointer behind.
#include <algorithm>

#include "syscall/calls.hpp"
#include "uapi/x86_64/ldt.hpp"

namespace auk::syscall::calls {
namespace {

constexpr u64 entry_size = sizeof(u64);

/// The flags of a user_desc.
struct Wish {
  u32 flags;

  bool is_32bit() const { return (flags & 1) != 0; }
  u32 contents() const { return flags >> 1 & 3; }
  bool is_only_readable() const { return (flags >> 3 & 1) != 0; }
  bool counts_pages() const { return (flags >> 4 & 1) != 0; }
  bool is_absent() const { return (flags >> 5 & 1) != 0; }
  bool is_useable() const { return (flags >> 6 & 1) != 0; }
  /// As programs say that an entry is to be empty. What is beyond, a mark of code of 64 bits, is
  /// not heard.
  bool asks_for_nothing() const {
    constexpr u32 nothing = 1 << 3 | 1 << 5, all = 0x7f;
    return (flags & all) == nothing;
  }
};

u64 descriptor(const uapi::user_desc& d, bool is_old) {
  const Wish wish(d.flags);
  // Accessed from the beginning: the CPU must not want to write it down.
  const u64 type = u64{!wish.is_only_readable()} << 1 | u64{wish.contents()} << 2 | 1;
  constexpr u64 of_programs = u64{3} << 45, is_memory = u64{1} << 44;
  return (d.limit & 0xffff) | u64{d.base_addr & 0xffffff} << 16 | type << 40 | is_memory |
         of_programs | u64{!wish.is_absent()} << 47 | u64{d.limit >> 16 & 0xf} << 48 |
         u64{wish.is_useable() && !is_old} << 52 | u64{wish.is_32bit()} << 54 |
         u64{wish.counts_pages()} << 55 | u64{d.base_addr >> 24} << 56;
}

Value read_table(Task& me, UserAddr at, u64 size) {
  const Ref<mem::SegmentTable> table = me.space->segments();
  if (!table) return u64{0};
  const u64 whole = std::min(size, u64{mem::SegmentTable::most} * entry_size);
  const auto descriptors = table->descriptors();
  const u64 kept = std::min(whole, u64{descriptors.size_bytes()});
  TRY(core::write_user(at, descriptors.data(), kept));
  TRY(core::clear_user(at + kept, whole - kept));
  return whole;
}

/// Entries that every program has, from the time when there were some.
Value read_default(UserAddr at, u64 size) {
  constexpr u64 most = 128;
  const u64 part = std::min(size, most);
  TRY(core::clear_user(at, part));
  return part;
}

Value write_entry(Task& me, UserAddr at, u64 size, bool is_old) {
  constexpr u32 conforming = 3;
  if (size != sizeof(uapi::user_desc)) return Errno::einval;
  uapi::user_desc d{};
  TRY(core::read_user(&d, at, sizeof(d)));
  const Wish wish(d.flags);
  if (d.entry_number >= mem::SegmentTable::most) return Errno::einval;
  if (wish.contents() == conforming && (is_old || !wish.is_absent())) return Errno::einval;
  const bool is_empty = d.base_addr == 0 && d.limit == 0 && (is_old || wish.asks_for_nothing());
  if (!is_empty && !wish.is_32bit()) return Errno::einval;
  TRY(me.space->set_segment(d.entry_number, is_empty ? 0 : descriptor(d, is_old)));
  return u64{0};
}

Value modify(Task& me, int what, UserAddr at, u64 size) {
  constexpr int read = 0, write_old = 1, read_defaults = 2, write = 0x11;
  switch (what) {
    case read: return read_table(me, at, size);
    case write_old: return write_entry(me, at, size, true);
    case read_defaults: return read_default(at, size);
    case write: return write_entry(me, at, size, false);
    default: return Errno::enosys;
  }
}

}  // namespace

Value modify_ldt(Task& me, int what, UserAddr at, u64 size) {
  Value v = modify(me, what, at, size);
  // An int of 32 bits, as Linux gives it: programs see no errno.
  return u64{static_cast<u32>(v.ok() ? *v : -static_cast<u64>(v.error()))};
}

}  // namespace auk::syscall::calls
