// Inodes of overlays: what they stand for, and what is asked of them.
#include <algorithm>

#include "fs/overlay/overlay.hpp"

namespace auk::fs::overlay {
namespace {

/// Attributes that belong to the overlay itself.
constexpr std::string_view own_prefix = "trusted.overlay.";
/// Those of programs that begin so are kept one step further in.
constexpr std::string_view escaped_prefix = "trusted.overlay.overlay.";

/// Of a few layers without memory of its own.
class Entries {
  std::array<Below, 4> few_;
  Below* many_ = nullptr;
  u32 count_ = 0;

 public:
  Entries() = default;
  Entries(const Entries&) = delete;
  Entries& operator=(const Entries&) = delete;
  ~Entries() {
    for (u32 i = 0; many_ != nullptr && i < count_; ++i) many_[i].~Below();
    mem::free(many_);
  }
  /// ENOMEM.
  Result<void> make_room(u32 layers) {
    if (layers > few_.size())
      many_ = static_cast<Below*>(TRY(mem::allocate(ALLOC_SITE, layers * sizeof(Below))));
    return {};
  }
  void add(Below b) {
    if (many_ != nullptr)
      ::new (&many_[count_]) Below(std::move(b));
    else
      few_[count_] = std::move(b);
    ++count_;
  }
  std::span<Below> all() { return {many_ != nullptr ? many_ : few_.data(), count_}; }
};

/// The name of an attribute in the layers.
class InnerName {
  std::array<char, vfs::name_max + 1> memory_{};

 public:
  /// ERANGE.
  Result<std::string_view> of(std::string_view name) {
    if (!name.starts_with(own_prefix)) return name;
    const std::string_view rest = name.substr(own_prefix.size());
    if (escaped_prefix.size() + rest.size() > vfs::name_max) return Errno::erange;
    escaped_prefix.copy(memory_.data(), escaped_prefix.size());
    rest.copy(&memory_[escaped_prefix.size()], rest.size());
    return std::string_view(memory_.data(), escaped_prefix.size() + rest.size());
  }
};

}  // namespace

bool ByUpper::operator()(const OverlayInode& a, const OverlayInode& b) const {
  return a.upper() < b.upper();
}
bool ByUpper::operator()(const vfs::Inode* a, const OverlayInode& b) const { return a < b.upper(); }
bool ByUpper::operator()(const OverlayInode& a, const vfs::Inode* b) const { return a.upper() < b; }

bool is_opaque(vfs::Inode& directory) {
  byte value{};
  auto still = directory.lock.lock();
  Result<usize> size = directory.get_attribute(opaque_name, {&value, 1});
  return size.ok() && *size == 1 && value == static_cast<byte>('y');
}

Result<Ref<vfs::Dentry>> look_in(vfs::Dentry& dir, std::string_view name) {
  auto still = dir.inode().lock.lock();
  Result<Ref<vfs::Dentry>> found = vfs::look_up(dir, name);
  if (found.ok()) return found;
  return found.error() == Errno::enoent ? Result<Ref<vfs::Dentry>>(Ref<vfs::Dentry>())
                                        : Result<Ref<vfs::Dentry>>(found.error());
}

Result<bool> has_whiteout(vfs::Dentry& dir, std::string_view name) {
  const Ref<vfs::Dentry> d = TRY(look_in(dir, name));
  return d && is_whiteout(d->inode());
}

OverlayInode::OverlayInode(Super& super, const vfs::NewInode& fresh) : Inode(super, fresh) {}

OverlayInode::~OverlayInode() {
  if (below_ != nullptr) {
    Below* const below = const_cast<Below*>(below_);  // NOLINT
    for (u32 i = 0; i < below_count_; ++i) below[i].~Below();
    mem::free(below);
  }
  mem::free(name_);
}

Super& OverlayInode::overlay() const { return static_cast<Super&>(super()); }

void OverlayInode::take_facts(const vfs::Inode& from) {
  mode.store_relaxed(from.mode.load_relaxed());
  uid.store_relaxed(from.uid.load_relaxed());
  gid.store_relaxed(from.gid.load_relaxed());
  links.store_relaxed(from.links.load_relaxed());
  atime_ns.store_relaxed(from.atime_ns.load_relaxed());
  mtime_ns.store_relaxed(from.mtime_ns.load_relaxed());
  ctime_ns.store_relaxed(from.ctime_ns.load_relaxed());
}

void OverlayInode::share_pages(const vfs::Inode& with) {
  if (vm::PageCache* const bytes = with.pages(); is_regular() && bytes != nullptr)
    set_pages(Ref<vm::PageCache>(*bytes));
}

/// Before anybody else sees the inode, or with coming_ held. The pages it had stay those of the
/// lower file.
void OverlayInode::set_upper(vfs::Dentry& entry) {
  vfs::Inode& inode = entry.inode();
  if (is_directory()) upper_dentry_.store_release(Ref<vfs::Dentry>(entry).release());
  share_pages(inode);
  links.store_relaxed(inode.links.load_relaxed());
  upper_.store_release(Ref<vfs::Inode>(inode).release());
}

Result<Ref<OverlayInode>> OverlayInode::make(Super& super, vfs::Dentry* upper,
                                             std::span<Below> below, vfs::Dentry* directory,
                                             std::string_view name) {
  const vfs::Inode& real = upper != nullptr ? upper->inode() : below[0].dentry->inode();
  const bool has_own_number = real.is_directory() && !super.has_one_device();
  Ref<OverlayInode> i =
      TRY(mem::make_ref<OverlayInode>(ALLOC_SITE, super,
                                      vfs::NewInode{.mode = real.mode.load_relaxed(),
                                                    .raw_device = real.raw_device,
                                                    .number = has_own_number ? 0 : real.number()}));
  i->take_facts(real);
  i->btime_ns = real.btime_ns;
  if (real.is_link()) i->target_ = real.target();
  if (!below.empty()) {
    auto* const at =
        static_cast<Below*>(TRY(mem::allocate(ALLOC_SITE, below.size() * sizeof(Below))));
    for (usize n = 0; n < below.size(); ++n) ::new (&at[n]) Below(below[n]);
    i->below_ = at;
    i->below_count_ = static_cast<u32>(below.size());
  }
  if (upper != nullptr) {
    i->set_upper(*upper);
    return i;
  }
  i->share_pages(real);
  if (directory != nullptr) {
    i->name_ = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, name.size() + 1)));
    i->name_size_ = name.copy(i->name_, name.size());
    i->directory_ = Ref<vfs::Dentry>(*directory);
  }
  return i;
}

