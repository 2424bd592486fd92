// Calls of old that programs still make: see ustat(2), sysfs(2), vhangup(2).
#include "proc/jobs.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "vfs/mounting.hpp"

namespace auk::syscall::calls {

Value ustat(Task&, u32 device, UserOut<uapi::ustat> to) {
  const vfs::FsInfo info = TRY(vfs::info_of_device(device));
  uapi::ustat s{};
  s.f_tfree = static_cast<i32>(info.free_blocks);
  s.f_tinode = info.free_files;
  return done(to.store(s));
}

namespace {

/// The kind of file systems with a number, or with a name; and how many there are before it.
template <class F> const vfs::FileSystem* find_kind(u64& index, F is_meant) {
  index = 0;
  const vfs::FileSystem* f = vfs::next_file_system(nullptr);
  for (; f != nullptr && !is_meant(*f); f = vfs::next_file_system(f)) ++index;
  return f;
}

}  // namespace

Value sysfs(Task&, int option, u64 first, UserAddr second) {
  enum : int { index_of_name = 1, name_of_index = 2, count = 3 };
  u64 index = 0;
  switch (option) {
    case index_of_name: {
      const mem::Box<PathText> name = TRY(PathText::load(UserStr(UserAddr(first))));
      const auto has_name = [&](const vfs::FileSystem& f) { return f.name() == name->view(); };
      if (find_kind(index, has_name) == nullptr) return Errno::einval;
      return index;
    }
    case name_of_index: {
      const auto has_index = [&](const vfs::FileSystem&) {
        return index == static_cast<u32>(first);
      };
      const vfs::FileSystem* const f = find_kind(index, has_index);
      if (f == nullptr) return Errno::einval;
      // Names stand in literals: a zero follows.
      return done(core::write_user(second, f->name().data(), f->name().size() + 1));
    }
    case count: {
      (void)find_kind(index, [](const vfs::FileSystem&) { return false; });
      return index;
    }
    default: return Errno::einval;
  }
}

Value vhangup(Task& me) {
  if (!me.cred().has(ident::Cap::sys_tty_config)) return Errno::eperm;
  if (const Ref<proc::Terminal> terminal = proc::terminal_of(me)) terminal->end_for_all();
  return u64{0};
}

}  // namespace auk::syscall::calls
