#include "core/symbols.hpp"

#include <algorithm>
#include <span>

namespace auk::core {
namespace {
struct Row {
  u32 offset;
  u32 name;
};
}  // namespace
}  // namespace auk::core

extern "C" {
extern const auk::byte __ld_text_start[], __ld_text_end[];
extern const auk::core::Row __ld_ksym_addrs[], __ld_ksym_addrs_end[];
extern const char __ld_ksym_names[];
extern const auk::byte __ld_build_id[], __ld_build_id_end[];
}

namespace auk::core {

bool is_kernel_text(uptr address) {
  return address >= reinterpret_cast<uptr>(__ld_text_start) &&
         address < reinterpret_cast<uptr>(__ld_text_end);
}

Symbol find_symbol(uptr address) {
  const std::span<const Row> rows(__ld_ksym_addrs, __ld_ksym_addrs_end);
  if (!is_kernel_text(address) || rows.empty()) return {};
  const u32 offset = static_cast<u32>(address - reinterpret_cast<uptr>(__ld_text_start));
  const auto after = std::upper_bound(rows.begin(), rows.end(), offset,
                                      [](u32 o, const Row& r) { return o < r.offset; });
  if (after == rows.begin()) return {};
  const Row& row = *(after - 1);
  const u64 end =
      after == rows.end() ? static_cast<u64>(__ld_text_end - __ld_text_start) : u64{after->offset};
  return {std::string_view(&__ld_ksym_names[row.name]), offset - row.offset, end - row.offset};
}

void write_symbol(Writer& out, uptr address) {
  const Symbol s = find_symbol(address);
  if (s.name.empty())
    format_to(out, "{:#016x}", u64{address});
  else
    format_to(out, "{}+{:#x}/{:#x}", s.name, s.offset, s.size);
}

std::string_view build_note() {
  return {reinterpret_cast<const char*>(__ld_build_id),
          static_cast<usize>(__ld_build_id_end - __ld_build_id)};
}

std::string_view build_id(std::span<char> buffer) {
  // An ELF note: name size, descriptor size, type, "GNU\0", descriptor.
  constexpr usize header = 16;
  const std::string_view note = build_note();
  Writer out(buffer);
  if (note.size() > header)
    for (const char c : note.substr(header)) format_to(out, "{:02x}", static_cast<u8>(c));
  return out.text();
}

}  // namespace auk::core
