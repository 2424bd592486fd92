#include "dev/object.hpp"

#include "core/init_graph.hpp"
#include "core/log.hpp"

namespace auk::dev {
namespace {

/// Numbers of entries and of their object's files: so many files at most has one object.
constexpr u32 number_shift = 12;
constexpr u64 root_number = 1;
constinit Atomic<u64> next_place{1};
constinit Object* the_root = nullptr;

u64 number_at(u64 place) { return (place << number_shift) + root_number; }

}  // namespace

Entry::Entry(std::string_view name, Object& target, bool is_link)
    : target_(target),
      size_(static_cast<u32>(name.size())),
      is_link_(is_link) {
  name.copy(reinterpret_cast<char*>(this + 1), name.size());
}

Result<mem::Box<Entry>> Entry::create(std::string_view name, Object& target, bool is_link) {
  void* const at = TRY(mem::allocate(ALLOC_SITE, sizeof(Entry) + name.size()));
  return mem::Box<Entry>::adopt(::new (at) Entry(name, target, is_link));
}

Object::~Object() {
  ChangedRights* c = entries_.lock()->changed;
  while (c != nullptr) mem::destroy(std::exchange(c, c->next));
}

u64 Object::number() const { return entry_ ? number_at(entry_->place_) : root_number; }

Result<void> Object::insert(Entry& e) {
  for (usize i = 0; const Attribute* a = attribute(i); ++i)
    if (a->name() == e.name()) return Errno::eexist;
  auto entries = entries_.lock();
  if (entries->removed) return Errno::enoent;
  e.place_ = next_place.fetch_add_relaxed(1);
  if (!entries->by_name.insert_unique(e).second) return Errno::eexist;
  entries->by_place.insert_equal(e);
  if (!e.is_link_) ++entries->directories;
  // The tree's own.
  (void)Ref<Object>(e.target_).release();
  return {};
}

Result<void> Object::add(std::string_view name, Object& fresh) {
  fresh.entry_ = TRY(Entry::create(name, fresh, false));
  fresh.directory_ = Ref<Object>(*this);
  return insert(*fresh.entry_);
}

Result<void> Object::add_link(std::string_view name, Object& target) {
  mem::Box<Entry> e = TRY(Entry::create(name, target, true));
  TRY(insert(*e));
  (void)e.release();
  return {};
}

void Object::remove_link(std::string_view name, const Object& target) {
  mem::Box<Entry> gone;
  {
    auto entries = entries_.lock();
    const auto at = entries->by_name.find(name, Entry::ByName());
    if (at == entries->by_name.end() || !at->is_link_ || &at->target_ != &target) return;
    gone = mem::Box<Entry>::adopt(&*at);
    entries->by_place.erase(entries->by_place.iterator_to(*gone));
    entries->by_name.erase(at);
  }
  (void)Ref<Object>::adopt(&gone->target_);
}

void Object::remove() {
  {
    auto entries = directory_->entries_.lock();
    if (!entry_->place_hook_.is_linked()) return;
    entries->by_place.erase(entries->by_place.iterator_to(*entry_));
    entries->by_name.erase(entries->by_name.iterator_to(*entry_));
    --entries->directories;
  }
  take_down();
  (void)Ref<Object>::adopt(this);
}

/// Out of the tree already: empties it.
void Object::take_down() {
  for (;;) {
    Entry* first = nullptr;
    {
      auto entries = entries_.lock();
      entries->removed = true;
      if (entries->by_place.empty()) return;
      first = &*entries->by_place.begin();
      entries->by_place.erase(entries->by_place.begin());
      entries->by_name.erase(entries->by_name.iterator_to(*first));
      if (!first->is_link_) --entries->directories;
    }
    const Ref<Object> target = Ref<Object>::adopt(&first->target_);
    if (first->is_link_)
      mem::destroy(first);
    else
      target->take_down();
  }
}

const Attribute* Object::attribute(usize i) const {
  if (i < common_.size()) return common_[i];
  i -= common_.size();
  return i < own_.size() ? own_[i] : nullptr;
}

Result<Found> Object::find(std::string_view name) {
  for (usize i = 0; const Attribute* a = attribute(i); ++i)
    if (a->name() == name && a->is_there(*this))
      return Found{Ref<Object>(*this), a, false, number() + 1 + i};
  auto entries = entries_.lock();
  const auto at = entries->by_name.find(name, Entry::ByName());
  if (at == entries->by_name.end()) return Errno::enoent;
  return Found{Ref<Object>(at->target_), nullptr, at->is_link_, number_at(at->place_)};
}

bool Object::next_entry(u64 place, Listed& out) {
  auto entries = entries_.lock();
  const auto at = entries->by_place.lower_bound(place, Entry::ByPlace());
  if (at == entries->by_place.end()) return false;
  out.size = static_cast<u32>(at->name().copy(out.name.data(), out.name.size()));
  out.place = at->place_;
  out.number = number_at(at->place_);
  out.is_link = at->is_link_;
  return true;
}

Ref<Object> Object::next_target(u64& place) {
  auto entries = entries_.lock();
  const auto at = entries->by_place.lower_bound(place, Entry::ByPlace());
  if (at == entries->by_place.end()) return {};
  place = at->place_ + 1;
  return Ref<Object>(at->target_);
}

Rights Object::rights_of(const Found& what) {
  {
    auto entries = entries_.lock();
    for (const ChangedRights* c = entries->changed; c != nullptr; c = c->next)
      if (c->number == what.number) return c->rights;
  }
  constexpr u32 of_root = 0555, of_places = 0755, of_links = 0777;
  if (what.is_link) return {.mode = of_links};
  if (what.attribute != nullptr) return {.mode = what.attribute->rights()};
  return {.mode = directory_ ? of_places : of_root};
}

Result<void> Object::set_rights(const Found& what, const Rights& r) {
  mem::Box<ChangedRights> fresh =
      TRY(mem::Box<ChangedRights>::make(ALLOC_SITE, ChangedRights{what.number, r}));
  auto entries = entries_.lock();
  for (ChangedRights* c = entries->changed; c != nullptr; c = c->next)
    if (c->number == what.number) {
      c->rights = r;
      return {};
    }
  fresh->next = entries->changed;
  entries->changed = fresh.release();
  return {};
}

void put_path(const Object& o, mem::Text& out) {
  if (o.directory() == nullptr) return;
  put_path(*o.directory(), out);
  out.put('/');
  out.put(o.name());
}

namespace {

bool is_at_or_below(const Object* o, const Object& above) {
  while (o != nullptr && o != &above) o = o->directory();
  return o != nullptr;
}

/// What of the path of `o` is below `above`.
void put_path_below(const Object& o, const Object& above, mem::Text& out) {
  if (&o == &above) return;
  if (o.directory() != &above) {
    put_path_below(*o.directory(), above, out);
    out.put('/');
  }
  out.put(o.name());
}

}  // namespace

void put_relative_path(const Object& from, const Object& to, mem::Text& out) {
  // A directory above both; of a target above the link's place, the one that it stands in.
  const Object* above = &from;
  for (; above->directory() != nullptr && !is_at_or_below(to.directory(), *above);
       above = above->directory())
    out.put("../");
  put_path_below(to, *above, out);
}

Object* root() { return the_root; }

Object* add_place(Object* directory, std::string_view name, Attributes own) {
  if (directory == nullptr) return nullptr;
  Result<Ref<Place>> made = mem::make_ref<Place>(ALLOC_SITE, own);
  if (made.ok()) {
    const Ref<Place> o = made.take();
    // The tree holds it.
    if (directory->add(name, *o).ok()) return o.get();
  }
  core::log_err("dev: no memory for {}", name);
  return nullptr;
}

namespace {

void setup() {
  Result<Ref<Place>> made = mem::make_ref<Place>(ALLOC_SITE, Attributes());
  if (made.ok()) the_root = made.take().release();
}
INIT_TASK(dev, "", "dev", setup);

}  // namespace

}  // namespace auk::dev
