#include "vfs/dentry.hpp"

#include <algorithm>

#include "vfs/kept.hpp"
#include "vfs/notify.hpp"

namespace auk::vfs {

Dentry::~Dentry() {
  if (const Name* const n = name()) mem::destroy(const_cast<Name*>(n));  // NOLINT
}

Result<Ref<Dentry>> Dentry::create(Ref<Inode> inode) {
  Ref<Dentry> d = TRY(create());
  d->set_inode(std::move(inode));
  return d;
}

void Dentry::destroy(Dentry* d) {
  while (d != nullptr) {
    // A dentry that was only a cache still has its name.
    if (d->has_name()) unlink_name(*d);
    Dentry* const dir = d->directory();
    if (d->alias_node.is_linked()) d->inode_->alias_gone(*d);
    if (d->inode_ != nullptr && d->inode_->links.load_relaxed() == 0) notify::removed(*d->inode_);
    if (d->inode_ != nullptr) (void)Ref<Inode>::adopt(d->inode_);
    core::rcu_call(*d);
    d = dir != nullptr && dir->drop() ? dir : nullptr;
  }
}

Ref<Dentry> Dentry::parent() {
  const core::RcuReader reader;
  for (;;) {
    Dentry* const dir = directory();
    if (dir == nullptr) return Ref<Dentry>(*this);
    // One that dies is not the parent any more.
    if (dir->try_get()) return Ref<Dentry>::adopt(dir);
  }
}

Ref<Dentry> child_of(const Dentry& dir, std::string_view name) {
  const core::RcuReader reader;
  Dentry* const d = find_child(dir, name);
  return d != nullptr && d->try_get() ? Ref<Dentry>::adopt(d) : Ref<Dentry>();
}

namespace {
void hold(Dentry& d) { (void)Ref<Dentry>(d).release(); }
void let_go(Dentry* d) { (void)Ref<Dentry>::adopt(d); }
}  // namespace

void link_dentry(Dentry& dir, Dentry& child, mem::Box<Name> name) {
  Dentry* const former = child.directory();
  hold(dir);
  link_name(child, std::move(name));
  if (KeptDentries* const kept = child.inode().super().kept()) kept->keep(child);
  let_go(former);
}

namespace {
/// Its name was taken away.
void forget(Dentry& d) {
  if (d.inode().anchor.load_seq_cst() != nullptr) drop_anchored_name(d);
  if (KeptDentries* const kept = d.inode().super().kept()) kept->forget(d);
}
}  // namespace

void unlink_dentry(Dentry& child) {
  unlink_name(child);
  forget(child);
}

Result<Ref<Dentry>> make_lost(Dentry& dir, Ref<Inode> inode, std::string_view name) {
  Ref<Dentry> d = TRY(Dentry::create(std::move(inode)));
  mem::Box<Name> lost = TRY(Name::create(dir, *d, name));
  hold(dir);
  set_lost_name(*d, std::move(lost));
  return d;
}

void move_dentry(Dentry& to_dir, Dentry& child, mem::Box<Name> name, Dentry* victim) {
  Dentry* const former = child.directory();
  hold(to_dir);
  move_name(child, std::move(name), victim, child.inode().is_directory());
  if (victim != nullptr) forget(*victim);
  let_go(former);
}

void exchange_dentries(Dentry& a, mem::Box<Name> for_a, Dentry& b, mem::Box<Name> for_b) {
  // Each directory loses one and gets one.
  exchange_names(a, std::move(for_a), b, std::move(for_b));
}

void MemoryDirectory::add(Dentry& d) {
  hold(d);
  auto e = entries_.lock();
  d.cookie_ = e->next_cookie++;
  e->by_age.insert_equal(d);
  (void)count_.fetch_add_relaxed(1);
}

void MemoryDirectory::remove(Dentry& d) {
  {
    auto e = entries_.lock();
    e->by_age.erase(e->by_age.iterator_to(d));
    (void)count_.fetch_sub_release(1);
  }
  let_go(&d);
}

Dentry* MemoryDirectory::first() {
  auto e = entries_.lock();
  return e->by_age.empty() ? nullptr : &*e->by_age.begin();
}

Result<void> MemoryDirectory::read(const Dentry& dir, u64& position, io::DirSink& sink) {
  constexpr u8 type_directory = 4;
  constexpr u64 newest = 2;
  if (position == 0) {
    if (!sink.add(".", dir.inode().number(), type_directory, 1)) return {};
    position = 1;
  }
  if (position == 1) {
    const Ref<Dentry> above = const_cast<Dentry&>(dir).parent();  // NOLINT
    if (!sink.add("..", above->inode().number(), type_directory, 2)) return {};
    position = 2;
  }
  // One entry at a time, so that user memory is not written under the lock.
  for (;;) {
    std::array<char, name_max> name;
    usize size = 0;
    u64 number = 0;
    u8 type = 0;
    i64 cookie = 0;
    {
      auto e = entries_.lock();
      auto it = position == newest ? e->by_age.end()
                                   : e->by_age.upper_bound(static_cast<i64>(position), ByAge());
      const core::RcuReader reader;
      const Name* listed = nullptr;
      // Without a name here it is being made, or moved here: then it is not here yet.
      do {
        if (it == e->by_age.begin()) return {};
        --it;
        listed = it->name();
      } while (listed == nullptr || &listed->directory() != &dir);
      size = listed->text().copy(name.data(), name.size());
      number = it->inode().number();
      type = static_cast<u8>(it->inode().type() >> 12);
      cookie = it->cookie_;
    }
    if (!sink.add({name.data(), size}, number, type, cookie - 1)) return {};
    position = static_cast<u64>(cookie) - 1;
  }
}

}  // namespace auk::vfs
