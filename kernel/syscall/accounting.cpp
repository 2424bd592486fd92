// Records of processes that end. See acct(2).
#include "proc/accounting.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "vfs/pin.hpp"

namespace auk::syscall::calls {

Value acct(Task& me, UserStr path) {
  if (!me.cred().has(ident::Cap::sys_pacct)) return Errno::eperm;
  if (path.is_null()) {
    proc::end_accounting(me.pid_space());
    return u64{0};
  }
  const mem::Box<PathText> text = TRY(PathText::load(path));
  const vfs::Path at = TRY(vfs::find(me.asker(), {}, text->view(), vfs::WalkFlag::follow));
  constexpr u32 flags =
      vfs::open_flag::write_only | vfs::open_flag::append | vfs::open_flag::large_file;
  // Whoever may open it there; then it is opened where nobody unmounts it.
  TRY(vfs::open_path(me.asker(), at, flags, false));
  vfs::Asker who = me.asker();
  who.is_stacked = true;
  Ref<io::File> file = TRY(vfs::open_path(who, TRY(vfs::set_aside(at)), flags, true));
  if (!at.inode().is_regular()) return Errno::eacces;
  if (at.inode().super().is_internal()) return Errno::einval;
  TRY(proc::begin_accounting(me, std::move(file), *at.mount));
  return u64{0};
}

}  // namespace auk::syscall::calls
