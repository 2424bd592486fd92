// Changes of the entries of a directory.
#include "core/log.hpp"
#include "fs/overlay/overlay.hpp"

namespace auk::fs::overlay {
namespace {

constexpr u32 no_replace = 1, exchange = 2;

Result<void> make_opaque(vfs::Inode& directory) {
  constexpr std::array<byte, 1> yes{static_cast<byte>('y')};
  auto changing = directory.lock.lock();
  return directory.set_attribute(opaque_name, yes, 0);
}

OverlayInode& overlay_inode(vfs::Inode& i) { return static_cast<OverlayInode&>(i); }

/// Its text goes when the name is changed, so: a copy.
class HeldName {
  std::array<char, vfs::name_max> memory_{};
  usize size_;

 public:
  explicit HeldName(const vfs::Dentry& d)
      : size_(d.name()->text().copy(memory_.data(), memory_.size())) {}
  std::string_view text() const { return {memory_.data(), size_}; }
};

}  // namespace

vfs::Path OverlayInode::upper_path() const { return overlay().path(0, upper_dentry()); }

Result<bool> OverlayInode::is_hidden(std::string_view name) {
  const Ref<vfs::Dentry> d = TRY(look_in(upper_dentry(), name));
  if (!d) return false;
  // Nothing else can be there: somebody writes to the layer from outside.
  return is_whiteout(d->inode()) ? Result<bool>(true) : Result<bool>(Errno::eexist);
}

/// Would be seen if the upper layer had nothing of the name.
Result<bool> OverlayInode::is_in_lower(std::string_view name) {
  for (u32 i = 0; i < below_count_; ++i)
    if (const Ref<vfs::Dentry> d = TRY(look_in(*below_[i].dentry, name)))
      return !is_whiteout(d->inode());
  return false;
}

/// Others may be changing its rights.
void OverlayInode::take_time() { ctime_ns.store_relaxed(upper()->ctime_ns.load_relaxed()); }

void OverlayInode::changed() {
  take_facts(*upper());
  shown_.lock()->listing = {};
}

/// It has one name less, and if that was the last one, nothing comes up to a name any more.
void OverlayInode::lost_name(Coming& coming) {
  coming.has_lost_name = true;
  if (vfs::Inode* const u = upper())
    take_facts(*u);
  else
    drop_links(1);
  if (is_directory()) links.store_relaxed(0);
}

/// The inode for a fresh entry of the upper layer.
Result<Ref<OverlayInode>> OverlayInode::stand_for(vfs::Dentry& made) {
  Ref<OverlayInode> i = TRY(make(overlay(), &made, {}, nullptr, {}));
  return i->is_directory() ? std::move(i) : overlay().the_one(std::move(i));
}

Result<Ref<OverlayInode>> OverlayInode::create_directly(std::string_view name,
                                                        const vfs::NewInode& fresh) {
  Ref<vfs::Dentry> made;
  {
    auto changing = upper()->lock.lock();
    made = TRY(vfs::create_entry(upper_dentry(), name, fresh));
  }
  Result<Ref<OverlayInode>> inode = stand_for(*made);
  if (inode.ok()) return inode;
  const vfs::Asker who = overlay().mounter();
  (void)(made->inode().is_directory() ? vfs::remove_directory(who, upper_path(), name)
                                      : vfs::unlink(who, upper_path(), name));
  return inode;
}

/// What is made takes the place of a whiteout, complete as it is.
Result<Ref<OverlayInode>> OverlayInode::create_over_whiteout(std::string_view name,
                                                             const vfs::NewInode& fresh) {
  Super& fs = overlay();
  Super::Temporary memory{};
  const std::string_view temporary = fs.temporary(memory);
  Ref<vfs::Dentry> made;
  {
    auto changing = fs.work().inode().lock.lock();
    made = TRY(vfs::create_entry(*fs.work().dentry, temporary, fresh));
  }
  const bool is_directory = made->inode().is_directory();
  const auto place = [&]() -> Result<Ref<OverlayInode>> {
    Ref<OverlayInode> inode = TRY(stand_for(*made));
    if (is_directory) TRY(make_opaque(made->inode()));
    TRY(vfs::rename(fs.mounter(), fs.work(), temporary, upper_path(), name,
                    is_directory ? exchange : 0));
    return inode;
  };
  Result<Ref<OverlayInode>> placed = place();
  // A directory has changed places with the whiteout.
  if (!placed.ok() || is_directory) fs.discard(temporary);
  return placed;
}

Result<Ref<vfs::Inode>> OverlayInode::create(vfs::Dentry&, std::string_view name,
                                             const vfs::NewInode& fresh) {
  // It would be a whiteout.
  if ((fresh.mode & vfs::mode::type_mask) == vfs::mode::character && fresh.raw_device == 0)
    return Errno::eperm;
  TRY(come_up());
  Result<Ref<OverlayInode>> made =
      TRY(is_hidden(name)) ? create_over_whiteout(name, fresh) : create_directly(name, fresh);
  changed();
  return Ref<vfs::Inode>(TRY(std::move(made)));
}

Result<Ref<vfs::Inode>> OverlayInode::create_unnamed(const vfs::NewInode& fresh) {
  TRY(overlay().check_writable());
  Ref<vfs::Inode> inode = TRY(overlay().work().inode().create_unnamed(fresh));
  inode->may_be_linked.store_relaxed(true);
  const Ref<vfs::Dentry> entry = TRY(vfs::Dentry::create(std::move(inode)));
  Ref<OverlayInode> i = TRY(make(overlay(), entry.get(), {}, nullptr, {}));
  return Ref<vfs::Inode>(overlay().the_one(std::move(i)));
}

Result<void> OverlayInode::link(vfs::Dentry&, std::string_view name, Inode& target) {
  OverlayInode& file = overlay_inode(target);
  TRY(come_up());
  TRY(file.come_up());
  Super& fs = overlay();
  if (TRY(is_hidden(name))) {
    Super::Temporary memory{};
    const std::string_view made = fs.temporary(memory);
    {
      auto changing = fs.work().inode().lock.lock();
      TRY(vfs::link_entry(*fs.work().dentry, made, *file.upper()));
    }
    if (const Result<void> r = vfs::rename(fs.mounter(), fs.work(), made, upper_path(), name, 0);
        !r.ok()) {
      fs.discard(made);
      return r.error();
    }
  } else {
    auto changing = upper()->lock.lock();
    TRY(vfs::link_entry(upper_dentry(), name, *file.upper()));
  }
  file.take_facts(*file.upper());
  (void)fs.the_one(Ref<OverlayInode>(file));
  changed();
  return {};
}

/// A whiteout comes to stand where the victim was.
Result<void> OverlayInode::hide(std::string_view name, const OverlayInode& victim) {
  Super& fs = overlay();
  Super::Temporary memory{};
  const std::string_view made = fs.temporary(memory);
  TRY(fs.make_whiteout(made));
  const bool trades = victim.upper() != nullptr && victim.is_directory();
  const u32 how = trades ? exchange : victim.upper() == nullptr ? no_replace : 0;
  const Result<void> r = vfs::rename(fs.mounter(), fs.work(), made, upper_path(), name, how);
  if (!r.ok() || trades) fs.discard(made);
  return r.ok() ? Result<void>() : Result<void>(r.error());
}

Result<void> OverlayInode::remove_upper(std::string_view name, const OverlayInode& victim) {
  Super& fs = overlay();
  if (!victim.is_directory()) return vfs::unlink(fs.mounter(), upper_path(), name);
  const Result<void> r = vfs::remove_directory(fs.mounter(), upper_path(), name);
  if (r.ok() || r.error() != Errno::enotempty) return r.ok() ? Result<void>() : r.error();
  // Whiteouts are left in it.
  Super::Temporary memory{};
  const std::string_view away = fs.temporary(memory);
  TRY(vfs::rename(fs.mounter(), upper_path(), name, fs.work(), away, no_replace));
  fs.discard(away);
  return {};
}

Result<void> OverlayInode::remove(vfs::Dentry& entry) {
  OverlayInode& victim = overlay_inode(entry.inode());
  const HeldName name(entry);
  if (victim.is_directory() && !TRY(victim.is_empty())) return Errno::enotempty;
  TRY(come_up());
  const bool is_below = TRY(is_in_lower(name.text()));
  auto coming = victim.coming_.lock();
  TRY(is_below ? hide(name.text(), victim) : remove_upper(name.text(), victim));
  victim.lost_name(*coming);
  changed();
  return {};
}

/// What stands under the new name in the upper layer (a whiteout, or what is replaced) goes.
Result<void> OverlayInode::move_upper(const OverlayInode& moving, std::string_view from,
                                      OverlayInode& to_dir, std::string_view to) {
  Super& fs = overlay();
  const bool trades = moving.is_directory() && TRY(look_in(to_dir.upper_dentry(), to));
  TRY(vfs::rename(fs.mounter(), upper_path(), from, to_dir.upper_path(), to,
                  trades ? exchange : 0));
  if (!trades) return {};
  Super::Temporary memory{};
  const std::string_view away = fs.temporary(memory);
  if (const Result<void> r =
          vfs::rename(fs.mounter(), upper_path(), from, fs.work(), away, no_replace);
      r.ok())
    fs.discard(away);
  else
    core::log_warn("overlayfs: {} stays where it was: {}", from, r.error());
  return {};
}

Result<void> OverlayInode::move(const vfs::Move& m) {
  OverlayInode& to_dir = overlay_inode(m.to_dir);
  OverlayInode& moving = overlay_inode(m.moving.inode());
  OverlayInode* const victim = m.victim != nullptr ? &overlay_inode(m.victim->inode()) : nullptr;
  const HeldName from(m.moving);
  const auto is_fixed = [](const OverlayInode& i) { return i.is_directory() && i.below() > 0; };
  if (is_fixed(moving) || (m.exchange && is_fixed(*victim))) return Errno::exdev;
  if (victim != nullptr && !m.exchange && victim->is_directory() && !TRY(victim->is_empty()))
    return Errno::enotempty;
  TRY(come_up());
  TRY(to_dir.come_up());
  TRY(moving.come_up());
  if (m.exchange) TRY(victim->come_up());
  const bool hides_from = TRY(is_in_lower(from.text()));
  const bool hides_to = TRY(to_dir.is_in_lower(m.to_name));
  if (moving.is_directory() && hides_to) TRY(make_opaque(*moving.upper()));
  Super& fs = overlay();
  if (m.exchange) {
    if (victim->is_directory() && hides_from) TRY(make_opaque(*victim->upper()));
    TRY(vfs::rename(fs.mounter(), upper_path(), from.text(), to_dir.upper_path(), m.to_name,
                    exchange));
    victim->take_time();
  } else {
    Super::Temporary memory{};
    const std::string_view whiteout = fs.temporary(memory);
    if (hides_from) TRY(fs.make_whiteout(whiteout));
    const auto replace = [&]() -> Result<void> {
      if (victim == nullptr) return move_upper(moving, from.text(), to_dir, m.to_name);
      auto coming = victim->coming_.lock();
      TRY(move_upper(moving, from.text(), to_dir, m.to_name));
      victim->lost_name(*coming);
      return {};
    };
    if (const Result<void> r = replace(); !r.ok()) {
      if (hides_from) fs.discard(whiteout);
      return r.error();
    }
    // It has moved: there is no way back.
    if (hides_from)
      if (const Result<void> r =
              vfs::rename(fs.mounter(), fs.work(), whiteout, upper_path(), from.text(), no_replace);
          !r.ok()) {
        core::log_warn("overlayfs: {} is not hidden: {}", from.text(), r.error());
        fs.discard(whiteout);
      }
  }
  moving.take_time();
  changed();
  to_dir.changed();
  return {};
}

}  // namespace auk::fs::overlay
