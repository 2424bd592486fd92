// What a directory shows that has several layers.
#include <algorithm>

#include "fs/overlay/overlay.hpp"

namespace auk::fs::overlay {
namespace {

constexpr u64 first_place = 3;  // behind "." and ".."
constexpr u64 of_one_layer = u64{1} << 62;
constexpr u8 type_character = 2, type_directory = 4;

u64 place_of(std::string_view name, u64 key) {
  constexpr u64 factor = 0x9e3779b97f4a7c15;
  u64 h = key;
  for (const char c : name) {
    h = (h ^ static_cast<unsigned char>(c)) * factor;
    h ^= h >> 32;
  }
  // An offset of a file, behind the first ones.
  return std::max(h & (of_one_layer - 1), first_place);
}

/// Hands the entries of a layer over.
class Collector final : public io::DirSink {
  Listing& into_;
  vfs::Dentry& dir_;

  Result<bool> is_hidden(std::string_view name, u8 type) {
    return type == type_character ? has_whiteout(dir_, name) : Result<bool>(false);
  }
  Result<void> collect(std::string_view name, u64 number, u8 type) {
    if (name == "." || name == "..") return {};
    return into_.add(name, number, type, TRY(is_hidden(name, type)));
  }

 public:
  Errno error{};
  Collector(Listing& into, vfs::Dentry& dir) : into_(into), dir_(dir) {}
  bool add(std::string_view name, u64 number, u8 type, i64) override {
    const Result<void> r = collect(name, number, type);
    if (!r.ok()) error = r.error();
    return r.ok();
  }
};

/// Hands the entries of the only layer on, with their positions marked.
class Marking final : public io::DirSink {
  io::DirSink& to_;
  vfs::Dentry* upper_;  ///< what it has of a name hides it

 public:
  Errno error{};
  Marking(io::DirSink& to, vfs::Dentry* upper) : to_(to), upper_(upper) {}
  bool add(std::string_view name, u64 number, u8 type, i64 next) override {
    if (upper_ != nullptr && name != "." && name != "..") {
      Result<bool> is_hidden = has_whiteout(*upper_, name);
      if (!is_hidden.ok()) return error = is_hidden.error(), false;
      if (*is_hidden) return true;
    }
    return to_.add(name, number, type, next | static_cast<i64>(of_one_layer));
  }
};

}  // namespace

Listing::~Listing() {
  names_.clear_and_dispose([](Listed* l) { mem::destroy(l); });
}

Result<void> Listing::add(std::string_view name, u64 number, u8 type, bool is_hidden) {
  void* const at = TRY(mem::allocate(ALLOC_SITE, sizeof(Listed) + name.size()));
  auto* const fresh = ::new (at) Listed;
  fresh->place = place_of(name, key_);
  fresh->number = number;
  fresh->type = type;
  fresh->is_hidden = is_hidden;
  fresh->size = static_cast<u8>(name.copy(reinterpret_cast<char*>(fresh + 1), name.size()));
  if (!names_.insert_unique(*fresh).second) mem::destroy(fresh);
  return {};
}

bool Listing::is_empty() const { return std::ranges::all_of(names_, &Listed::is_hidden); }

Result<void> Listing::read(u64& position, io::DirSink& sink) const {
  for (auto it = names_.upper_bound(position, ByPlace()); it != names_.end(); ++it) {
    if (it->is_hidden) continue;
    // Of several at one place all are listed again if not all of them fit.
    const auto next = std::next(it);
    const bool is_last = next == names_.end() || next->place != it->place;
    const u64 offset = is_last ? it->place : it->place - 1;
    if (!sink.add(it->name(), it->number, it->type, static_cast<i64>(offset))) return {};
    position = offset;
  }
  return {};
}

/// Makes the list if there is none.
Result<void> OverlayInode::list(Shown& shown) {
  if (shown.listing) return {};
  mem::Box<Listing> fresh = TRY(mem::Box<Listing>::make(ALLOC_SITE, overlay().listing_key()));
  const auto add = [&](vfs::Dentry& dir) -> Result<void> {
    Collector names(*fresh, dir);
    u64 position = 0;
    TRY(dir.inode().read_dir(dir, position, names));
    return names.error == Errno{} ? Result<void>() : Result<void>(names.error);
  };
  if (upper() != nullptr) TRY(add(upper_dentry()));
  for (u32 i = 0; i < below_count_; ++i) TRY(add(*below_[i].dentry));
  shown.listing = std::move(fresh);
  return {};
}

Result<bool> OverlayInode::is_empty() {
  auto shown = shown_.lock();
  TRY(list(*shown));
  return shown->listing->is_empty();
}

/// Of one layer, whose own positions are marked: the directory may come up before the reader's next
/// call, who then goes on in the same list without what was hidden or made since.
Result<void> OverlayInode::read_alone(u64& position, io::DirSink& sink) {
  vfs::Dentry& only = *below_[0].dentry;
  Marking names(sink, upper() != nullptr ? &upper_dentry() : nullptr);
  u64 place = position & ~of_one_layer;
  const Result<void> r = only.inode().read_dir(only, place, names);
  position = place | of_one_layer;
  if (!r.ok()) return r.error();
  return names.error == Errno{} ? Result<void>() : Result<void>(names.error);
}

Result<void> OverlayInode::read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) {
  if (below_count_ == 0) return upper_dentry().inode().read_dir(upper_dentry(), position, sink);
  if ((position & of_one_layer) != 0 || (position == 0 && !is_merged()))
    return read_alone(position, sink);
  if (position == 0) {
    if (!sink.add(".", number(), type_directory, 1)) return {};
    position = 1;
  }
  if (position == 1) {
    if (!sink.add("..", dir.parent()->inode().number(), type_directory, 2)) return {};
    position = 2;
  }
  auto shown = shown_.lock();
  TRY(list(*shown));
  return shown->listing->read(position, sink);
}

}  // namespace auk::fs::overlay
