#include "fs/overlay/overlay.hpp"
#include "vfs/mount_options.hpp"

namespace auk::fs::overlay {
namespace {

/// Those that say what is so anyway.
bool is_as_ever(std::string_view name, std::string_view value) {
  if (name == "index" || name == "metacopy" || name == "nfs_export" || name == "xino")
    return value == "off" || (name == "xino" && value == "auto");
  if (name == "redirect_dir") return value == "off" || value == "nofollow";
  if (name == "uuid") return value == "auto" || value == "null" || value == "off";
  return false;
}

}  // namespace

Result<Options> parse_options(std::string_view text) {
  Options o;
  TRY(vfs::each_option(text, [&](std::string_view name, std::string_view value) -> Result<void> {
    if (name == "lowerdir")
      o.lower = value;
    else if (name == "upperdir")
      o.upper = value;
    else if (name == "workdir")
      o.work = value;
    else if (name == "volatile")
      o.is_volatile = true;
    else if (!is_as_ever(name, value))
      return Errno::einval;
    return {};
  }));
  // A work directory is of use to an upper one only.
  if (o.lower.empty() || o.upper.empty() != o.work.empty()) return Errno::einval;
  return o;
}

bool next_layer(std::string_view& rest, std::span<char> out, std::string_view& path) {
  usize size = 0;
  while (!rest.empty() && rest.front() != ':') {
    if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
    if (size < out.size()) out[size++] = rest.front();
    rest.remove_prefix(1);
  }
  if (!rest.empty()) rest.remove_prefix(1);
  path = {out.data(), size};
  return size != 0;
}

}  // namespace auk::fs::overlay
