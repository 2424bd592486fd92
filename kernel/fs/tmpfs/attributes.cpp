#include "fs/tmpfs/attributes.hpp"

#include <algorithm>
#include <new>

#include "generated/uapi/xattr.hpp"
#include "mem/slab.hpp"

namespace auk::fs::tmpfs {

struct Attributes::Node {
  Node* next;
  usize name_size, value_size;

  char* text() { return reinterpret_cast<char*>(this) + sizeof(Node); }
  std::string_view name() { return {text(), name_size}; }
  std::span<byte> value() { return {reinterpret_cast<byte*>(text() + name_size), value_size}; }
};

Attributes::~Attributes() {
  while (Node* const n = first_) {
    first_ = n->next;
    mem::free(n);
  }
}

/// Where the name is, or would be linked in.
Attributes::Node** Attributes::find(std::string_view name) {
  Node** at = &first_;
  while (*at != nullptr && (*at)->name() > name) at = &(*at)->next;
  return at;
}

Result<usize> Attributes::get(std::string_view name, std::span<byte> to) {
  Node* const n = *find(name);
  if (n == nullptr || n->name() != name) return Errno::enodata;
  if (to.empty()) return n->value_size;
  if (n->value_size > to.size()) return Errno::erange;
  std::ranges::copy(n->value(), to.begin());
  return n->value_size;
}

Result<void> Attributes::set(std::string_view name, std::span<const byte> value, u32 flags) {
  Node** const at = find(name);
  Node* const old = *at != nullptr && (*at)->name() == name ? *at : nullptr;
  if (old != nullptr && (flags & uapi::xattr_create) != 0) return Errno::eexist;
  if (old == nullptr && (flags & uapi::xattr_replace) != 0) return Errno::enodata;
  void* const memory = TRY(mem::allocate(ALLOC_SITE, sizeof(Node) + name.size() + value.size()));
  Node* const n = ::new (memory) Node{.next = old != nullptr ? old->next : *at,
                                      .name_size = name.size(),
                                      .value_size = value.size()};
  name.copy(n->text(), name.size());
  std::ranges::copy(value, n->value().begin());
  *at = n;
  mem::free(old);
  return {};
}

Result<void> Attributes::remove(std::string_view name) {
  Node** const at = find(name);
  Node* const n = *at;
  if (n == nullptr || n->name() != name) return Errno::enodata;
  *at = n->next;
  mem::free(n);
  return {};
}

Result<usize> Attributes::list(bool with_trusted, std::span<char> to) {
  usize used = 0;
  for (Node* n = first_; n != nullptr; n = n->next) {
    if (!with_trusted && n->name().starts_with("trusted.")) continue;
    const usize size = n->name_size + 1;
    if (!to.empty()) {
      if (size > to.size() - used) return Errno::erange;
      n->name().copy(&to[used], n->name_size);
      to[used + n->name_size] = '\0';
    }
    used += size;
  }
  return used;
}

}  // namespace auk::fs::tmpfs
