#include "io/file_lock.hpp"

#include <algorithm>
#include <array>

#include "base/list.hpp"
#include "base/tree.hpp"
#include "core/spin.hpp"
#include "dev/number.hpp"
#include "io/file.hpp"
#include "mem/box.hpp"
#include "sched/lock.hpp"
#include "sched/wait.hpp"

namespace auk::io {
namespace {

struct Range {
  LockRange at;
  LockType type{};
  TreeHook hook;
};
struct ByStart {
  bool operator()(const Range& a, const Range& b) const { return a.at.start < b.at.start; }
  bool operator()(u64 a, const Range& b) const { return a < b.at.start; }
  bool operator()(const Range& a, u64 b) const { return a.at.start < b; }
};
using Ranges = Tree<Range, &Range::hook, ByStart>;

/// The first range that ends at or behind `at`.
Ranges::iterator first_from(Ranges& ranges, u64 at) {
  auto it = ranges.upper_bound(at, ByStart());
  if (it != ranges.begin()) {
    auto before = it;
    --before;
    if (before->at.end >= at) return before;
  }
  return it;
}

struct Owner {
  const void* who = nullptr;
  LockKind kind{};
  u32 pid = 0;
  Ranges ranges;
  TreeHook hook;
  ListNode age_node;
};
struct ByOwner {
  bool operator()(const Owner& a, const Owner& b) const { return a.who < b.who; }
  bool operator()(const void* a, const Owner& b) const { return a < b.who; }
  bool operator()(const Owner& a, const void* b) const { return a.who < b; }
};

/// A request that sleeps; on its thread's stack.
struct Waiting {
  const LockRequest& request;
  const void* blocker = nullptr;
  Atomic<bool> may_retry{false};
  sched::WaitQueue queue;
  ListNode node, graph_node;
  explicit Waiting(const LockRequest& r) : request(r) {}
};

/// POSIX owners that wait, by owner.
class WaitGraph {
  static constexpr usize bucket_count = 64;
  /// An owner whose threads wait for several others may be part of a circle that was not seen.
  static constexpr u32 most_steps = 64;
  std::array<List<Waiting, &Waiting::graph_node>, bucket_count> buckets_{};

  List<Waiting, &Waiting::graph_node>& bucket(const void* owner) {
    constexpr uptr spread = 0x9e3779b97f4a7c15;
    constexpr unsigned top_bits = 58;
    return buckets_[reinterpret_cast<uptr>(owner) * spread >> top_bits];
  }

 public:
  constexpr WaitGraph() = default;
  /// False: whoever is in the way waits, at the end, for the new one.
  bool add(Waiting& w) {
    const void* at = w.blocker;
    for (u32 step = 0; step < most_steps; ++step) {
      if (at == w.request.owner) return false;
      const void* next = nullptr;
      for (Waiting& other : bucket(at))
        if (other.request.owner == at) {
          next = other.blocker;
          break;
        }
      if (next == nullptr) break;
      at = next;
    }
    bucket(w.request.owner).push_back(w);
    return true;
  }
  void remove(Waiting& w) { bucket(w.request.owner).remove(w); }
};
constinit core::Guarded<core::level::lock_graph, WaitGraph, core::SpinPreemptOff> wait_graph;

/// The locks of one sort on one file.
class LockTable {
  Tree<Owner, &Owner::hook, ByOwner> owners_;
  List<Owner, &Owner::age_node> by_age_;  ///< the order in which conflicts are found
  List<Waiting, &Waiting::node> waiting_;

  Owner* find(const void* who) {
    const auto it = owners_.find(who, ByOwner());
    return it == owners_.end() ? nullptr : &*it;
  }
  /// What `owner` had in `gone` is another's to take.
  void wake(const void* owner, const LockRange& gone) {
    for (Waiting& w : waiting_)
      if (w.blocker == owner && w.request.range.overlaps(gone)) {
        w.may_retry.store_seq_cst(true);
        w.queue.wake_all();
      }
  }
  void drop_if_empty(Owner& o) {
    if (!o.ranges.empty()) return;
    owners_.erase(owners_.iterator_to(o));
    by_age_.remove(o);
    mem::destroy(&o);
  }
  static void drop(Ranges& ranges, Range& r) {
    ranges.erase(ranges.iterator_to(r));
    mem::destroy(&r);
  }

