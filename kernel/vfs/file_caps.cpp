#include "vfs/file_caps.hpp"

#include <algorithm>
#include <cstring>

#include "base/bytes.hpp"
#include "generated/uapi/capability.hpp"
#include "ident/cred.hpp"

namespace auk::vfs {
namespace {

/// Linux's vfs_ns_cap_data: little-endian words.
struct Stored {
  u32 magic;
  struct {
    u32 permitted, inheritable;
  } words[2];
  u32 root;
};
constexpr usize first_size = 12, second_size = 20, third_size = 24;
static_assert(sizeof(Stored) == third_size);

constexpr u32 revision_of(u32 magic) { return magic & uapi::vfs_cap_revision_mask; }

usize size_of_revision(u32 magic) {
  switch (revision_of(magic)) {
    case uapi::vfs_cap_revision_1: return first_size;
    case uapi::vfs_cap_revision_2: return second_size;
    case uapi::vfs_cap_revision_3: return third_size;
    default: return 0;
  }
}

bool is_none(Errno e) { return e == Errno::enodata || e == Errno::eopnotsupp; }

/// EINVAL, ENODATA, ERANGE: more than there can be.
Result<Stored> load(Inode& inode) {
  Stored s{};
  const std::span<byte> bytes(reinterpret_cast<byte*>(&s), sizeof(s));
  const usize size = TRY(inode.get_attribute(file_caps_name, bytes));
  if (size < sizeof(s.magic) || size != size_of_revision(s.magic)) return Errno::einval;
  return s;
}

}  // namespace

Result<FileCaps> file_caps(Inode& inode) {
  if (!may_have_file_caps(inode)) return Errno::enodata;
  Result<Stored> loaded = load(inode);
  if (!loaded.ok()) {
    if (!is_none(loaded.error())) return loaded.error();
    inode.is_without_caps.store_relaxed(true);
    return Errno::enodata;
  }
  const Stored& s = *loaded;
  if (s.root != 0) return Errno::enodata;
  const auto joined = [](u32 low, u32 high) { return (u64{high} << 32 | low) & ident::all_caps; };
  return FileCaps{.permitted = joined(s.words[0].permitted, s.words[1].permitted),
                  .inheritable = joined(s.words[0].inheritable, s.words[1].inheritable),
                  .is_effective = (s.magic & uapi::vfs_cap_flags_effective) != 0};
}

Result<void> check_file_caps(std::span<const byte> value) {
  u32 magic = 0;
  if (value.size() < sizeof(magic)) return Errno::einval;
  std::memcpy(&magic, value.data(), sizeof(magic));
  const u32 revision = magic & ~u32{uapi::vfs_cap_flags_effective};
  const bool is_new =
      revision == u32{uapi::vfs_cap_revision_2} || revision == u32{uapi::vfs_cap_revision_3};
  return is_new && value.size() == size_of_revision(magic) ? Result<void>() : Errno::einval;
}

Result<usize> show_file_caps(Inode& inode, std::span<byte> to) {
  Stored s = TRY(load(inode));
  usize size = size_of_revision(s.magic);
  if (size == first_size) return Errno::einval;
  if (size == third_size && s.root == 0) {
    s.magic = u32{uapi::vfs_cap_revision_2} | (s.magic & uapi::vfs_cap_flags_mask);
    size = second_size;
  }
  if (to.empty()) return size;
  if (to.size() < size) return Errno::erange;
  std::ranges::copy(object_bytes(s).first(size), to.begin());
  return size;
}

Result<void> drop_file_caps(Inode& inode) {
  if (!may_have_file_caps(inode)) return {};
  const Result<usize> there = inode.get_attribute(file_caps_name, {});
  if (there.ok())
    TRY(inode.remove_attribute(file_caps_name));
  else if (!is_none(there.error()))
    return there.error();
  inode.is_without_caps.store_relaxed(true);
  return {};
}

}  // namespace auk::vfs
