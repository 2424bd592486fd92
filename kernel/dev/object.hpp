// The tree of objects that /sys shows: devices, what they belong to, and parts of the kernel.
//
// Purpose: whoever has something to show makes an Object and hangs it into the tree. No file system
// is known here: fs/sysfs is one view of the tree, others may follow.
// Data model: Object (counted) -> the directory it stands in (counted). The tree holds an object
// from add() until remove(). What an object says are its Attributes: constants that all objects of
// a kind share, so files cost an object nothing. A link is an entry that leads to another object.
// Life of an object: new -> in the tree -> removed, with all that is below -> freed with its last
// user. Removal waits for nobody: who shows an attribute holds the object.
// Locking: level object, a spinning lock for the entries of each object; the lock of one object
// only at a time. Attributes are shown and stored without a lock. Context: threads.
// Differences from Linux (kernfs): an attribute that runs does not delay the removal of its object,
// so an attribute may remove it; a directory lists its files first, then the rest by age.
// Source: Linux Documentation/filesystems/sysfs.rst.
#pragma once
#include <optional>
#include <span>

#include "base/tree.hpp"
#include "core/spin.hpp"
#include "mem/box.hpp"
#include "mem/text.hpp"

namespace auk::dev {

class Object;

/// A file of an object.
class Attribute {
  std::string_view name_;
  u32 rights_;

 protected:
  constexpr Attribute(std::string_view name, u32 rights) : name_(name), rights_(rights) {}
  ~Attribute() = default;

 public:
  std::string_view name() const { return name_; }
  /// The rights of its file, at first.
  u32 rights() const { return rights_; }
  /// False: this object has no such file now.
  virtual bool is_there(const Object&) const { return true; }
  /// As stat(2) has it.
  virtual u64 size() const { return page_size; }
  /// The file's whole content. The errors of read(2).
  virtual Result<void> show(const Object&, mem::Text&) const { return Errno::eio; }
  /// What one write(2) has brought. The errors of write(2).
  virtual Result<void> store(Object&, std::string_view) const { return Errno::eio; }
};
using Attributes = std::span<const Attribute* const>;

/// What an object of class T says by a function of the object and of the text.
template <class T, auto put> class Shown final : public Attribute {
 public:
  constexpr explicit Shown(std::string_view name, u32 rights = 0444) : Attribute(name, rights) {}
  Result<void> show(const Object& o, mem::Text& out) const override {
    put(static_cast<const T&>(o), out);
    return {};
  }
};

/// What stands under a name in an object: another object, or a link to one.
class Entry {
  friend class Object;
  struct ByName {
    bool operator()(const Entry& a, const Entry& b) const { return a.name() < b.name(); }
    bool operator()(std::string_view a, const Entry& b) const { return a < b.name(); }
    bool operator()(const Entry& a, std::string_view b) const { return a.name() < b; }
  };
  struct ByPlace {
    bool operator()(const Entry& a, const Entry& b) const { return a.place_ < b.place_; }
    bool operator()(u64 a, const Entry& b) const { return a < b.place_; }
    bool operator()(const Entry& a, u64 b) const { return a.place_ < b; }
  };
  TreeHook name_hook_, place_hook_;
  Object& target_;  ///< counted by the tree
  u64 place_ = 0;
  u32 size_;
  bool is_link_;

  Entry(std::string_view name, Object& target, bool is_link);
  /// ENOMEM.
  static Result<mem::Box<Entry>> create(std::string_view name, Object& target, bool is_link);
  std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), size_}; }

 public:
  ~Entry() = default;
};

/// What a name in an object stands for.
struct Found {
  Ref<Object> object;                    ///< where a link leads; an attribute's own
  const Attribute* attribute = nullptr;  ///< of a file
  bool is_link = false;
  u64 number = 0;  ///< belongs to nobody else, ever; the root has 1
  bool operator==(const Found&) const = default;
};

/// Who may do what with a directory or a file.
struct Rights {
  u32 mode = 0, uid = 0, gid = 0;
};

class Object : public RefCounted<Object> {
  /// Of a file, of the object itself, or of a link to it, that somebody has changed.
  struct ChangedRights {
    u64 number;
    Rights rights;
    ChangedRights* next = nullptr;  ///< owned
  };
  struct Entries {
    Tree<Entry, &Entry::name_hook_, Entry::ByName> by_name;
    Tree<Entry, &Entry::place_hook_, Entry::ByPlace> by_place;
    ChangedRights* changed = nullptr;  ///< owned
    u32 directories = 0;
    bool removed = false;
  };
  const Attributes common_, own_;
  mem::Box<Entry> entry_;  ///< where it stands; like the directory, set once before others see it
  Ref<Object> directory_;
  core::Guarded<core::level::object, Entries, core::SpinPreemptOff> entries_;

  Result<void> insert(Entry& e);
  void take_down();

 protected:
  /// All its files, in the order they are listed in.
  explicit Object(Attributes own, Attributes common = {}) : common_(common), own_(own) {}
  ~Object();
  virtual void dispose() = 0;

 public:
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  static void destroy(Object* o) { o->dispose(); }

  std::string_view name() const { return entry_ ? entry_->name() : std::string_view(); }
  /// Null for a root, and before it was added.
  Object* directory() const { return directory_.get(); }
  u64 number() const;

  /// Hangs a fresh object, or a link, into this one. EEXIST, ENOENT: this one was removed, ENOMEM.
  Result<void> add(std::string_view name, Object& fresh);
  Result<void> add_link(std::string_view name, Object& target);
  /// Nothing happens if there is no such link to the target.
  void remove_link(std::string_view name, const Object& target);
  /// Takes this object out of the tree, with all that is below.
  void remove();
  bool is_removed() { return entries_.lock()->removed; }

  /// Null behind the last one.
  const Attribute* attribute(usize i) const;
  u32 count_directories() { return entries_.lock()->directories; }
  /// ENOENT.
  Result<Found> find(std::string_view name);
  /// An entry as a listing shows it: one that stays has the same place in every listing.
  struct Listed {
    std::array<char, 256> name;
    u32 size;
    u64 place, number;
    bool is_link;
  };
  /// The first entry, files not counted, at a place or behind it. False if there is none.
  bool next_entry(u64 place, Listed& out);
  /// What the first entry at a place or behind it stands for; the place moves behind it. Null at
  /// the end.
  Ref<Object> next_target(u64& place);

  /// Of what was found, which leads to this object.
  Rights rights_of(const Found& what);
  /// ENOMEM.
  Result<void> set_rights(const Found& what, const Rights& r);
};

/// Where it stands below the root: "/devices/virtual/mem/null". Nothing for the root.
void put_path(const Object& o, mem::Text& out);
/// The same as a link in `from` has it: "../../devices/virtual/mem/null".
void put_relative_path(const Object& from, const Object& to, mem::Text& out);

/// A directory that is nothing else.
class Place final : public Object {
  void dispose() override { mem::destroy(this); }

 public:
  explicit Place(Attributes own) : Object(own) {}
  ~Place() = default;
};

/// The root of /sys. From the task "dev" of the init graph on; null when there was no memory.
Object* root();
/// A place that stays for ever. Null when there is no directory, or no memory, which is logged.
Object* add_place(Object* directory, std::string_view name, Attributes own = {});

}  // namespace auk::dev
