// Mounting of overlays.
#include <algorithm>

#include "base/fmt.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "fs/overlay/overlay.hpp"
#include "random/random.hpp"

namespace auk::fs::overlay {
namespace {

constexpr u64 overlay_magic = 0x794c7630;
constexpr usize path_max = vfs::path_max;

/// A path that an option names.
Result<vfs::Path> directory_at(const vfs::Asker& who, std::string_view text) {
  vfs::Path at = TRY(vfs::find(who, {}, text, vfs::WalkFlag::follow));
  if (!at.inode().is_directory()) return Errno::einval;
  return at;
}

/// The name of the first entry of a directory.
class FirstName final : public io::DirSink {
 public:
  std::array<char, vfs::name_max> memory{};
  usize size = 0;
  FirstName() = default;
  bool add(std::string_view name, u64, u8, i64) override {
    if (name == "." || name == "..") return true;
    size = name.copy(memory.data(), memory.size());
    return false;
  }
  std::string_view name() const { return {memory.data(), size}; }
};

/// Is `d` below `above`, inside one file system.
bool is_strictly_below(const vfs::Dentry& d, const vfs::Dentry& above) {
  const core::RcuReader reader;
  for (const vfs::Dentry* at = d.directory(); at != nullptr; at = at->directory())
    if (at == &above) return true;
  return false;
}

}  // namespace

Result<void> clean(const vfs::Asker& who, const vfs::Path& dir, u32 depth) {
  for (;;) {
    const mem::Box<FirstName> first = TRY(mem::Box<FirstName>::make(ALLOC_SITE));
    u64 position = 0;
    TRY(dir.inode().read_dir(*dir.dentry, position, *first));
    if (first->size == 0) return {};
    const Result<void> gone = vfs::unlink(who, dir, first->name());
    if (gone.ok()) continue;
    if (gone.error() != Errno::eisdir) return gone.error();
    if (depth > 0) TRY(clean(who, TRY(vfs::find(who, dir, first->name(), {})), depth - 1));
    TRY(vfs::remove_directory(who, dir, first->name()));
  }
}

Super::Super() : Superblock(true), listing_key_(random::next_u64()) {}

void Super::released() {
  if (layers_ != nullptr) {
    for (u32 i = 0; i < layer_count_; ++i) layers_[i].~Layer();
    mem::free(std::exchange(layers_, nullptr));
  }
  work_ = {};
  fs_ = {};
  cred_ = {};
  mem::free(std::exchange(shown_, nullptr));
}

/// A mount of the directory that nobody else sees.
Result<void> Super::add_layer(const vfs::Path& at) {
  vfs::Superblock& fs = at.mount->super();
  // Its locks are those of this one.
  if (fs.is_stacked()) return Errno::einval;
  Ref<vfs::Mount> own = TRY(vfs::Mount::create(Ref<vfs::Superblock>(fs), at.dentry, "overlay", 0));
  ::new (&layers_[layer_count_]) Layer{.root = vfs::Path(std::move(own), at.dentry)};
  ++layer_count_;
  return {};
}

Result<void> Super::add_layers(const vfs::Asker& who, const Options& o) {
  u32 lower = 1;
  for (usize i = 0; i < o.lower.size(); ++i) {
    if (o.lower[i] == '\\')
      ++i;
    else if (o.lower[i] == ':')
      ++lower;
  }
  if (lower > most_layers || (o.upper.empty() && lower < 2)) return Errno::einval;
  layers_ = static_cast<Layer*>(TRY(mem::allocate(ALLOC_SITE, (lower + 1) * sizeof(Layer))));
  const mem::Box<std::array<char, path_max>> memory =
      TRY((mem::Box<std::array<char, path_max>>::make(ALLOC_SITE)));
  std::string_view name;
  if (!o.upper.empty()) {
    if (o.upper.size() > path_max) return Errno::enametoolong;
    const vfs::Path upper = TRY(directory_at(who, o.upper));
    const vfs::Path work = TRY(directory_at(who, o.work));
    if (upper.mount->is_read_only() || upper.mount != work.mount) return Errno::einval;
    if (upper.dentry == work.dentry || is_strictly_below(*upper.dentry, *work.dentry) ||
        is_strictly_below(*work.dentry, *upper.dentry))
      return Errno::einval;
    TRY(add_layer(upper));
    has_upper_ = true;
    work_ = vfs::Path(layers_[0].root.mount, work.dentry);
  }
  std::string_view rest = o.lower;
  if (rest.size() > path_max) return Errno::enametoolong;
  while (next_layer(rest, *memory, name)) TRY(add_layer(TRY(directory_at(who, name))));
  return layer_count_ == lower + (has_upper_ ? 1 : 0) ? Result<void>() : Errno::einval;
}

/// No lower layer may lie in a layer or in the work directory, or be one twice.
Result<void> Super::check_layers() const {
  const auto conflicts = [&](const vfs::Dentry& d, const vfs::Dentry& other) {
    return &d == &other || is_strictly_below(d, other);
  };
  for (u32 i = has_upper_ ? 1 : 0; i < layer_count_; ++i) {
    const vfs::Dentry& d = *layers_[i].root.dentry;
    if (has_upper_ && conflicts(d, *work_.dentry)) return Errno::eloop;
    for (u32 k = 0; k < layer_count_; ++k)
      if (k != i && conflicts(d, *layers_[k].root.dentry)) return Errno::eloop;
  }
  return {};
}

Result<void> Super::prepare_work(const vfs::Path& base) {
  constexpr std::string_view name = "work";
  const Result<void> made = vfs::make_directory(mounter(), base, name, 0);
  if (!made.ok() && made.error() != Errno::eexist) return made.error();
  vfs::Path work = TRY(vfs::find(mounter(), base, name, vfs::WalkFlag::directory));
  constexpr u32 depth = 2;
  TRY(clean(mounter(), work, depth));
  work_ = std::move(work);
  return {};
}

/// What is no directory has a device of its layer's file system, since its number is from there.
void Super::set_devices() {
  for (u32 i = 0; i < layer_count_; ++i) {
    const vfs::Superblock& fs = layers_[i].root.mount->super();
    has_one_device_ = has_one_device_ && &fs == &layers_[0].root.mount->super();
    for (u32 k = 0; k < i && layers_[i].device == 0; ++k)
      if (&layers_[k].root.mount->super() == &fs) layers_[i].device = layers_[k].device;
    if (layers_[i].device == 0) layers_[i].device = vfs::new_anonymous_device();
  }
}

u64 Super::device_of(const OverlayInode& i) const {
  if (has_one_device_) return device();
  // A copy keeps the number it had.
  return layers_[i.below() > 0 ? i.below(0).layer : 0].device;
}

Result<void> Super::fill(const vfs::Asker& who, const Options& o) {
  TRY(add_layers(who, o));
  TRY(check_layers());
  set_devices();
  cred_ = TRY(who.cred.copy());
  fs_ = TRY(vfs::FsContext::create(layers_[0].root, layers_[0].root));
  fs_->set_umask(0);
  if (has_upper_) {
    TRY(prepare_work(vfs::Path(work_)));
  } else {
    set_read_only(true);
  }
  constexpr usize names_size = 64;
  const usize room = o.lower.size() + o.upper.size() + o.work.size() + names_size;
  shown_ = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, room)));
  Writer shown({shown_, room});
  format_to(shown, ",lowerdir={}", o.lower);
  if (has_upper_) format_to(shown, ",upperdir={},workdir={}", o.upper, o.work);
  if (o.is_volatile) shown.put(",volatile");
  shown_size_ = shown.text().size();
  TRY(keep_dentries());
  const mem::Box<std::array<Below, most_layers>> below =
      TRY((mem::Box<std::array<Below, most_layers>>::make(ALLOC_SITE)));
  u32 n = 0;
  for (u32 i = has_upper_ ? 1 : 0; i < layer_count_; ++i)
    (*below)[n++] = {layers_[i].root.dentry, i};
  Ref<OverlayInode> root = TRY(OverlayInode::make(
      *this, has_upper_ ? layers_[0].root.dentry.get() : nullptr, {below->data(), n}, nullptr, {}));
  set_root(TRY(vfs::Dentry::create(Ref<vfs::Inode>(std::move(root)))));
  return {};
}

