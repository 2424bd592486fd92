// Files by handles instead of names. See name_to_handle_at(2), open_by_handle_at(2).
#include "generated/uapi/fcntl.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "vfs/export.hpp"

namespace auk::syscall::calls {
namespace {

/// What a handle was made of.
struct Found {
  vfs::FileHandle handle;
  u32 mount = 0;
  u64 unique_mount = 0;
};

Result<Found> found_at(const vfs::Path& at, bool is_id) {
  return Found{.handle = TRY(vfs::handle_of(at, is_id)),
               .mount = at.mount->id(),
               .unique_mount = at.mount->unique_id()};
}

/// What a descriptor is open on, which may have no path.
Result<Found> found_behind(Task& me, Fd fd, bool is_id) {
  const Ref<io::File> f = TRY(me.files->get(fd.number));
  if (const vfs::Path* const p = vfs::path_of(*f)) return found_at(*p, is_id);
  if (!is_id) return Errno::eopnotsupp;
  io::FileStat s;
  TRY(f->stat(s));
  return Found{.handle = vfs::handle_of_number(s.inode)};
}

Result<Found> look(Task& me, Fd dir, UserStr path, u32 flags) {
  const bool is_id = (flags & uapi::at_handle_fid) != 0;
  const mem::Box<PathText> text = TRY(PathText::load(path));
  if (text->empty()) {
    if ((flags & uapi::at_empty_path) == 0) return Errno::enoent;
    if (dir.number == uapi::at_fdcwd) return found_at(me.fs->cwd(), is_id);
    return found_behind(me, dir, is_id);
  }
  vfs::WalkFlags how;
  if ((flags & uapi::at_symlink_follow) != 0) how |= vfs::WalkFlag::follow;
  const vfs::Path start = TRY(start_of(me, dir, text->view()));
  return found_at(TRY(vfs::find(me.asker(), start, text->view(), how)), is_id);
}

Result<void> put_mount(const Found& found, UserAddr to, bool is_unique) {
  if (is_unique) return UserOut<u64>(to).store(found.unique_mount);
  return UserOut<u32>(to).store(found.mount);
}

}  // namespace

Value name_to_handle_at(Task& me, Fd dir, UserStr path, UserAddr handle, UserAddr mount_id,
                        u32 flags) {
  constexpr u32 known = uapi::at_symlink_follow | uapi::at_empty_path | uapi::at_handle_fid |
                        uapi::at_handle_mnt_id_unique;
  if ((flags & ~known) != 0) return Errno::einval;
  const Found found = TRY(look(me, dir, path, flags));
  const vfs::FileHandle& h = found.handle;
  const auto size = static_cast<u32>(h.size * sizeof(u32));
  uapi::file_handle head{};
  TRY(core::read_user(&head, handle, sizeof(head)));
  if (head.handle_bytes > uapi::max_handle_sz) return Errno::einval;
  const bool fits = size <= head.handle_bytes;
  // Who has too little room learns how much there must be, and which mount it is.
  constexpr i32 no_type = 255;
  head = {.handle_bytes = size, .handle_type = fits ? static_cast<i32>(h.type) : no_type};
  TRY(put_mount(found, mount_id, (flags & uapi::at_handle_mnt_id_unique) != 0));
  TRY(core::write_user(handle, &head, sizeof(head)));
  if (!fits) return Errno::eoverflow;
  TRY(core::write_user(handle + sizeof(head), h.words.data(), size));
  return u64{0};
}

namespace {

Result<vfs::FileHandle> load_handle(UserAddr from) {
  uapi::file_handle head{};
  TRY(core::read_user(&head, from, sizeof(head)));
  if (head.handle_bytes == 0 || head.handle_bytes > uapi::max_handle_sz) return Errno::einval;
  vfs::FileHandle h;
  TRY(core::read_user(h.words.data(), from + sizeof(head), head.handle_bytes));
  h.type = static_cast<u32>(head.handle_type);
  h.size = head.handle_bytes / sizeof(u32);
  return h;
}

}  // namespace

Value open_by_handle_at(Task& me, Fd mount, UserAddr handle, u32 flags) {
  // What it leads to is of no interest, only through which mount.
  vfs::Path at;
  if (mount.number == uapi::at_fdcwd) {
    at = me.fs->cwd();
  } else {
    const io::FileLoan f = TRY(file_of(me, mount));
    if (const vfs::Path* const p = vfs::path_of(*f)) at = *p;
  }
  // No path is walked, so nobody looks at the rights of directories on the way.
  if (!me.cred().has(ident::Cap::dac_read_search)) return Errno::eperm;
  const vfs::FileHandle h = TRY(load_handle(handle));
  if (!at) return Errno::estale;
  at.dentry = TRY(vfs::find_by_handle(at.mount->super(), h));
  TRY(check_temporary(flags));
  Ref<io::File> f = TRY(vfs::open_found(me.asker(), at, flags | vfs::open_flag::large_file));
  return install_file(me, std::move(f), (flags & vfs::open_flag::close_on_exec) != 0);
}

}  // namespace auk::syscall::calls
