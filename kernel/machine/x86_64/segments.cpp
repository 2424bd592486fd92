#include "machine/isa/segments.hpp"

#include <bit>

#include "machine/isa/desc.hpp"
#include "machine/isa/registers.hpp"
#include "machine/isa/x86.hpp"

namespace auk::machine {
namespace {

constexpr u16 privilege_bits = 3, table_bit = 4, index_shift = 3;
constexpr usize own_slot = x86::own_table_selector >> index_shift;

/// A descriptor of code or data, as two words of the CPU's.
struct Segment {
  u64 bits = 0;

  bool bit(unsigned n) const { return (bits >> n & 1) != 0; }
  /// Neither a gate nor a table.
  bool is_memory() const { return bit(44); }
  bool is_code() const { return bit(43); }
  /// Code that keeps its caller's privilege.
  bool is_conforming() const { return bit(42); }
  bool is_readable() const { return !is_code() || bit(41); }
  bool is_writable() const { return !is_code() && bit(41); }
  bool is_for_programs() const { return (bits >> 45 & privilege_bits) == privilege_bits; }
  bool is_present() const { return bit(47); }
  bool is_64bit() const { return bit(53); }
  bool has_32bit_default() const { return bit(54); }
  u64 last_byte() const {
    const u64 limit = (bits & 0xffff) | (bits >> 32 & 0xf0000);
    return bit(55) ? limit << page_shift | page_mask : limit;
  }
};

std::span<u64> gdt() {
  x86::TableRegister r{};
  asm volatile("sgdt %0" : "=m"(r));
  return {reinterpret_cast<u64*>(r.base), (usize{r.limit} + 1) / sizeof(u64)};
}

/// The low half of the slot's descriptor, laid out as that of a TSS.
constexpr u64 table_descriptor(u64 at, u64 limit) {
  constexpr u64 present_ldt = 0x82;
  return limit | (at & 0xffffff) << 16 | present_ldt << 40 | (at >> 24 & 0xff) << 56;
}

std::span<const u64> own_segments() {
  const auto table = gdt();
  const u64 low = table[own_slot];
  if (low == 0) return {};
  const u64 at = (low >> 16 & 0xffffff) | (low >> 56) << 24 | table[own_slot + 1] << 32;
  return {reinterpret_cast<const u64*>(at), ((low & 0xffff) + 1) / sizeof(u64)};
}

/// Of all zeros if there is none.
Segment segment_of(u16 selector) {
  const std::span<const u64> table = (selector & table_bit) != 0 ? own_segments() : gdt();
  const usize index = selector >> index_shift;
  return index < table.size() ? Segment{table[index]} : Segment{};
}

bool is_null(u64 selector) { return (selector & ~u64{privilege_bits}) == 0; }

/// Null for those whose loading would fault.
u16 loadable_or_null(u16 selector) {
  if (is_null(selector)) return 0;
  const Segment s = segment_of(selector);
  const bool loads = s.is_memory() && s.is_readable() && s.is_present() && s.is_for_programs();
  return loads ? selector : u16{0};
}

void load_ds(u16 s) { asm volatile("movl %0, %%ds" ::"r"(u32{s}) : "memory"); }
void load_es(u16 s) { asm volatile("movl %0, %%es" ::"r"(u32{s}) : "memory"); }
void load_fs(u16 s) { asm volatile("movl %0, %%fs" ::"r"(u32{s}) : "memory"); }
/// Behind the other base, because the load overwrites the one in use, which is the kernel's.
void load_gs(u16 s) {
  asm volatile("swapgs\n"
               "movl %0, %%gs\n"
               "swapgs" ::"r"(u32{s})
               : "memory");
}

}  // namespace

bool Selectors::any() const { return std::bit_cast<u64>(*this) != 0; }

Selectors read_selectors() {
  Selectors s;
  asm volatile("movw %%ds, %0\n"
               "movw %%es, %1\n"
               "movw %%fs, %2\n"
               "movw %%gs, %3"
               : "=m"(s.ds), "=m"(s.es), "=m"(s.fs), "=m"(s.gs));
  return s;
}

void put_selectors(Selectors s) {
  load_ds(loadable_or_null(s.ds));
  load_es(loadable_or_null(s.es));
  load_fs(loadable_or_null(s.fs));
  load_gs(loadable_or_null(s.gs));
}

void load_own_segments(std::span<const u64> descriptors) {
  const auto table = gdt();
  const bool are_some = !descriptors.empty();
  const u64 at = reinterpret_cast<u64>(descriptors.data());
  table[own_slot] = are_some ? table_descriptor(at, descriptors.size_bytes() - 1) : 0;
  table[own_slot + 1] = are_some ? at >> 32 : 0;
  x86::lldt(are_some ? x86::own_table_selector : u16{0});
}

void reload_own_ds_es() {
  u16 ds = 0, es = 0;
  asm volatile("movw %%ds, %0\n"
               "movw %%es, %1"
               : "=m"(ds), "=m"(es));
  if ((ds & table_bit) != 0) load_ds(loadable_or_null(ds));
  if ((es & table_bit) != 0) load_es(loadable_or_null(es));
}

bool is_stack_segment(u64 selector) {
  if (selector == x86::user_ds) return true;
  const Segment s = segment_of(static_cast<u16>(selector));
  return !is_null(selector) && s.is_memory() && s.is_writable() && s.is_present() &&
         s.is_for_programs();
}

std::optional<ReturnFault> return_fault(const Registers& r) {
  if (r.cs == x86::user_cs && r.ss == x86::user_ds) return std::nullopt;
  constexpr u8 not_present = 11, stack = 12, protection = 13;
  const auto fault = [](u8 vector, u64 selector) {
    return ReturnFault{vector, static_cast<u16>(selector & ~u64{privilege_bits})};
  };
  const auto has_privilege_of_programs = [](u64 selector) {
    return (selector & privilege_bits) == privilege_bits && !is_null(selector);
  };
  const Segment code = segment_of(static_cast<u16>(r.cs));
  if (!has_privilege_of_programs(r.cs) || !code.is_memory() || !code.is_code() ||
      !(code.is_for_programs() || code.is_conforming()) ||
      (code.is_64bit() && code.has_32bit_default()))
    return fault(protection, r.cs);
  if (!code.is_present()) return fault(not_present, r.cs);
  const Segment data = segment_of(static_cast<u16>(r.ss));
  if (!has_privilege_of_programs(r.ss) || !data.is_memory() || !data.is_writable() ||
      !data.is_for_programs())
    return fault(protection, r.ss);
  if (!data.is_present()) return fault(stack, r.ss);
  if (!code.is_64bit() && r.rip > code.last_byte()) return fault(protection, 0);
  return std::nullopt;
}

}  // namespace auk::machine
