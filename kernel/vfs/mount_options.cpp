#include "vfs/mount_options.hpp"

namespace auk::vfs {

Result<u64> take_number(std::string_view& text, u32 base) {
  if (base == 0) {
    base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
      base = 16;
      text.remove_prefix(2);
    } else if (text.starts_with('0')) {
      base = 8;
    }
  }
  u64 n = 0;
  usize digits = 0;
  for (; !text.empty(); ++digits) {
    const char c = text.front();
    u32 digit = 36;
    if (c >= '0' && c <= '9') digit = static_cast<u32>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<u32>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<u32>(c - 'A') + 10;
    if (digit >= base) break;
    if (__builtin_mul_overflow(n, u64{base}, &n) || __builtin_add_overflow(n, u64{digit}, &n))
      return Errno::einval;
    text.remove_prefix(1);
  }
  if (digits == 0) return Errno::einval;
  return n;
}

Result<u64> whole_number(std::string_view text, u32 base) {
  const u64 n = TRY(take_number(text, base));
  if (!text.empty()) return Errno::einval;
  return n;
}

Result<u32> id_number(std::string_view text) {
  constexpr u64 no_id = ~u32{0};
  const u64 id = TRY(whole_number(text, 0));
  if (id >= no_id) return Errno::einval;
  return static_cast<u32>(id);
}

}  // namespace auk::vfs
