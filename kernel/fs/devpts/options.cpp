#include "fs/devpts/options.hpp"

#include "vfs/mount_options.hpp"

namespace auk::fs::devpts {
namespace {

constexpr u32 rights = 0777;
/// EINVAL, vfs::unknown_parameter.
Result<void> parse_one(const vfs::Parameter& p, Options& o) {
  const auto [name, value, has_value] = p;
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
  } else if (name == "newinstance") {
    if (has_value) return Errno::einval;
  } else {
    return vfs::unknown_parameter;
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
  return o;
}

void show_options(const Options& o, Writer& out) {
  if (o.uid != Options::no_id) format_to(out, ",uid={}", o.uid);
  if (o.gid != Options::no_id) format_to(out, ",gid={}", o.gid);
  format_to(out, ",mode={:03o},ptmxmode={:03o}", o.mode, o.ptmx_mode);
  if (o.max != Options::most_terminals) format_to(out, ",max={}", o.max);
}

}  // namespace auk::fs::devpts