 public:
  LockTable() = default;
  ~LockTable() = default;
  bool is_empty() const { return owners_.empty(); }
  /// Calls f(const Owner&, const Range&) for each lock, the youngest owner's first, and then
  /// g(const LockRequest&) for each that waits for a lock of that owner.
  template <class F, class G> void each(F f, G g) {
    for (Owner* o = by_age_.back(); o != nullptr; o = by_age_.previous(*o)) {
      for (const Range& r : o->ranges) f(*o, r);
      for (const Waiting& w : waiting_)
        if (w.blocker == o->who) g(w.request);
    }
  }

  struct Found {
    const Owner* owner = nullptr;
    const Range* range = nullptr;
  };
  Found conflict(const LockRequest& r) {
    const bool asks_own = r.type == LockType::none;
    for (Owner& o : by_age_) {
      if ((o.who == r.owner) != asks_own) continue;
      for (auto it = first_from(o.ranges, r.range.start);
           it != o.ranges.end() && it->at.start <= r.range.end; ++it)
        if (asks_own || r.type == LockType::write || it->type == LockType::write) return {&o, &*it};
    }
    return {};
  }

  /// Nobody is in the way. ENOLCK.
  Result<void> apply(const LockRequest& r);
  void release(const void* who) {
    Owner* const o = find(who);
    if (o == nullptr) return;
    while (!o->ranges.empty()) drop(o->ranges, *o->ranges.begin());
    drop_if_empty(*o);
    wake(who, LockRange());
  }
  /// EDEADLK.
  Result<void> start_waiting(Waiting& w, const Owner& blocker) {
    w.blocker = blocker.who;
    w.may_retry.store_relaxed(false);
    if (w.request.kind == LockKind::posix) {
      auto graph = wait_graph.lock();
      if (!graph->add(w)) return Errno::edeadlk;
    }
    waiting_.push_back(w);
    return {};
  }
  void stop_waiting(Waiting& w) {
    waiting_.remove(w);
    if (w.request.kind == LockKind::posix) wait_graph.lock()->remove(w);
  }
};

Result<void> LockTable::apply(const LockRequest& r) {
  // What can be needed: the new range, the rest of one that is cut in two, and the owner.
  const auto no_memory = [](auto made) -> Result<decltype(made.take())> {
    if (!made.ok()) return Errno::enolck;
    return made.take();
  };
  mem::Box<Range> fresh, rest;
  mem::Box<Owner> new_owner;
  Owner* o = find(r.owner);
  if (o == nullptr && r.type == LockType::none) return {};
  if (r.type != LockType::none) fresh = TRY(no_memory(mem::Box<Range>::make(ALLOC_SITE)));
  if (o == nullptr)
    new_owner = TRY(no_memory(mem::Box<Owner>::make(ALLOC_SITE)));
  else
    rest = TRY(no_memory(mem::Box<Range>::make(ALLOC_SITE)));
  if (new_owner) {
    o = new_owner.release();
    o->who = r.owner;
    o->kind = r.kind;
    owners_.insert_equal(*o);
    by_age_.push_back(*o);
  }
  o->pid = r.pid;
  LockRange merged = r.range;
  // From the neighbour on that only touches: it may have the same type.
  const u64 from = r.range.start == 0 ? 0 : r.range.start - 1;
  const u64 to = r.range.end == LockRange::last ? r.range.end : r.range.end + 1;
  for (auto it = first_from(o->ranges, from); it != o->ranges.end() && it->at.start <= to;) {
    Range& old = *it++;
    if (old.type == r.type) {
      merged.start = std::min(merged.start, old.at.start);
      merged.end = std::max(merged.end, old.at.end);
      drop(o->ranges, old);
      continue;
    }
    if (!old.at.overlaps(r.range)) continue;
    const LockRange lost{std::max(old.at.start, r.range.start), std::min(old.at.end, r.range.end)};
    const bool begins_before = old.at.start < r.range.start;
    if (old.at.end > r.range.end) {
      const LockRange behind{r.range.end + 1, old.at.end};
      if (begins_before) {
        rest->at = behind;
        rest->type = old.type;
        o->ranges.insert_equal(*rest.release());
      } else {
        o->ranges.erase(o->ranges.iterator_to(old));
        old.at = behind;
        o->ranges.insert_equal(old);
      }
    }
    if (begins_before)
      old.at.end = r.range.start - 1;
    else if (old.at.end <= r.range.end)
      drop(o->ranges, old);
    // Given up, or shared now.
    if (r.type != LockType::write) wake(r.owner, lost);
  }
  if (fresh) {
    fresh->at = merged;
    fresh->type = r.type;
    o->ranges.insert_equal(*fresh.release());
  }
  drop_if_empty(*o);
  return {};
}

}  // namespace

class FileLocks : public RefCounted<FileLocks> {
  const u64 device_, inode_;
  u64 place_ = 0;  ///< in the register; 0: not there. The locks of both guard it
  ListNode node_;

