#include <algorithm>
#include <array>

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

/// EINVAL, vfs::unknown_parameter.
Result<void> parse_one(const vfs::Parameter& p, Options& o) {
  const auto [name, value, has_value] = p;
  if (name == "lowerdir") {
    o.lower = value;
  } else if (name == "upperdir") {
    o.upper = value;
  } else if (name == "workdir") {
    o.work = value;
  } else if (name == "volatile") {
    if (has_value) return Errno::einval;
    o.is_volatile = true;
  } else if (!is_as_ever(name, value)) {
    constexpr std::array known{"index", "metacopy", "nfs_export", "xino", "redirect_dir", "uuid"};
    return std::find(known.begin(), known.end(), name) != known.end() ? Errno::einval
                                                                      : vfs::unknown_parameter;
  }
  return {};
}

}  // namespace

vfs::Taken check_option(const vfs::Parameter& p) {
  Options o;
  return vfs::taken(parse_one(p, o));
}

Result<Options> parse_options(const vfs::Parameters& p) {
  Options o;
  TRY(p.each([&](const vfs::Parameter& one) { return parse_one(one, o); }));
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