/// The memory stays: walks may be looking at it.
void OverlayInode::evict() {
  overlay().forget(*this);
  Inode::evict();
  if (vfs::Dentry* const d = upper_dentry_.load_relaxed()) (void)Ref<vfs::Dentry>::adopt(d);
  if (vfs::Inode* const u = upper_.load_relaxed()) (void)Ref<vfs::Inode>::adopt(u);
  for (u32 i = 0; i < below_count_; ++i) const_cast<Below&>(below_[i]).dentry = {};  // NOLINT
  directory_ = {};
  // Nobody else has the inode, and whoever makes room for memory may hold any lock.
  shown_.alone().listing = {};
}

void OverlayInode::fill_stat(io::FileStat& s) const {
  vfs::Inode& r = real();
  r.fill_stat(s);
  s.inode = number();
  s.device = is_directory() ? super().device() : overlay().device_of(*this);
  s.mode = mode.load_relaxed();
  s.uid = uid.load_relaxed();
  s.gid = gid.load_relaxed();
  s.links = is_directory() && is_merged() ? 1 : links.load_relaxed();
  s.atime_ns = atime_ns.load_relaxed();
  s.mtime_ns = mtime_ns.load_relaxed();
  s.ctime_ns = ctime_ns.load_relaxed();
}

void OverlayInode::note_access(i64 when_ns) {
  vfs::Inode* const u = upper();
  if (u == nullptr) return;
  Inode::note_access(when_ns);
  u->note_access(when_ns);
}

void OverlayInode::touch(bool modified) {
  Inode::touch(modified);
  if (vfs::Inode* const u = upper()) u->touch(modified);
}

Result<void> OverlayInode::set_rights(u32 rights, u32 new_uid, u32 new_gid) {
  TRY(come_up());
  {
    auto changing = upper()->lock.lock();
    TRY(upper()->set_rights(rights, new_uid, new_gid));
  }
  return Inode::set_rights(rights, new_uid, new_gid);
}

