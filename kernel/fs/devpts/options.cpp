#include "fs/devpts/options.hpp"

#include "vfs/mount_options.hpp"

namespace auk::fs::devpts {
namespace {

constexpr u32 rights = 0777;

}  // namespace

Result<Options> parse_options(std::string_view text) {
  Options o;
  TRY(vfs::each_option(text, [&](std::string_view name, std::string_view value) -> Result<void> {
    if (name == "uid") {
      o.uid = TRY(vfs::id_number(value));
    } else if (name == "gid") {
      o.gid = TRY(vfs::id_number(value));
    } else if (name == "mode") {
      o.mode = static_cast<u32>(TRY(vfs::whole_number(value, 8))) & rights;
    } else if (name == "ptmxmode") {
      o.ptmx_mode = static_cast<u32>(TRY(vfs::whole_number(value, 8))) & rights;
    } else if (name == "max") {
      const u64 max = TRY(vfs::whole_number(value, 0));
      if (max > Options::most_terminals) return Errno::einval;
      o.max = static_cast<u32>(max);
    } else if (name != "newinstance") {
      return Errno::einval;
    }
    return {};
  }));
  return o;
}

void show_options(const Options& o, Writer& out) {
  if (o.uid != Options::no_id) format_to(out, ",uid={}", o.uid);
  if (o.gid != Options::no_id) format_to(out, ",gid={}", o.gid);
  format_to(out, ",mode={:03o},ptmxmode={:03o}", o.mode, o.ptmx_mode);
  if (o.max != Options::most_terminals) format_to(out, ",max={}", o.max);
}

}  // namespace auk::fs::devpts
