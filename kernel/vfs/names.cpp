#include "vfs/names.hpp"

#include <algorithm>
#include <bit>

#include "base/annotations.hpp"
#include "random/random.hpp"

namespace auk::vfs {

constinit SequenceCount name_changes;
constinit core::Guarded<core::level::name_change, NameChangeNothing, core::SpinPreemptOff>
    name_change_lock;

class NameTable {
  static constexpr u32 stripes = 256;
  struct Nothing {};
  using ChainLock = core::Guarded<core::level::name_chain, Nothing, core::SpinPreemptOff>;

  Atomic<Name*>* buckets_ = nullptr;
  u64 mask_ = 0;
  u64 key_ = 0;
  std::array<ChainLock, stripes> locks_;

  Atomic<Name*>& bucket(u64 hash) { return buckets_[hash & mask_]; }
  ChainLock& lock_of(u64 hash) { return locks_[(hash & mask_) % stripes]; }

 public:
  constexpr NameTable() = default;

  void setup(std::span<Atomic<Name*>> buckets) {
    ASSERT(std::has_single_bit(buckets.size()));
    buckets_ = buckets.data();
    mask_ = buckets.size() - 1;
    key_ = random::next_u64();
  }

  u64 hash(const Named& directory, std::string_view text) const {
    constexpr u64 factor = 0x9e3779b97f4a7c15;
    const auto mix = [](u64 a, u64 b) {
      const auto product = static_cast<unsigned __int128>(a) * b;
      return static_cast<u64>(product) ^ static_cast<u64>(product >> 64);
    };
    u64 h = key_ ^ reinterpret_cast<uptr>(&directory);
    while (text.size() >= sizeof(u64)) {
      u64 word = 0;
      __builtin_memcpy(&word, text.data(), sizeof(word));
      h = mix(h ^ word, factor);
      text.remove_prefix(sizeof(word));
    }
    u64 rest = text.size() + 1;
    for (const char c : text) rest = rest << 8 | static_cast<unsigned char>(c);
    return mix(h ^ rest, factor ^ key_);
  }

  Named* find(const Named& directory, std::string_view text) {
    const u64 h = hash(directory, text);
    for (;;) {
      const u64 count = name_changes.begin();
      for (Name* n = bucket(h).load_acquire(); n != nullptr; n = n->next_.load_acquire()) {
        if (n->hash_ != h || &n->directory_ != &directory || n->text() != text) continue;
        if (n->owner_.place_.load_acquire() == reinterpret_cast<uptr>(n)) return &n->owner_;
      }
      if (name_changes.is_still(count)) return nullptr;
    }
  }

  void publish(Name& n) {
    auto chain = lock_of(n.hash_).lock();
    Atomic<Name*>& head = bucket(n.hash_);
    n.next_.store_relaxed(head.load_relaxed());
    head.store_release(&n);
  }
  void take_out(Name& n) {
    auto chain = lock_of(n.hash_).lock();
    Atomic<Name*>* at = &bucket(n.hash_);
    while (at->load_relaxed() != &n) at = &at->load_relaxed()->next_;
    // Readers that stand on it go on from it.
    at->store_release(n.next_.load_relaxed());
  }
  static Name* place(const Named& o) {
    return reinterpret_cast<Name*>(o.place_.load_relaxed() & ~Named::gone);  // NOLINT
  }
  static void set_place(Named& o, const Name& n) {
    o.place_.store_release(reinterpret_cast<uptr>(&n));
  }
  static Name* mark_gone(Named& o) {
    Name* const n = place(o);
    (void)o.place_.fetch_or_acq_rel(Named::gone);
    return n;
  }
  static void set_lost(Named& o, const Name& n) {
    o.place_.store_release(reinterpret_cast<uptr>(&n) | Named::gone);
  }
  void unlink(Named& o) { take_out(*mark_gone(o)); }
  static void retire(Name* n) {
    if (n != nullptr) core::rcu_call(*n);
  }

  void link(Named& owner, Name& n) {
    Name* const former = place(owner);
    set_place(owner, n);
    publish(n);
    retire(former);
  }
  void move(Named& owner, Name& n, Named* victim, bool is_directory) {
    Name* const former = place(owner);
    Name* replaced = nullptr;
    publish(n);
    if (is_directory || victim != nullptr) {
      auto alone = name_change_lock.lock();
      const SequenceCount::Change changing(name_changes);
      set_place(owner, n);
      if (victim != nullptr) replaced = mark_gone(*victim);
    } else {
      set_place(owner, n);
    }
    if (replaced != nullptr) take_out(*replaced);
    take_out(*former);
    retire(former);
  }
  void exchange(Named& a, Name& for_a, Named& b, Name& for_b) {
    Name* const former_a = place(a);
    Name* const former_b = place(b);
    publish(for_a);
    publish(for_b);
    {
      auto alone = name_change_lock.lock();
      const SequenceCount::Change changing(name_changes);
      set_place(a, for_a);
      set_place(b, for_b);
    }
    take_out(*former_a);
    take_out(*former_b);
    retire(former_a);
    retire(former_b);
  }
};

namespace {
constinit NameTable table;
}

Name::Name(Named& directory, Named& owner, u64 hash, std::string_view text)
    : directory_(directory),
      owner_(owner),
      hash_(hash),
      size_(static_cast<u32>(text.size())) {
  text.copy(reinterpret_cast<char*>(this + 1), text.size());
}

Result<mem::Box<Name>> Name::create(Named& directory, Named& owner, std::string_view text) {
  void* const at = TRY(mem::allocate(ALLOC_SITE, sizeof(Name) + text.size()));
  return mem::Box<Name>::adopt(::new (at)
                                   Name(directory, owner, table.hash(directory, text), text));
}

void setup_names(std::span<Atomic<Name*>> buckets) { table.setup(buckets); }

Named* find_name(const Named& directory, std::string_view text) {
  return table.find(directory, text);
}

void link_name(Named& owner, mem::Box<Name> name) { table.link(owner, *name.release()); }
void unlink_name(Named& owner) { table.unlink(owner); }
void set_lost_name(Named& owner, mem::Box<Name> name) {
  NameTable::set_lost(owner, *name.release());
}
void move_name(Named& owner, mem::Box<Name> name, Named* victim, bool is_directory) {
  table.move(owner, *name.release(), victim, is_directory);
}
void exchange_names(Named& a, mem::Box<Name> for_a, Named& b, mem::Box<Name> for_b) {
  table.exchange(a, *for_a.release(), b, *for_b.release());
}

}  // namespace auk::vfs
