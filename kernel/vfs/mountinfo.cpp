// The text of /proc/PID/mountinfo: proc_pid_mountinfo(5).
#include <algorithm>

#include "base/fmt.hpp"
#include "vfs/device.hpp"
#include "vfs/mount_table.hpp"
#include "vfs/mounting.hpp"

namespace auk::vfs {
namespace {

/// Counts all characters and keeps those that fit.
class Text {
  std::span<char> room_;

 public:
  usize size = 0;
  explicit Text(std::span<char> room) : room_(room) {}
  void put(std::string_view s) {
    if (size < room_.size())
      std::copy_n(s.begin(), std::min(s.size(), room_.size() - size),
                  room_.begin() + static_cast<isize>(size));
    size += s.size();
  }
  void put_number(u64 n) {
    std::array<char, 20> digits{};
    usize at = digits.size();
    do {
      digits[--at] = static_cast<char>('0' + n % 10);
      n /= 10;
    } while (n != 0);
    put({digits.data() + at, digits.size() - at});
  }
  /// What would end a field is written as an octal number.
  void put_field(std::string_view s) {
    for (const char c : s) {
      if (c != ' ' && c != '\t' && c != '\n' && c != '\\' && c != '#') {
        put({&c, 1});
        continue;
      }
      const auto v = static_cast<unsigned char>(c);
      const std::array<char, 4> octal{'\\', static_cast<char>('0' + (v >> 6)),
                                      static_cast<char>('0' + (v >> 3 & 7)),
                                      static_cast<char>('0' + (v & 7))};
      put({octal.data(), octal.size()});
    }
  }
};

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
  std::array<char, path_max> text;
};

void put_line(Mount& m, std::string_view inner, std::string_view place, Scratch& scratch,
              Text& out) {
  out.put_number(m.id());
  out.put(" ");
  out.put_number(m.place() != nullptr ? m.place()->parent.id() : m.id());
  out.put(" ");
  out.put_number(device_major(m.super().device()));
  out.put(":");
  out.put_number(device_minor(m.super().device()));
  out.put(" ");
  out.put_field(inner);
  out.put(" ");
  out.put_field(place);
  out.put(m.has(mount_flag::read_only) ? " ro" : " rw");
  for (const Option& o : options)
    if (m.has(o.flag)) out.put(o.text);
  if (m.group != nullptr) {
    out.put(" shared:");
    out.put_number(m.group->id);
  }
  if (m.master != nullptr) {
    out.put(" master:");
    out.put_number(m.master->id);
  }
  if (m.is_unbindable) out.put(" unbindable");
  out.put(" - ");
  out.put_field(m.super().type());
  out.put(" ");
  out.put_field(m.source().empty() ? std::string_view("none") : m.source());
  out.put(m.super().is_read_only() ? " ro" : " rw");
  const usize size = m.super().show_options(scratch.text);
  out.put({scratch.text.data(), std::min(size, scratch.text.size())});
  out.put("\n");
}

}  // namespace

usize write_mountinfo(MountNamespace& space, const Path& root, std::span<char> out) {
  Text text(out);
  Result<mem::Box<Scratch>> made = mem::Box<Scratch>::make(ALLOC_SITE);
  Result<mem::Box<Scratch>> made_too = mem::Box<Scratch>::make(ALLOC_SITE);
  if (!made.ok() || !made_too.ok()) return 0;
  const mem::Box<Scratch> scratch = made.take();
  const mem::Box<Scratch> other = made_too.take();
  auto table = mount_table.lock();
  for (Mount& m : space.mounts) {
    std::string_view place;
    std::string_view inner;
    {
      const core::RcuReader reader;
      bool reachable = false;
      place = path_text({&m, &m.root()}, spot_of(root), scratch->text, reachable);
      if (!reachable) continue;
      inner = inner_text(m.root(), other->text);
    }
    // The scratch of the place is reused only behind it.
    put_line(m, inner, place, *other, text);
  }
  return text.size;
}

}  // namespace auk::vfs