 public:
  /// The files that have locks, in the order in which they came to have some.
  class Register {
    List<FileLocks, &FileLocks::node_> files_;
    u64 last_place_ = 0;

   public:
    constexpr Register() = default;
    void add(FileLocks& l) {
      l.place_ = ++last_place_;
      files_.push_back(l);
    }
    void remove(FileLocks& l) {
      l.place_ = 0;
      files_.remove(l);
    }
    /// The one before `current`, which may have gone from its place meanwhile; at first the last.
    FileLocks* before(FileLocks* current, u64& place) {
      FileLocks* at = current != nullptr && current->place_ == place ? files_.previous(*current)
                                                                     : files_.back();
      while (at != nullptr && at->place_ >= place) at = files_.previous(*at);
      if (at != nullptr) place = at->place_;
      return at;
    }
  };

 private:
  struct Tables {
    LockTable records, whole;
    LockTable& of(LockKind k) { return k == LockKind::whole ? whole : records; }
    bool is_empty() const { return records.is_empty() && whole.is_empty(); }
  };
  core::Guarded<core::level::file_lock, Tables, sched::SleepLock> tables_;

  enum class Outcome : u8 { done, waits };
  Result<Outcome> attempt(const LockRequest& r, Waiting* w) {
    auto tables = tables_.lock();
    LockTable& table = tables->of(r.kind);
    // A change of flock's type is not atomic: the old lock goes first.
    if (r.kind == LockKind::whole && r.type != LockType::none) {
      LockRequest own = r;
      own.type = LockType::none;
      const LockTable::Found mine = table.conflict(own);
      if (mine.range != nullptr && mine.range->type == r.type) return Outcome::done;
      if (mine.range != nullptr) table.release(r.owner);
    }
    if (r.type != LockType::none)
      if (const LockTable::Found f = table.conflict(r); f.owner != nullptr) {
        if (w == nullptr) return Errno::eagain;
        TRY(table.start_waiting(*w, *f.owner));
        return Outcome::waits;
      }
    TRY(table.apply(r));
    note_presence(*tables);
    return Outcome::done;
  }
  /// There are locks now, or none any more.
  void note_presence(const Tables& tables);

 public:
  FileLocks(u64 device, u64 inode) : device_(device), inode_(inode) {}
  ~FileLocks() = default;
  static void destroy(FileLocks* l) { mem::destroy(l); }
  /// `number`: of the last line.
  void show(ident::PidNamespace& space, mem::Text& out, u32& number);

