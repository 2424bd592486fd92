// Extended attributes: see setxattr(2), getxattr(2), listxattr(2), removexattr(2).
#include <algorithm>

#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/limits.hpp"
#include "generated/uapi/xattr.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "vfs/xattr.hpp"

namespace auk::syscall::calls {
namespace {

/// A name of the program, copied in. ERANGE if it is empty or too long.
class AttributeName {
  std::array<char, uapi::xattr_name_max + 1> text_;
  usize size_ = 0;

 public:
  Result<void> load(UserStr s) {
    Result<usize> n = s.load(text_);
    if (!n.ok()) return n.error() == Errno::enametoolong ? Errno::erange : n.error();
    size_ = *n;
    return size_ == 0 ? Result<void>(Errno::erange) : Result<void>();
  }
  std::string_view view() const { return {text_.data(), size_}; }
};

/// Up to 64 KiB on their way to or from the program. Empty without memory of its own.
class Buffer {
  void* memory_ = nullptr;
  usize size_ = 0;

 public:
  Buffer() = default;
  ~Buffer() { mem::free(memory_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Result<void> prepare(usize size) {
    if (size != 0) memory_ = TRY(mem::allocate(ALLOC_SITE, size));
    size_ = size;
    return {};
  }
  template <class T> std::span<T> as() const { return {static_cast<T*>(memory_), size_}; }
};

Result<vfs::Path> named(Task& me, UserStr path, int flags) {
  return find_path(me, cwd, path, flags);
}
Result<vfs::Path> opened(Task& me, Fd fd) {
  const io::FileLoan f = TRY(file_of(me, fd));
  const vfs::Path* const at = vfs::path_of(*f);
  // What has no inode of a file system keeps no attributes.
  if (at == nullptr) return Errno::eopnotsupp;
  return *at;
}

Value set_on(Task& me, const vfs::Path& at, UserStr name, UserAddr value, u64 size, u32 flags) {
  if ((flags & ~static_cast<u32>(uapi::xattr_create | uapi::xattr_replace)) != 0)
    return Errno::einval;
  AttributeName n;
  TRY(n.load(name));
  if (size > uapi::xattr_size_max) return Errno::e2big;
  Buffer b;
  TRY(b.prepare(size));
  if (size != 0) TRY(core::read_user(b.as<byte>().data(), value, size));
  return done(vfs::set_attribute(me.asker(), at, n.view(), b.as<const byte>(), flags));
}

Value get_from(Task& me, const vfs::Path& at, UserStr name, UserAddr value, u64 size) {
  AttributeName n;
  TRY(n.load(name));
  Buffer b;
  TRY(b.prepare(std::min<u64>(size, uapi::xattr_size_max)));
  const usize got = TRY(vfs::get_attribute(me.asker(), at, n.view(), b.as<byte>()));
  if (size != 0) TRY(core::write_user(value, b.as<byte>().data(), got));
  return u64{got};
}

Value list_from(Task& me, const vfs::Path& at, UserAddr list, u64 size) {
  Buffer b;
  TRY(b.prepare(std::min<u64>(size, uapi::xattr_list_max)));
  const usize got = TRY(vfs::list_attributes(me.asker(), at, b.as<char>()));
  if (size != 0) TRY(core::write_user(list, b.as<char>().data(), got));
  return u64{got};
}

Value remove_from(Task& me, const vfs::Path& at, UserStr name) {
  AttributeName n;
  TRY(n.load(name));
  return done(vfs::remove_attribute(me.asker(), at, n.view()));
}

}  // namespace

Value setxattr(Task& me, UserStr path, UserStr name, UserAddr value, u64 size, u32 flags) {
  return set_on(me, TRY(named(me, path, 0)), name, value, size, flags);
}
Value lsetxattr(Task& me, UserStr path, UserStr name, UserAddr value, u64 size, u32 flags) {
  return set_on(me, TRY(named(me, path, uapi::at_symlink_nofollow)), name, value, size, flags);
}
Value fsetxattr(Task& me, Fd fd, UserStr name, UserAddr value, u64 size, u32 flags) {
  return set_on(me, TRY(opened(me, fd)), name, value, size, flags);
}

Value getxattr(Task& me, UserStr path, UserStr name, UserAddr value, u64 size) {
  return get_from(me, TRY(named(me, path, 0)), name, value, size);
}
Value lgetxattr(Task& me, UserStr path, UserStr name, UserAddr value, u64 size) {
  return get_from(me, TRY(named(me, path, uapi::at_symlink_nofollow)), name, value, size);
}
Value fgetxattr(Task& me, Fd fd, UserStr name, UserAddr value, u64 size) {
  return get_from(me, TRY(opened(me, fd)), name, value, size);
}

Value listxattr(Task& me, UserStr path, UserAddr list, u64 size) {
  return list_from(me, TRY(named(me, path, 0)), list, size);
}
Value llistxattr(Task& me, UserStr path, UserAddr list, u64 size) {
  return list_from(me, TRY(named(me, path, uapi::at_symlink_nofollow)), list, size);
}
Value flistxattr(Task& me, Fd fd, UserAddr list, u64 size) {
  return list_from(me, TRY(opened(me, fd)), list, size);
}

Value removexattr(Task& me, UserStr path, UserStr name) {
  return remove_from(me, TRY(named(me, path, 0)), name);
}
Value lremovexattr(Task& me, UserStr path, UserStr name) {
  return remove_from(me, TRY(named(me, path, uapi::at_symlink_nofollow)), name);
}
Value fremovexattr(Task& me, Fd fd, UserStr name) {
  return remove_from(me, TRY(opened(me, fd)), name);
}

}  // namespace auk::syscall::calls
