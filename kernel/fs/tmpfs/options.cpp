#include "fs/tmpfs/options.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "vfs/mount_options.hpp"

namespace auk::fs::tmpfs {
namespace {

/// With a letter for thousands behind it, as memparse has it.
Result<u64> amount(std::string_view text, u64 memory_bytes) {
  u64 n = TRY(vfs::take_number(text, 0));
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

/// EINVAL, vfs::unknown_parameter.
Result<void> parse_one(const vfs::Parameter& p, u64 memory_pages, Options& o) {
  const auto [name, value, has_value] = p;
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
    o.mode = static_cast<u32>(TRY(vfs::whole_number(value, 8))) & 07777;
  } else if (name == "uid" || name == "gid") {
    (name == "uid" ? o.uid : o.gid) = TRY(vfs::id_number(value));
  } else if (name == "huge") {
    constexpr std::array kinds{std::string_view("never"), std::string_view("always"),
                               std::string_view("within_size"), std::string_view("advise")};
    // Without huge pages "never" is all there is.
    if (std::find(kinds.begin(), kinds.end(), value) == kinds.end()) return Errno::einval;
    if (value != kinds[0]) return Errno::einval;
  } else if (name == "inode64" || name == "inode32" || name == "noswap") {
    if (has_value) return Errno::einval;
    if (name == "noswap")
      o.is_never_swapped = true;
    else
      o.is_inode32 = name == "inode32";
  } else {
    return vfs::unknown_parameter;
  }
  return {};
}

}  // namespace

vfs::Taken check_option(const vfs::Parameter& p) {
  Options o;
  return vfs::taken(parse_one(p, 0, o));
}

Result<void> parse_options(const vfs::Parameters& p, u64 memory_pages, Options& o) {
  return p.each([&](const vfs::Parameter& one) { return parse_one(one, memory_pages, o); });
}

}  // namespace auk::fs::tmpfs
