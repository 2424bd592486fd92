// The text of /proc/PID/mountinfo and mounts: proc_pid_mountinfo(5), fstab(5).
#include <algorithm>

#include "mem/text.hpp"
#include "vfs/device.hpp"
#include "vfs/mount_report.hpp"
#include "vfs/mount_table.hpp"
#include "vfs/mounting.hpp"

namespace auk::vfs {
namespace {

/// What would end a field.
constexpr std::string_view special = " \t\n\\#";

struct Option {
  u32 flag;
  std::string_view text;
};
constexpr std::array options{
    Option{mount_flag::no_suid, ",nosuid"},          Option{mount_flag::no_dev, ",nodev"},
    Option{mount_flag::no_exec, ",noexec"},          Option{mount_flag::no_atime, ",noatime"},
    Option{mount_flag::no_dir_atime, ",nodiratime"}, Option{mount_flag::rel_atime, ",relatime"},
    Option{mount_flag::no_symlinks, ",nosymfollow"},
};

struct Scratch {
  std::array<char, path_max> place, other;
};

std::string_view source_of(const Mount& m) {
  return m.source().empty() ? std::string_view("none") : m.source();
}

/// "rw" or "ro", and what else was asked of one mount.
void put_mount_options(const Mount& m, bool is_read_only, mem::Text& out) {
  out.put(is_read_only ? "ro" : "rw");
  for (const Option& o : options)
    if (m.has(o.flag)) out.put(o.text);
}

void put_super_options(Mount& m, Scratch& scratch, mem::Text& out) {
  const usize size = m.super().show_options(scratch.other);
  out.put({scratch.other.data(), std::min(size, scratch.other.size())});
}

/// f(Mount&, place, scratch) for each mount that is seen from `root`. ENOMEM.
template <class F> Result<void> each_mount(MountNamespace& space, const Path& root, F f) {
  const mem::Box<Scratch> scratch = TRY(mem::Box<Scratch>::make(ALLOC_SITE));
  auto table = mount_table.lock();
  for (Mount& m : space.mounts) {
    std::string_view place;
    bool reachable = false;
    {
      const core::RcuReader reader;
      place = path_text({&m, &m.root()}, spot_of(root), scratch->place, reachable);
    }
    if (reachable) f(m, place, *scratch);
  }
  return {};
}

}  // namespace

Result<void> write_mountinfo(MountNamespace& space, const Path& root, mem::Text& out) {
  return each_mount(space, root, [&](Mount& m, std::string_view place, Scratch& scratch) {
    const u32 parent = m.place() != nullptr ? m.place()->parent.id() : m.id();
    const u64 device = m.super().device();
    out.print("{} {} {}:{} ", m.id(), parent, dev::major_of(device), dev::minor_of(device));
    {
      const core::RcuReader reader;
      out.put_escaped(root_text(m, scratch.other), special);
    }
    out.put(' ');
    out.put_escaped(place, special);
    out.put(' ');
    put_mount_options(m, m.has(mount_flag::read_only), out);
    if (m.group != nullptr) out.print(" shared:{}", m.group->id);
    if (m.master != nullptr) {
      out.print(" master:{}", m.master->id);
      const u32 heard = dominating_group(m, spot_of(root));
      if (heard != 0 && heard != m.master->id) out.print(" propagate_from:{}", heard);
    }
    if (m.is_unbindable) out.put(" unbindable");
    out.put(" - ");
    out.put_escaped(m.super().type(), special);
    out.put(' ');
    out.put_escaped(source_of(m), special);
    out.put(m.super().is_read_only() ? " ro" : " rw");
    put_super_options(m, scratch, out);
    out.put('\n');
  });
}

Result<void> write_mounts(MountNamespace& space, const Path& root, mem::Text& out) {
  return each_mount(space, root, [&](Mount& m, std::string_view place, Scratch& scratch) {
    out.put_escaped(source_of(m), special);
    out.put(' ');
    out.put_escaped(place, special);
    out.put(' ');
    out.put_escaped(m.super().type(), special);
    out.put(' ');
    put_mount_options(m, m.is_read_only(), out);
    put_super_options(m, scratch, out);
    out.put(" 0 0\n");
  });
}

}  // namespace auk::vfs
