#include "vfs/xattr.hpp"

#include "vfs/file_caps.hpp"
#include "vfs/rights.hpp"

namespace auk::vfs {
namespace {

using ident::Cap;

enum class Doing : u8 { read, write };

/// The namespaces that a file system may keep; the bare prefix is no name.
constexpr std::array<std::string_view, 3> kept{"user.", "trusted.", "security."};

Result<void> check_name(std::string_view name) {
  for (const std::string_view prefix : kept)
    if (name.starts_with(prefix))
      return name == prefix ? Result<void>(Errno::einval) : Result<void>();
  return Errno::eopnotsupp;
}

Result<void> check_rights(const Asker& who, const Inode& inode, std::string_view name,
                          Doing doing) {
  if (name == file_caps_name)
    return doing == Doing::write && !who.cred.has(Cap::setfcap) ? Result<void>(Errno::eperm)
                                                                : Result<void>();
  const Errno refusal = doing == Doing::write ? Errno::eperm : Errno::enodata;
  if (name.starts_with("security."))
    return doing == Doing::write && !who.cred.has(Cap::sys_admin) ? Result<void>(Errno::eperm)
                                                                  : Result<void>();
  if (name.starts_with("system.")) return {};
  if (name.starts_with("trusted."))
    return who.cred.has(Cap::sys_admin) ? Result<void>() : Result<void>(refusal);
  if (name.starts_with("user.")) {
    if (!inode.is_regular() && !inode.is_directory()) return refusal;
    // Where everybody may write, nobody may leave attributes on another's directory.
    if (doing == Doing::write && inode.is_directory() &&
        (inode.mode.load_relaxed() & mode::sticky) != 0 && !owns(who, inode))
      return Errno::eperm;
  }
  return check_permission(inode, who.cred, doing == Doing::write ? Want::write : Want::read);
}

}  // namespace

Result<usize> get_attribute(const Asker& who, const Path& at, std::string_view name,
                            std::span<byte> to) {
  Inode& inode = at.inode();
  TRY(check_rights(who, inode, name, Doing::read));
  TRY(check_name(name));
  auto still = inode.lock.lock();
  return name == file_caps_name ? show_file_caps(inode, to) : inode.get_attribute(name, to);
}

Result<void> set_attribute(const Asker& who, const Path& at, std::string_view name,
                           std::span<const byte> value, u32 flags) {
  WriteAccess write;
  TRY(write.begin(*at.mount));
  if (name == file_caps_name && !value.empty()) TRY(check_file_caps(value));
  Inode& inode = at.inode();
  TRY(check_rights(who, inode, name, Doing::write));
  TRY(check_name(name));
  auto changing = inode.lock.lock();
  if (name == file_caps_name) inode.is_without_caps.store_relaxed(false);
  TRY(inode.set_attribute(name, value, flags));
  inode.touch(false);
  return {};
}

Result<void> remove_attribute(const Asker& who, const Path& at, std::string_view name) {
  WriteAccess write;
  TRY(write.begin(*at.mount));
  Inode& inode = at.inode();
  TRY(check_rights(who, inode, name, Doing::write));
  TRY(check_name(name));
  auto changing = inode.lock.lock();
  TRY(inode.remove_attribute(name));
  inode.touch(false);
  return {};
}

Result<usize> list_attributes(const Asker& who, const Path& at, std::span<char> to) {
  Inode& inode = at.inode();
  auto still = inode.lock.lock();
  return inode.list_attributes(who.cred.has(Cap::sys_admin), to);
}

}  // namespace auk::vfs
