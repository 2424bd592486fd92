// overlayfs: one tree out of several, of which only the first is written to.
//
// Purpose: a root that nobody may change, and changes that stand somewhere else.
// Data model: Super -> layers, each a private mount of the directory that was named: the upper one,
// if there is one, then the lower ones from the topmost down. OverlayInode -> what it stands for:
// its entry of the upper layer, and those of lower ones: a directory has one in each layer that
// takes part, anything else only the one it came from. A file that is to be changed comes up first,
// and before it the directories above it, from the top down. What is removed but stands in a lower
// layer is hidden by a whiteout (a character device 0:0); a directory of the upper layer that hides
// what is below it has the attribute trusted.overlay.opaque. Changes of more than one step are
// prepared in the work directory and take effect by one rename.
// Mode, owner, times and links of an OverlayInode are copies of those it stands for: whoever
// changes one changes both. The pages are those of the file itself.
// Locking: inodes and renames of an overlay take the outer positions, so those of the layers can be
// taken inside. The lock of a directory orders all changes below it, in the overlay and in its
// upper layer. Level copying_up guards the coming up of one inode, and that it loses its name
// meanwhile; one such lock is held at a time. What an inode has in the upper layer is set once and
// read without a lock.
// Context: threads.
// Differences from Linux: no redirects (a directory of lower layers cannot be renamed: EXDEV), no
// index (names of one lower file become files of their own), no metacopy, no xino; handles are only
// ids, as without nfs_export; an overlay cannot be a layer of another.
// Source: Linux Documentation/filesystems/overlayfs.rst.
#pragma once
#include <algorithm>

#include "base/tree.hpp"
#include "ident/cred.hpp"
#include "vfs/export.hpp"
#include "vfs/fs_context.hpp"
#include "vfs/mounting.hpp"
#include "vfs/operations.hpp"

namespace auk::fs::overlay {

/// What mount(2) was told.
struct Options {
  std::string_view lower, upper, work;
  bool is_volatile = false;
};
vfs::Taken check_option(const vfs::Parameter& p);
/// What it returns looks into `p`. EINVAL.
Result<Options> parse_options(const vfs::Parameters& p);
/// Cuts the next path off `rest`: a colon ends it, a backslash quotes one. `out` has room for all
/// of it. False at the end.
bool next_layer(std::string_view& rest, std::span<char> out, std::string_view& path);

struct Layer {
  vfs::Path root;
  u64 device = 0;  ///< st_dev of what is no directory in it
};

/// A file's entry in a lower layer.
struct Below {
  Ref<vfs::Dentry> dentry;
  u32 layer = 0;
};

constexpr std::string_view opaque_name = "trusted.overlay.opaque";

class OverlayInode;
/// The overlay inodes of files of the upper layer, so that all names of one lead to the same.
struct ByUpper {
  bool operator()(const OverlayInode& a, const OverlayInode& b) const;
  bool operator()(const vfs::Inode* a, const OverlayInode& b) const;
  bool operator()(const OverlayInode& a, const vfs::Inode* b) const;
};

/// A name of a directory that has several layers.
struct Listed {
  TreeHook hook;
  u64 place = 0;  ///< a hash of the name: stays the same when the list is made anew
  u64 number = 0;
  u8 type = 0;
  bool is_hidden = false;
  u8 size = 0;
  std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), size}; }
};
struct ByPlace {
  bool operator()(const Listed& a, const Listed& b) const {
    return a.place != b.place ? a.place < b.place : a.name() < b.name();
  }
  bool operator()(u64 a, const Listed& b) const { return a < b.place; }
};
/// What a directory shows, while nothing in it changes.
class Listing {
  Tree<Listed, &Listed::hook, ByPlace> names_;
  const u64 key_;

 public:
  explicit Listing(u64 key) : key_(key) {}
  ~Listing();
  /// Unless a layer further up has it. ENOMEM.
  Result<void> add(std::string_view name, u64 number, u8 type, bool is_hidden);
  bool is_empty() const;
  Result<void> read(u64& position, io::DirSink& sink) const;
};

class Super;

class OverlayInode final : public vfs::Inode {
  friend struct ByUpper;
  friend class Super;

  const Below* below_ =
      nullptr;  ///< owned, of `below_count_`; the references go with the last user
  u32 below_count_ = 0;
  std::string_view target_;
  // Where it stands, for as long as it may have to come up.
  Ref<vfs::Dentry> directory_;
  char* name_ = nullptr;  ///< owned
  usize name_size_ = 0;

