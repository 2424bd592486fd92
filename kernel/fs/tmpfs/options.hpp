// The options of a tmpfs: tmpfs(5).
#pragma once
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::fs::tmpfs {

struct Options {
  u64 blocks = 0;  ///< pages, 0: no limit
  u64 inodes = 0;  ///< 0: no limit
  u32 mode = 01777, uid = 0, gid = 0;
  bool has_blocks = false, has_inodes = false;
};

/// Changes what the text names. `memory_pages`: what "size=N%" is part of. EINVAL.
Result<void> parse_options(std::string_view text, u64 memory_pages, Options& o);

}  // namespace auk::fs::tmpfs
