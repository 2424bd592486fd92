#include "fs/tmpfs/options.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace auk::fs::tmpfs {
namespace {

/// A number at the front of the text, in the base its prefix names unless one is given.
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

/// With a letter for thousands behind it, as memparse has it.
Result<u64> amount(std::string_view text, u64 memory_bytes) {
  u64 n = TRY(take_number(text, 0));
  if (text == "%") {
    constexpr u64 hundred = 100;
    if (__builtin_mul_overflow(n, memory_bytes / hundred, &n)) return Errno::einval;
    return n;
  }
  if (!text.empty()) {
    constexpr std::string_view letters = "kmgtpe";
    const char lower = static_cast<char>(text.front() | 0x20);
    const usize power = letters.find(lower);
    if (power == std::string_view::npos || text.size() > 1) return Errno::einval;
    const u64 factor = u64{1} << (10 * (power + 1));
    if (__builtin_mul_overflow(n, factor, &n)) return Errno::einval;
  }
  return n;
}

Result<void> parse_one(std::string_view name, std::string_view value, u64 memory_pages,
                       Options& o) {
  constexpr u64 no_id = ~u32{0};
  if (name == "size") {
    const u64 bytes = TRY(amount(value, memory_pages * page_size));
    o.blocks = bytes / page_size + (bytes % page_size != 0);
    o.has_blocks = true;
  } else if (name == "nr_blocks") {
    o.blocks = TRY(amount(value, 0));
    if (o.blocks > static_cast<u64>(std::numeric_limits<i64>::max())) return Errno::einval;
    o.has_blocks = true;
  } else if (name == "nr_inodes") {
    o.inodes = TRY(amount(value, 0));
    o.has_inodes = true;
  } else if (name == "mode") {
    o.mode = static_cast<u32>(TRY(whole_number(value, 8))) & 07777;
  } else if (name == "uid" || name == "gid") {
    const u64 id = TRY(whole_number(value, 0));
    if (id >= no_id) return Errno::einval;
    (name == "uid" ? o.uid : o.gid) = static_cast<u32>(id);
  } else if (name == "huge") {
    constexpr std::array kinds{std::string_view("never"), std::string_view("always"),
                               std::string_view("within_size"), std::string_view("advise")};
    // Without huge pages "never" is all there is.
    if (std::find(kinds.begin(), kinds.end(), value) == kinds.end()) return Errno::einval;
    if (value != kinds[0]) return Errno::einval;
  } else if (name != "inode64" && name != "inode32" && name != "noswap") {
    return Errno::einval;
  }
  return {};
}

}  // namespace

Result<void> parse_options(std::string_view text, u64 memory_pages, Options& o) {
  while (!text.empty()) {
    const std::string_view option = text.substr(0, std::min(text.find(','), text.size()));
    text.remove_prefix(std::min(option.size() + 1, text.size()));
    if (option.empty()) continue;
    const usize equals = std::min(option.find('='), option.size());
    const std::string_view value =
        equals < option.size() ? option.substr(equals + 1) : std::string_view();
    TRY(parse_one(option.substr(0, equals), value, memory_pages, o));
  }
  return {};
}

}  // namespace auk::fs::tmpfs