Result<Ref<vfs::Superblock>> Super::open(const vfs::Asker& who, const vfs::Parameters& p) {
  const Options o = TRY(parse_options(p));
  Ref<Super> super = TRY(mem::make_ref<Super>(ALLOC_SITE));
  TRY(super->fill(who, o));
  return Ref<vfs::Superblock>(std::move(super));
}

Result<void> Super::check_writable() const {
  return has_upper_ && !layers_[0].root.mount->is_read_only() ? Result<void>() : Errno::erofs;
}

std::string_view Super::temporary(Temporary& memory) {
  Writer text(memory);
  format_to(text, "#{:x}", next_temporary_.fetch_add_relaxed(1));
  return text.text();
}

Result<void> Super::make_whiteout(std::string_view name) {
  auto changing = work_.inode().lock.lock();
  TRY(vfs::create_entry(*work_.dentry, name, {.mode = vfs::mode::character}));
  return {};
}

void Super::discard(std::string_view name) {
  const Result<void> gone = vfs::unlink(mounter(), work_, name);
  if (gone.ok()) return;
  const auto remove = [&]() -> Result<void> {
    if (gone.error() != Errno::eisdir) return gone.error();
    TRY(clean(mounter(), TRY(vfs::find(mounter(), work_, name, {})), 0));
    return vfs::remove_directory(mounter(), work_, name);
  };
  // It is in nobody's way.
  if (const Result<void> r = remove(); !r.ok())
    core::log_warn("overlayfs: {} stays in the work directory: {}", name, r.error());
}

