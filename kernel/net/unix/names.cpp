// What sockets are bound to: files, and texts that are none.
#include <algorithm>
#include <cstring>

#include "base/fmt.hpp"
#include "core/init_graph.hpp"
#include "core/panic.hpp"
#include "generated/uapi/landlock.hpp"
#include "generated/uapi/socket.hpp"
#include "net/unix/core.hpp"
#include "vfs/operations.hpp"

namespace auk::net::local {
namespace {

constexpr u16 family = uapi::af_unix;
constexpr usize most_size = text_offset + 108;

struct ByInode {
  bool operator()(const Core& a, const Core& b) const { return a.bound_inode < b.bound_inode; }
  bool operator()(const vfs::Inode* a, const Core& b) const { return a < b.bound_inode; }
  bool operator()(const Core& a, const vfs::Inode* b) const { return a.bound_inode < b; }
};
bool is_name(const Address& a) {
  return a.size > text_offset && a.size <= most_size && a.family() == family;
}

/// Each type of sockets has texts of its own.
struct Text {
  SocketType type;
  std::string_view text;
  auto operator<=>(const Text&) const = default;
};
Text text_of(const Core& c) { return {c.type(), c.bound_text}; }
struct ByText {
  bool operator()(const Core& a, const Core& b) const { return text_of(a) < text_of(b); }
  bool operator()(const Text& a, const Core& b) const { return a < text_of(b); }
  bool operator()(const Core& a, const Text& b) const { return text_of(a) < b; }
};
struct Bound {
  Tree<Core, &Core::name_hook, ByInode> files;
  Tree<Core, &Core::name_hook, ByText> texts;
  u32 next_automatic = 0;
};
using Table = core::Guarded<core::level::unix_names, Bound, core::SpinPreemptOff>;
constinit Table* table = nullptr;

template <class T, class K, class L> Ref<Core> find_in(T& tree, const K& key, L less) {
  const auto at = tree.find(key, less);
  // One that is going has no name any more.
  return at != tree.end() && at->try_get() ? Ref<Core>::adopt(&*at) : Ref<Core>();
}

void setup() {
  Result<mem::Box<Table>> made = mem::Box<Table>::make(ALLOC_SITE);
  if (!made.ok()) core::panic("Out of memory for the names of sockets");
  table = made.take().release();
}
INIT_TASK(unix_names, "", "unix_names", setup);

}  // namespace

std::string_view text_in(const Address& a) {
  return {reinterpret_cast<const char*>(a.bytes.data()) + text_offset, a.size - text_offset};
}

std::string_view path_in(const Address& a) {
  const std::string_view text = text_in(a);
  return text.substr(0, std::min(text.find('\0'), text.size()));
}

Result<Ref<Name>> make_name(const Address& a) {
  if (!is_name(a)) return Errno::einval;
  Address exact = a;
  if (const std::string_view path = path_in(a); !path.empty()) {
    // One zero behind it belongs to it, and nothing else.
    exact.size = static_cast<u32>(text_offset + path.size() + 1);
    exact.bytes[text_offset + path.size()] = byte{0};
  }
  return mem::make_ref<Name>(ALLOC_SITE, exact);
}

Result<void> publish(Core& c, const Name& name, const vfs::Path& place) {
  auto t = table->lock();
  c.bound_inode = place ? &place.inode() : nullptr;
  c.bound_text = text_in(name.address);
  const bool is_new = place ? t->files.insert_unique(c).second : t->texts.insert_unique(c).second;
  return is_new ? Result<void>() : Errno::eaddrinuse;
}

void withdraw(Core& c) {
  auto t = table->lock();
  if (!c.name_hook.is_linked()) return;
  if (c.bound_inode != nullptr)
    t->files.erase(t->files.iterator_to(c));
  else
    t->texts.erase(t->texts.iterator_to(c));
}

Result<void> publish_automatically(Core& c, Ref<Name>& name) {
  constexpr u32 numbers = 1 << 20;
  Address a;
  std::memcpy(a.bytes.data(), &family, sizeof(family));
  for (u32 n = 0; n < numbers; ++n) {
    std::array<char, 8> digits{};
    Writer text(digits);
    format_to(text, "{:05x}", (table->lock()->next_automatic += 1) % numbers);
    a.size = static_cast<u32>(text_offset + 1 + text.text().size());
    std::memcpy(&a.bytes[text_offset + 1], text.text().data(), text.text().size());
    name = TRY(mem::make_ref<Name>(ALLOC_SITE, a));
    if (publish(c, *name, {}).ok()) return {};
  }
  return Errno::enospc;
}

Result<Ref<Core>> find_bound(const Address& to, SocketType type, const Actor& who) {
  if (!is_name(to)) return Errno::einval;
  const std::string_view path = path_in(to);
  Ref<Core> found;
  if (path.empty()) {
    auto t = table->lock();
    found = find_in(t->texts, Text{type, text_in(to)}, ByText());
  } else {
    const vfs::Path at = TRY(vfs::find(who.asker, {}, path, vfs::WalkFlag::follow));
    TRY(vfs::check_access(who.asker.cred, at, vfs::Want::write));
    if (at.inode().type() != vfs::mode::socket) return Errno::econnrefused;
    const vfs::Inode* const inode = &at.inode();
    auto t = table->lock();
    found = find_in(t->files, inode, ByInode());
  }
  if (!found) return Errno::econnrefused;
  return found;
}

/// Who sends has given up to reach names that others have made and that are no files, landlock(7).
/// One that is connected already stays so.
bool Core::is_kept_from(Core& to, const Actor& who) {
  const ident::Domain* const mine = who.asker.cred.domain.get();
  if (mine == nullptr ||
      !mine->keeps_from(to.domain.get(), uapi::landlock_scope_abstract_unix_socket))
    return false;
  const Ref<Name> name = to.name();
  return name && path_in(name->address).empty() && peer().get() != &to;
}

Result<void> Core::bind(const Address& at) {
  if (at.size == text_offset && at.family() == family) return bind_automatically();
  const Actor who = actor();
  const Ref<Name> fresh = TRY(make_name(at));
  auto alone = naming_.lock();
  if (name()) return Errno::einval;
  vfs::Path place;
  if (const std::string_view path = path_in(at); !path.empty()) {
    Result<vfs::Path> made = vfs::make_socket(who.asker, {}, path);
    if (!made.ok()) return made.error() == Errno::eexist ? Errno::eaddrinuse : made.error();
    place = made.take();
  }
  TRY(publish(*this, *fresh, place));
  auto s = state_.lock();
  s->name = fresh;
  s->place = std::move(place);
  return {};
}

Result<void> Core::bind_automatically() {
  auto alone = naming_.lock();
  if (name()) return {};
  Ref<Name> fresh;
  TRY(publish_automatically(*this, fresh));
  auto s = state_.lock();
  s->name = std::move(fresh);
  return {};
}

}  // namespace auk::net::local
