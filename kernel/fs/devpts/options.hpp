// The options of a devpts: Linux Documentation/filesystems/devpts.rst.
#pragma once
#include "base/fmt.hpp"
#include "vfs/parameters.hpp"

namespace auk::fs::devpts {

struct Options {
  static constexpr u32 no_id = ~u32{0}, most_terminals = u32{1} << 20;
  u32 uid = no_id, gid = no_id;  ///< of terminals; without, those of who opens the master
  u32 mode = 0600, ptmx_mode = 0;
  u32 max = most_terminals;
};
vfs::Taken check_option(const vfs::Parameter& p);
/// EINVAL.
Result<Options> parse_options(const vfs::Parameters& p);
/// As /proc/mounts shows them, each with a comma before it.
void show_options(const Options& o, Writer& out);

}  // namespace auk::fs::devpts