Ref<OverlayInode> Super::the_one(Ref<OverlayInode> fresh) {
  // What is not needed goes without the lock.
  Ref<OverlayInode> there;
  {
    auto living = living_.lock();
    const vfs::Inode* const upper = fresh->upper();
    const auto at = living->find(upper, ByUpper());
    const bool is_known = at != living->end();
    if (is_known && at->try_get()) {
      there = Ref<OverlayInode>::adopt(&*at);
    } else {
      if (is_known) living->erase(at);
      living->insert_unique(*fresh);
    }
  }
  return there ? std::move(there) : std::move(fresh);
}

void Super::forget(OverlayInode& i) {
  auto living = living_.lock();
  if (i.by_upper_.is_linked()) living->erase(living->iterator_to(i));
}

vfs::Exporter* Super::exporter() {
  for (u32 i = 0; i < layer_count_; ++i) {
    const vfs::Exporter* const e = layers_[i].root.mount->super().exporter();
    if (e == nullptr || !e->can_find()) return nullptr;
  }
  return this;
}

/// Linux's struct ovl_fh: what the handle in the layer is, and the handle. In the place of a uuid,
/// which file systems in memory have none of, stands their device's number.
vfs::FileHandle Super::handle_of(vfs::Inode& i, vfs::Dentry*) {
  constexpr u32 type_overlay = 0xf8, magic = 0xfb, of_upper = 4;
  constexpr usize head_size = 21, head_words = 6;
  auto& inode = static_cast<OverlayInode&>(i);
  // What came up keeps the handle of what it was, the root excepted.
  const bool is_upper = inode.upper() != nullptr && (inode.below() == 0 || &i == &root().inode());
  vfs::Inode& real = is_upper ? *inode.upper() : inode.below(0).dentry->inode();
  const vfs::FileHandle inner = real.super().exporter()->handle_of(real, nullptr);
  vfs::FileHandle h;
  h.type = type_overlay;
  h.size = head_words + inner.size;
  ASSERT(h.size <= vfs::FileHandle::most_words);
  const auto size = static_cast<u32>(head_size + inner.size * sizeof(u32));
  h.words[1] = magic | size << 8 | (is_upper ? of_upper : 0) << 16 | inner.type << 24;
  h.words[2] = static_cast<u32>(real.super().device());
  h.words[3] = static_cast<u32>(real.super().device() >> 32);
  std::copy_n(inner.words.begin(), inner.size, h.words.begin() + head_words);
  return h;
}

vfs::FsInfo Super::info() {
  vfs::FsInfo i = layers_[0].root.mount->super().info();
  i.magic = overlay_magic;
  return i;
}

usize Super::show_options(std::span<char> out) {
  (void)std::string_view(shown_, shown_size_).copy(out.data(), out.size());
  return shown_size_;
}

namespace {

class Overlay final : public vfs::FileSystem {
 public:
  constexpr Overlay() : FileSystem("overlay") {}
  vfs::Taken check(const vfs::Parameter& p) const override { return check_option(p); }
  Result<Ref<vfs::Superblock>> open(const vfs::Asker& who, std::string_view,
                                    const vfs::Parameters& p) override {
    return Super::open(who, p);
  }
};
constinit Overlay overlay;

void setup() { vfs::register_file_system(overlay); }
INIT_TASK(overlay, "", "overlay", setup);

}  // namespace
}  // namespace auk::fs::overlay