Result<void> OverlayInode::set_times(const vfs::NewTimes& times) {
  TRY(come_up());
  TRY(upper()->set_times(times));
  return Inode::set_times(times);
}

Result<void> OverlayInode::resize(u64 size) {
  TRY(come_up());
  {
    auto changing = upper()->lock.lock();
    TRY(upper()->resize(size));
  }
  Inode::touch(true);
  return {};
}

Result<void> OverlayInode::allocate(vfs::Space what, u64 start, u64 end) {
  TRY(come_up());
  {
    auto changing = upper()->lock.lock();
    TRY(upper()->allocate(what, start, end));
  }
  Inode::touch(true);
  return {};
}

Result<usize> OverlayInode::get_attribute(std::string_view name, std::span<byte> to) {
  InnerName inner;
  const std::string_view n = TRY(inner.of(name));
  vfs::Inode& r = real();
  auto still = r.lock.lock();
  return r.get_attribute(n, to);
}

Result<void> OverlayInode::set_attribute(std::string_view name, std::span<const byte> value,
                                         u32 flags) {
  InnerName inner;
  const std::string_view n = TRY(inner.of(name));
  TRY(come_up());
  auto changing = upper()->lock.lock();
  upper()->is_without_caps.store_relaxed(false);
  return upper()->set_attribute(n, value, flags);
}

Result<void> OverlayInode::remove_attribute(std::string_view name) {
  InnerName inner;
  const std::string_view n = TRY(inner.of(name));
  {
    // What is not there need not come up.
    vfs::Inode& r = real();
    auto still = r.lock.lock();
    TRY(r.get_attribute(n, {}));
  }
  TRY(come_up());
  auto changing = upper()->lock.lock();
  return upper()->remove_attribute(n);
}

/// Without those of the overlay, and with those that are kept further in under their names.
Result<usize> OverlayInode::list_attributes(bool with_trusted, std::span<char> to) {
  vfs::Inode& r = real();
  auto still = r.lock.lock();
  usize out = 0;
  TRY(each_attribute(r, with_trusted, [&](std::string_view name) -> Result<void> {
    std::string_view prefix;
    if (name.starts_with(own_prefix)) {
      if (!name.starts_with(escaped_prefix)) return {};
      prefix = own_prefix;
      name.remove_prefix(escaped_prefix.size());
    }
    const usize n = prefix.size() + name.size() + 1;
    if (!to.empty()) {
      if (to.size() - out < n) return Errno::erange;
      prefix.copy(&to[out], prefix.size());
      name.copy(&to[out + prefix.size()], name.size());
      to[out + n - 1] = '\0';
    }
    out += n;
    return {};
  }));
  return out;
}

Result<Ref<vfs::Inode>> OverlayInode::lookup(vfs::Dentry& dir, std::string_view name) {
  Entries found;
  TRY(found.make_room(below_count_));
  Ref<vfs::Dentry> up;
  bool goes_on = true;
  if (upper() != nullptr) {
    up = TRY(look_in(upper_dentry(), name));
    if (up) {
      if (is_whiteout(up->inode())) return Errno::enoent;
      goes_on = up->inode().is_directory() && !is_opaque(up->inode());
    }
  }
  for (u32 i = 0; i < below_count_ && goes_on; ++i) {
    Ref<vfs::Dentry> d = TRY(look_in(*below_[i].dentry, name));
    if (!d) continue;
    if (is_whiteout(d->inode())) break;
    const bool is_first = found.all().empty() && !up;
    // What is no directory ends a merged one.
    if (!d->inode().is_directory() && !is_first) break;
    goes_on = d->inode().is_directory() && !is_opaque(d->inode());
    found.add({std::move(d), below_[i].layer});
  }
  if (!up && found.all().empty()) return Errno::enoent;
  Ref<OverlayInode> i = TRY(make(overlay(), up.get(), found.all(), up ? nullptr : &dir, name));
  // Directories have one name only.
  if (up && !i->is_directory()) i = overlay().the_one(std::move(i));
  return Ref<vfs::Inode>(std::move(i));
}

}  // namespace auk::fs::overlay