  Result<void> set(const LockRequest& r, bool may_wait) {
    Waiting w(r);
    for (;;) {
      if (TRY(attempt(r, may_wait ? &w : nullptr)) == Outcome::done) return {};
      const auto retry = [&] { return w.may_retry.load_seq_cst(); };
      const sched::WaitResult woken = sched::wait_interruptible(w.queue, retry);
      tables_.lock()->of(r.kind).stop_waiting(w);
      if (woken == sched::WaitResult::interrupted) return restart::sys;
    }
  }
  LockRequest find_conflict(const LockRequest& r) {
    auto tables = tables_.lock();
    const LockTable::Found f = tables->of(r.kind).conflict(r);
    if (f.owner == nullptr) return {};
    return {f.range->type, f.owner->kind, f.range->at, f.owner->who, f.owner->pid};
  }
  void release(const void* owner) {
    auto tables = tables_.lock();
    tables->records.release(owner);
    tables->whole.release(owner);
    note_presence(*tables);
  }
};

namespace {

constinit core::Guarded<core::level::lock_register, FileLocks::Register, core::SpinPreemptOff>
    locked_files;

}  // namespace

void FileLocks::note_presence(const Tables& tables) {
  if (tables.is_empty() == (place_ == 0)) return;
  if (place_ == 0)
    locked_files.lock()->add(*this);
  else
    locked_files.lock()->remove(*this);
}

void FileLocks::show(ident::PidNamespace& space, mem::Text& out, u32& number) {
  // 0: not for those who look.
  const auto seen = [&](LockKind kind, u32 pid) -> i64 {
    return kind == LockKind::open_file ? i64{-1} : i64{ident::translated(pid, space)};
  };
  const auto put = [&](std::string_view mark, LockKind kind, LockType type, i64 pid,
                       const LockRange& at) {
    out.print("{}: {}", number, mark);
    out.put(kind == LockKind::whole   ? "FLOCK  ADVISORY  "
            : kind == LockKind::posix ? "POSIX  ADVISORY  "
                                      : "OFDLCK ADVISORY  ");
    out.print("{} {} ", type == LockType::write ? "WRITE" : "READ", pid);
    out.print("{:02x}:{:02x}:{} ", dev::major_of(device_), dev::minor_of(device_), inode_);
    if (at.end == LockRange::last)
      out.print("{} EOF\n", at.start);
    else
      out.print("{} {}\n", at.start, at.end);
  };
  auto tables = tables_.lock();
  for (LockTable* const table : {&tables->records, &tables->whole})
    table->each(
        [&](const Owner& o, const Range& r) {
          const i64 pid = seen(o.kind, o.pid);
          if (pid == 0) return;
          ++number;
          put("", o.kind, r.type, pid, r.at);
        },
        [&](const LockRequest& r) {
          if (const i64 pid = seen(r.kind, r.pid); pid != 0)
            put("-> ", r.kind, r.type, pid, r.range);
        });
}

void show_locks(ident::PidNamespace& space, mem::Text& out) {
  u32 number = 0;
  Ref<FileLocks> locks;
  for (u64 place = ~u64{0};;) {
    // What was looked at is let go without the lock.
    Ref<FileLocks> next;
    {
      auto files = locked_files.lock();
      FileLocks* const before = files->before(locks.get(), place);
      if (before == nullptr) return;
      next = Ref<FileLocks>(*before);
    }
    locks = std::move(next);
    locks->show(space, out, number);
  }
}

LockSpace::~LockSpace() {
  if (FileLocks* const l = locks_.load_relaxed(); l != nullptr) (void)Ref<FileLocks>::adopt(l);
}

Result<FileLocks*> LockSpace::made(File& f) {
  FileLocks* there = locks_.load_acquire();
  if (there != nullptr) return there;
  FileStat s;
  TRY(f.stat(s));
  Result<Ref<FileLocks>> made = mem::make_ref<FileLocks>(ALLOC_SITE, s.device, s.inode);
  if (!made.ok()) return Errno::enolck;
  Ref<FileLocks> fresh = made.take();
  if (locks_.cas_acq_rel(there, fresh.get())) return fresh.release();
  return there;
}

Result<void> LockSpace::set(File& f, const LockRequest& r, bool may_wait) {
  if (r.type == LockType::none && !was_used()) return {};
  return TRY(made(f))->set(r, may_wait);
}

LockRequest LockSpace::find_conflict(const LockRequest& r) {
  FileLocks* const l = locks_.load_acquire();
  return l == nullptr ? LockRequest() : l->find_conflict(r);
}

void LockSpace::release(const void* owner) {
  if (FileLocks* const l = locks_.load_acquire(); l != nullptr) l->release(owner);
}

}  // namespace auk::io