  Atomic<vfs::Inode*> upper_{nullptr};          ///< counted
  Atomic<vfs::Dentry*> upper_dentry_{nullptr};  ///< counted; of a directory
  TreeHook by_upper_;
  struct Coming {
    bool has_lost_name = false;
  };
  core::Guarded<core::level::copying_up, Coming, sched::SleepLock> coming_;
  struct Shown {
    mem::Box<Listing> listing;
  };
  core::Guarded<core::level::overlay_list, Shown, sched::SleepLock> shown_;

  void dispose() override { mem::destroy(this); }
  void evict() override;
  void take_facts(const vfs::Inode& from);
  void set_upper(vfs::Dentry& entry);
  void share_pages(const vfs::Inode& with);
  bool is_merged() const { return below_count_ + (upper() != nullptr ? 1 : 0) > 1; }

  // copy_up.cpp
  Result<void> come_up_alone(Keep keep);
  Result<Ref<vfs::Dentry>> make_copy(std::string_view name, Keep keep);

  // change.cpp: entries of this directory, whose lock is held.
  vfs::Path upper_path() const;
  Result<bool> is_hidden(std::string_view name);
  Result<bool> is_in_lower(std::string_view name);
  Result<Ref<OverlayInode>> stand_for(vfs::Dentry& made);
  Result<Ref<OverlayInode>> create_directly(std::string_view name, const vfs::NewInode& fresh);
  Result<Ref<OverlayInode>> create_over_whiteout(std::string_view name, const vfs::NewInode& fresh);
  Result<void> hide(std::string_view name, const OverlayInode& victim);
  Result<void> remove_upper(std::string_view name, const OverlayInode& victim);
  Result<void> move_upper(const OverlayInode& moving, std::string_view from, OverlayInode& to_dir,
                          std::string_view to);
  void lost_name(Coming& coming);
  void take_time();
  void changed();

  // listing.cpp
  Result<void> list(Shown& shown);
  Result<bool> is_empty();
  Result<void> read_alone(u64& position, io::DirSink& sink);

 public:
  OverlayInode(Super& super, const vfs::NewInode& fresh);
  ~OverlayInode();
  /// For entries of the layers. `directory` and `name`: where it stands. ENOMEM.
  static Result<Ref<OverlayInode>> make(Super& super, vfs::Dentry* upper, std::span<Below> below,
                                        vfs::Dentry* directory, std::string_view name);
  Super& overlay() const;
  vfs::Inode* upper() const { return upper_.load_acquire(); }
  /// Of a directory that has come up.
  vfs::Dentry& upper_dentry() const { return *upper_dentry_.load_acquire(); }
  /// What it stands for.
  vfs::Inode& real() const {
    vfs::Inode* const u = upper();
    return u != nullptr ? *u : below_[0].dentry->inode();
  }
  u32 below() const { return below_count_; }
  const Below& below(u32 i) const { return below_[i]; }
  /// Puts it into the upper layer, and before it all directories above it. Its own lock may be
  /// held. EROFS, ENOSPC, ENOMEM, EIO.
  Result<void> come_up(Keep keep = Keep::bytes);

  void fill_stat(io::FileStat& s) const override;
  Result<void> set_rights(u32 rights, u32 new_uid, u32 new_gid) override;
  Result<void> set_times(const vfs::NewTimes& times) override;
  Result<void> resize(u64 size) override;
  Result<void> allocate(vfs::Space what, u64 start, u64 end) override;
  Result<void> prepare_write(Keep keep) override { return come_up(keep); }
  void touch(bool modified) override;
  void note_access(i64 when_ns) override;
  u64 size_without_pages() const override { return real().size(); }
  std::string_view target() const override { return target_; }
  Result<usize> get_attribute(std::string_view name, std::span<byte> to) override;
  Result<void> set_attribute(std::string_view name, std::span<const byte> value,
                             u32 flags) override;
  Result<void> remove_attribute(std::string_view name) override;
  Result<usize> list_attributes(bool with_trusted, std::span<char> to) override;

  vfs::Cached cached_names() const override {
    return is_directory() ? vfs::Cached::some : vfs::Cached::all;
  }
  Result<Ref<Inode>> lookup(vfs::Dentry& dir, std::string_view name) override;
  Result<Ref<Inode>> create(vfs::Dentry& entry, std::string_view name,
                            const vfs::NewInode& fresh) override;
  Result<Ref<Inode>> create_unnamed(const vfs::NewInode& fresh) override;
  Result<void> link(vfs::Dentry& entry, std::string_view name, Inode& target) override;
  Result<void> remove(vfs::Dentry& entry) override;
  Result<void> move(const vfs::Move& m) override;
  Result<void> read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) override;
};

