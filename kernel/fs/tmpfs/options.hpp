// The options of a tmpfs: tmpfs(5).
#pragma once
#include "vfs/parameters.hpp"

namespace auk::fs::tmpfs {

struct Options {
  u64 blocks = 0;  ///< pages, 0: no limit
  u64 inodes = 0;  ///< 0: no limit
  u32 mode = 01777, uid = 0, gid = 0;
  bool has_blocks = false, has_inodes = false;
  /// What is said of numbers and of swap; both have no effect here.
  bool is_inode32 = false, is_never_swapped = false;
  bool is_internal = false;  ///< no program can mount it
};

vfs::Taken check_option(const vfs::Parameter& p);
/// Changes what is named. `memory_pages`: what "size=N%" is part of. EINVAL.
Result<void> parse_options(const vfs::Parameters& p, u64 memory_pages, Options& o);

}  // namespace auk::fs::tmpfs