class Super final : public vfs::Superblock, public vfs::Exporter {
  friend class OverlayInode;
  Layer* layers_ = nullptr;  ///< owned, of `layer_count_`
  u32 layer_count_ = 0;
  bool has_upper_ = false, has_one_device_ = true;
  vfs::Path work_;
  Ref<vfs::FsContext> fs_;
  Ref<ident::Cred> cred_;
  char* shown_ = nullptr;  ///< owned: the options
  usize shown_size_ = 0;
  Atomic<u32> next_temporary_{0};
  const u64 listing_key_;
  core::Guarded<core::level::object, Tree<OverlayInode, &OverlayInode::by_upper_, ByUpper>,
                core::SpinPreemptOff>
      living_;

  void dispose() override { mem::destroy(this); }
  void released() override;
  bool can_find() const override { return false; }
  vfs::FileHandle handle_of(vfs::Inode& i, vfs::Dentry* alias) override;
  Result<void> add_layer(const vfs::Path& at);
  Result<void> add_layers(const vfs::Asker& who, const Options& o);
  Result<void> check_layers() const;
  Result<void> prepare_work(const vfs::Path& base);
  void set_devices();
  Result<void> fill(const vfs::Asker& who, const Options& o);

 public:
  static constexpr u32 most_layers = 500;

  Super();
  ~Super() = default;
  /// The errors of mount(2).
  static Result<Ref<vfs::Superblock>> open(const vfs::Asker& who, const vfs::Parameters& p);

  /// Who mounted, to whom the layers belong.
  vfs::Asker mounter() const { return {*fs_, *cred_, nullptr, true}; }
  bool has_upper() const { return has_upper_; }
  /// There is an upper layer, and nobody has made its file system read-only since. EROFS.
  Result<void> check_writable() const;
  u32 layers() const { return layer_count_; }
  const Layer& layer(u32 i) const { return layers_[i]; }
  /// An entry of a layer as a path.
  vfs::Path path(u32 layer, vfs::Dentry& d) const {
    return {layers_[layer].root.mount, Ref<vfs::Dentry>(d)};
  }
  u64 listing_key() const { return listing_key_; }
  const vfs::Path& work() const { return work_; }
  u64 device_of(const OverlayInode& i) const;
  bool has_one_device() const { return has_one_device_; }

  /// A name in the work directory that nobody else uses.
  using Temporary = std::array<char, 16>;
  std::string_view temporary(Temporary& memory);
  /// A whiteout in the work directory.
  Result<void> make_whiteout(std::string_view name);
  /// Takes away what stands in the work directory.
  void discard(std::string_view name);

  /// The one for a file of the upper layer, if anybody has it; else `fresh`, which is it then.
  Ref<OverlayInode> the_one(Ref<OverlayInode> fresh);
  void forget(OverlayInode& i);

  std::string_view type() const override { return "overlay"; }
  /// None if a layer has none.
  vfs::Exporter* exporter() override;
  vfs::FsInfo info() override;
  Result<void> begin_writing() override {
    return has_upper() ? Superblock::begin_writing() : Result<void>(Errno::erofs);
  }
  vfs::Taken check(const vfs::Parameter&) const override { return vfs::Taken::unchanged; }
  usize show_options(std::span<char> out) override;
};

inline bool is_whiteout(const vfs::Inode& i) {
  return i.type() == vfs::mode::character && i.raw_device == 0;
}
/// A directory that hides what lower layers have under its name.
bool is_opaque(vfs::Inode& directory);
/// The entry of a directory of a layer; null if there is none.
Result<Ref<vfs::Dentry>> look_in(vfs::Dentry& dir, std::string_view name);
/// A directory of a layer hides what is further down under the name.
Result<bool> has_whiteout(vfs::Dentry& dir, std::string_view name);
/// Calls f(name), which answers with a Result, for each extended attribute of an inode whose lock
/// is held. E2BIG, ENOMEM.
template <class F> Result<void> each_attribute(vfs::Inode& i, bool with_trusted, F f) {
  constexpr usize most = 65536;  // XATTR_LIST_MAX
  const usize size = TRY(i.list_attributes(with_trusted, {}));
  if (size == 0) return {};
  if (size > most) return Errno::e2big;
  char* const memory = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, size)));
  const auto call = [&]() -> Result<void> {
    std::string_view rest(memory, TRY(i.list_attributes(with_trusted, {memory, size})));
    while (!rest.empty()) {
      const std::string_view name = rest.substr(0, rest.find('\0'));
      rest.remove_prefix(std::min(name.size() + 1, rest.size()));
      TRY(f(name));
    }
    return {};
  };
  const Result<void> r = call();
  mem::free(memory);
  return r.ok() ? Result<void>() : Result<void>(r.error());
}
/// Takes away all that is in a directory, which nobody else uses. ENOMEM, ENOTEMPTY: it is too
/// deep.
Result<void> clean(const vfs::Asker& who, const vfs::Path& dir, u32 depth);

}  // namespace auk::fs::overlay
