#include "io/epoll.hpp"

#include <algorithm>
#include <limits>

#include "base/tree.hpp"
#include "core/rcu.hpp"
#include "generated/uapi/poll.hpp"
#include "io/anon_file.hpp"
#include "sched/lock.hpp"
#include "uapi/poll.hpp"

namespace auk::io {
namespace {

constexpr FileKind kind_of_epoll{"[eventpoll]"};

/// How many epolls deep a file may be watched: Linux's EP_MAX_NESTS.
constexpr u32 most_nested = 4;
/// Those that say how, not what. An item with no others is switched off.
constexpr u32 how_bits =
    uapi::epollwakeup | uapi::epolloneshot | uapi::epollet | uapi::epollexclusive;

template <u32 depth> struct LevelAt;
template <> struct LevelAt<0> : std::type_identity<core::level::epoll> {};
template <> struct LevelAt<1> : std::type_identity<core::level::epoll_inner_1> {};
template <> struct LevelAt<2> : std::type_identity<core::level::epoll_inner_2> {};
template <> struct LevelAt<3> : std::type_identity<core::level::epoll_inner_3> {};
template <> struct LevelAt<4> : std::type_identity<core::level::epoll_inner_4> {};
template <> struct LevelAt<5> : std::type_identity<core::level::epoll_inner_5> {};
constexpr u32 deepest = 5;

}  // namespace

class Epoll final : public LinkOwner, public sched::Relay, public core::RcuHead {
  struct Item;
  class Hook final : public sched::Watcher {
    Item& item_;
    PollEvents kinds_;
    Ref<SharedQueue> keeper_;

   public:
    Hook* next = nullptr;
    Hook(Item& i, PollEvents kinds, Ref<SharedQueue> keeper)
        : item_(i),
          kinds_(kinds),
          keeper_(std::move(keeper)) {}
    ~Hook() = default;
    sched::Relay* woken() override;
  };

  struct Item final : FileLink {
    File* file;
    int fd;
    Epoll* inner;        ///< the file is an epoll itself
    Atomic<u32> events;  ///< wanted
    u64 data;
    Hook* hooks = nullptr;  ///< owned
    TreeHook tree_hook;
    ListNode ready_node;
    ListNode down_node, up_node;   ///< in the graph, if there is an inner one
    Atomic<bool> is_woken{false};  ///< on the stack
    Item* next_woken = nullptr;
    Item(Ref<Epoll> e, File& f, int number, Epoll* in, const EpollEvent& event)
        : FileLink(std::move(e)),
          file(&f),
          fd(number),
          inner(in),
          events(event.events),
          data(event.data) {}
    Epoll& epoll() const { return static_cast<Epoll&>(*owner); }
  };
  struct Key {
    const File* file;
    int fd;
    auto operator<=>(const Key&) const = default;
  };
  struct ByKey {
    static Key key(const Item& i) { return {i.file, i.fd}; }
    bool operator()(const Item& a, const Item& b) const { return key(a) < key(b); }
    bool operator()(const Key& a, const Item& b) const { return a < key(b); }
    bool operator()(const Item& a, const Key& b) const { return key(a) < b; }
  };
  /// Hooks an item onto the queues that its file names.
  class Hooks final : public PollTable {
    Item& item_;
    bool out_of_memory_ = false;

    void add(sched::WaitQueue& queue, PollEvents kinds, Ref<SharedQueue> keeper) override;

   public:
    explicit Hooks(Item& i) : item_(i) {}
    ~Hooks() = default;
    void run_out_of_memory() override { out_of_memory_ = true; }
    bool out_of_memory() const { return out_of_memory_; }
  };

  struct State {
    Tree<Item, &Item::tree_hook, ByKey> items;
    List<Item, &Item::ready_node> ready;
  };
  core::Guarded<core::level::epoll, State, sched::SleepLock> state_;
  Atomic<bool> has_ready_{false};        ///< the list is not empty, for those without the lock
  Atomic<Item*> woken_{nullptr};         ///< stack of items that may have become ready
  Atomic<bool> has_inner_{false};        ///< ever watched another epoll
  sched::WaitQueue sleepers_, pollers_;  ///< in epoll_wait(2); of the epoll file itself
  // The graph's lock guards these.
  friend class EpollGraph;
  List<Item, &Item::down_node> inner_;
  List<Item, &Item::up_node> outer_;
  u64 visit_ = 0;
  u32 height_ = 0;

  static Item* find(State& s, const File& file, int fd) {
    const auto it = s.items.find(Key{&file, fd}, ByKey());
    return it == s.items.end() ? nullptr : &*it;
  }
  void push_woken(Item& i);
  void drain(State& s);
  /// False if it was there already, and who waits was told.
  bool add_ready(State& s, Item& i) {
    const bool is_news = !i.ready_node.is_linked();
    if (is_news) s.ready.push_back(i);
    has_ready_.store_seq_cst(true);
    return is_news;
  }
  void note_ready(State& s) { has_ready_.store_seq_cst(!s.ready.empty()); }
  bool is_available() const {
    return has_ready_.load_seq_cst() || woken_.load_seq_cst() != nullptr;
  }
  template <u32 depth> static u32 look_at(Item& i);
  void remove(State& s, Item& i);
  Result<void> insert(State& s, File& target, int fd, Epoll* inner, const EpollEvent& event);
  Result<u32> collect(UserAddr to, u32 most);
  void remove_all();
  void remove_file(File& f);
  void dispose() override { core::rcu_call(*this); }

 public:
  Epoll() = default;
  ~Epoll() = default;
  Result<const File*> watched(int fd, u32 others) {
    auto s = state_.lock();
    for (const Item& i : s->items)
      if (i.fd == fd && others-- == 0) return i.file;
    return Errno::enoent;
  }
  void retire() override { mem::destroy(this); }
  void relay() override;
  void file_gone(File& f) override;
  void close();
  sched::WaitQueue& pollers() { return pollers_; }
  /// Something is ready. `depth`: how many epolls are locked above this one.
  template <u32 depth> bool has_events();
  Result<void> change(EpollChange what, File& target, int fd, Epoll* inner,
                      const EpollEvent& event);
  Result<u32> wait(UserAddr to, u32 most, u64 deadline_ns);
};

/// Which epolls watch which.
class EpollGraph {
  u64 visit_ = 0;
  static constexpr u32 endless = std::numeric_limits<u32>::max();

  /// Levels of epolls below one; `endless` if `outer` is among them.
  u32 height_of(Epoll& e, const Epoll& outer) {
    if (&e == &outer) return endless;
    if (e.visit_ == visit_) return e.height_;
    u32 height = 0;
    for (Epoll::Item& i : e.inner_) {
      const u32 below = height_of(*i.inner, outer);
      if (below == endless) return endless;
      height = std::max(height, below + 1);
    }
    e.visit_ = visit_;
    return e.height_ = height;
  }
  u32 depth_of(Epoll& e) {
    if (e.visit_ == visit_) return e.height_;
    u32 depth = 0;
    for (Epoll::Item& i : e.outer_) depth = std::max(depth, depth_of(i.epoll()) + 1);
    e.visit_ = visit_;
    return e.height_ = depth;
  }

 public:
  /// ELOOP: `inner` in `outer` would be a circle, or too deep.
  Result<void> check(Epoll& outer, Epoll& inner) {
    ++visit_;
    const u32 below = height_of(inner, outer);
    if (below > most_nested) return Errno::eloop;
    ++visit_;
    return below + 1 + depth_of(outer) > most_nested ? Errno::eloop : Result<void>();
  }
};

namespace {
constinit core::Guarded<core::level::epoll_graph, EpollGraph, sched::SleepLock> graph;
}  // namespace

// --- wake-ups ---------------------------------------------------------------------------------

sched::Relay* Epoll::Hook::woken() {
  const u32 wanted = item_.events.load_relaxed();
  if ((wanted & ~how_bits & kinds_.bits) == 0) return nullptr;
  // Marked before and not looked at since: whoever marked it wakes somebody.
  if (item_.is_woken.exchange_acq_rel(true)) return nullptr;
  item_.epoll().push_woken(item_);
  return &item_.epoll();
}

void Epoll::push_woken(Item& i) {
  Item* top = woken_.load_relaxed();
  do {
    i.next_woken = top;
  } while (!woken_.cas_acq_rel(top, &i));
}

void Epoll::relay() {
  sleepers_.wake_one();
  pollers_.wake_all();
}

/// Moves what was woken into the ready list, first woken first. The lock is held.
void Epoll::drain(State& s) {
  Item* newest = woken_.exchange_acq_rel(nullptr);
  Item* oldest = nullptr;
  while (newest != nullptr) {
    Item* const next = newest->next_woken;
    newest->next_woken = oldest;
    oldest = newest;
    newest = next;
  }
  while (oldest != nullptr) {
    Item& i = *oldest;
    oldest = i.next_woken;
    // From here on it may be pushed again. The exchange orders: who found it marked had made its
    // event before we look.
    (void)i.is_woken.exchange_acq_rel(false);
    (void)add_ready(s, i);
  }
}

// --- looking ----------------------------------------------------------------------------------

/// What the item's file is ready for, of what is wanted. The locks of `depth` + 1 epolls are held.
template <u32 depth> u32 Epoll::look_at(Item& i) {
  PollEvents found;
  if (i.inner == nullptr) {
    found = i.file->poll(nullptr);
  } else if constexpr (depth < deepest) {
    if (i.inner->has_events<depth + 1>())
      found = PollEvents(PollEvent::in) | PollEvent::read_normal;
  }
  return found.bits & i.events.load_relaxed();
}

template <u32 depth> bool Epoll::has_events() {
  auto s = state_.template lock_as<typename LevelAt<depth>::type>();
  drain(*s);
  while (Item* const i = s->ready.front()) {
    if (look_at<depth>(*i) != 0) break;
    s->ready.remove(*i);
  }
  note_ready(*s);
  return !s->ready.empty();
}

/// Writes out the events of items that are ready; 0 when there were none after all.
Result<u32> Epoll::collect(UserAddr to, u32 most) {
  u32 count = 0;
  Result<void> written;
  {
    auto s = state_.lock();
    drain(*s);
    // Those that stay ready go behind the others, so that all get their turn.
    Item* const last = s->ready.back();
    for (bool more = last != nullptr; more && count < most;) {
      Item& i = *s->ready.pop_front();
      more = &i != last;
      const u32 found = look_at<0>(i);
      if (found == 0) continue;
      const uapi::epoll_event event{found, i.data};
      written = core::write_user(to + count * sizeof(event), &event, sizeof(event));
      if (!written.ok()) {
        s->ready.push_front(i);
        break;
      }
      ++count;
      const u32 events = i.events.load_relaxed();
      if ((events & uapi::epolloneshot) != 0)
        i.events.store_relaxed(events & how_bits);
      else if ((events & uapi::epollet) == 0)
        s->ready.push_back(i);
    }
    note_ready(*s);
  }
  // There is more, and this thread is busy with what it has.
  if (is_available()) sleepers_.wake_one();
  if (count == 0 && !written.ok()) return written.error();
  return count;
}

Result<u32> Epoll::wait(UserAddr to, u32 most, u64 deadline_ns) {
  for (bool in_time = deadline_ns != 0;;) {
    if (is_available())
      if (const u32 n = TRY(collect(to, most)); n != 0) return n;
    if (!in_time) return u32{0};
    const auto ready = [&] { return is_available(); };
    switch (sched::wait_interruptible(sleepers_, ready, deadline_ns)) {
      case sched::WaitResult::interrupted: return Errno::eintr;
      case sched::WaitResult::timed_out: in_time = false; break;
      case sched::WaitResult::ready: break;
    }
  }
}

// --- changes ----------------------------------------------------------------------------------

void Epoll::Hooks::add(sched::WaitQueue& queue, PollEvents kinds, Ref<SharedQueue> keeper) {
  Result<mem::Box<Hook>> made = mem::Box<Hook>::make(ALLOC_SITE, item_, kinds, std::move(keeper));
  if (!made.ok()) return run_out_of_memory();
  Hook* const h = made.take().release();
  h->next = item_.hooks;
  item_.hooks = h;
  h->attach(queue);
}

/// The lock is held, and the graph's if the item is in it.
void Epoll::remove(State& s, Item& i) {
  while (Hook* const h = i.hooks) {
    i.hooks = h->next;
    h->detach();
    mem::destroy(h);
  }
  // Nobody marks it any more; what was marked comes off the stack.
  drain(s);
  if (i.ready_node.is_linked()) s.ready.remove(i);
  note_ready(s);
  i.file->unlink(i);
  s.items.erase(s.items.iterator_to(i));
  if (i.inner != nullptr) {
    inner_.remove(i);
    i.inner->outer_.remove(i);
  }
  mem::destroy(&i);
}

Result<void> Epoll::insert(State& s, File& target, int fd, Epoll* inner, const EpollEvent& event) {
  mem::Box<Item> made =
      TRY(mem::Box<Item>::make(ALLOC_SITE, Ref<Epoll>(*this), target, fd, inner, event));
  Item& i = *made.release();
  s.items.insert_equal(i);
  target.link(i);
  if (inner != nullptr) {
    has_inner_.store_relaxed(true);
    inner_.push_back(i);
    inner->outer_.push_back(i);
  }
  Hooks hooks(i);
  u32 found = 0;
  if (inner == nullptr) {
    found = target.poll(&hooks).bits & event.events;
  } else {
    static_cast<PollTable&>(hooks).watch(inner->pollers_);
    found = look_at<0>(i);
  }
  if (hooks.out_of_memory()) {
    remove(s, i);
    return Errno::enomem;
  }
  if (found != 0) (void)add_ready(s, i);
  return {};
}

Result<void> Epoll::change(EpollChange what, File& target, int fd, Epoll* inner,
                           const EpollEvent& event) {
  bool is_news = true;
  {
    auto s = state_.lock();
    Item* const i = find(*s, target, fd);
    if ((i != nullptr) == (what == EpollChange::add))
      return i != nullptr ? Errno::eexist : Errno::enoent;
    switch (what) {
      case EpollChange::add: TRY(insert(*s, target, fd, inner, event)); break;
      case EpollChange::remove: remove(*s, *i); return {};
      case EpollChange::modify:
        if ((i->events.load_relaxed() & uapi::epollexclusive) != 0) return Errno::einval;
        i->data = event.data;
        // Before the look: a wake-up that is filtered by the old set is one that the look sees.
        i->events.store_seq_cst(event.events);
        is_news = look_at<0>(*i) != 0 && add_ready(*s, *i);
        break;
    }
  }
  if (is_news && is_available()) relay();
  return {};
}

void Epoll::remove_file(File& f) {
  auto s = state_.lock();
  for (;;) {
    const auto it = s->items.lower_bound(Key{&f, std::numeric_limits<int>::min()}, ByKey());
    if (it == s->items.end() || it->file != &f) return;
    remove(*s, *it);
  }
}

void Epoll::file_gone(File& f) {
  if (f.kind() != &kind_of_epoll) return remove_file(f);
  auto all = graph.lock();
  remove_file(f);
}

void Epoll::remove_all() {
  auto s = state_.lock();
  while (!s->items.empty()) remove(*s, *s->items.begin());
}

void Epoll::close() {
  if (!has_inner_.load_relaxed()) return remove_all();
  auto all = graph.lock();
  remove_all();
}

// --- the file ---------------------------------------------------------------------------------

namespace {

class EpollFile final : public AnonFile {
  Ref<Epoll> epoll_;
  void dispose() override { destroy_late(this); }

 public:
  EpollFile(u32 flags, Ref<Epoll> e) : AnonFile(flags), epoll_(std::move(e)) {}
  ~EpollFile() { epoll_->close(); }
  Epoll& epoll() const { return *epoll_; }
  const FileKind* kind() const override { return &kind_of_epoll; }
  PollEvents poll(PollTable* table) override {
    if (table != nullptr) table->watch(epoll_->pollers());
    if (!epoll_->has_events<0>()) return {};
    return PollEvents(PollEvent::in) | PollEvent::read_normal;
  }
  /// As Linux built without busy polling of networks.
  Result<u64> ioctl(u32 command, IoctlArg) override {
    constexpr u32 set_params = 0x40088a01, get_params = 0x80088a02;
    return command == set_params || command == get_params ? Errno::eopnotsupp : Errno::einval;
  }
};

/// What EPOLLEXCLUSIVE goes with.
Result<void> check_exclusive(EpollChange what, bool is_epoll, u32 events) {
  constexpr u32 fine = uapi::epollin | uapi::epollout | uapi::epollerr | uapi::epollhup |
                       uapi::epollwakeup | uapi::epollet | uapi::epollexclusive;
  if (what == EpollChange::remove || (events & uapi::epollexclusive) == 0) return {};
  if (what == EpollChange::modify || is_epoll || (events & ~fine) != 0) return Errno::einval;
  return {};
}

}  // namespace

Result<Ref<File>> make_epoll(u32 flags) {
  constexpr u32 read_write = 2;
  Ref<Epoll> e = TRY(mem::make_ref<Epoll>(ALLOC_SITE));
  return Ref<File>(TRY(mem::make_ref<EpollFile>(ALLOC_SITE, flags | read_write, std::move(e))));
}

Result<Epoll*> epoll_of(File& f) {
  if (f.kind() != &kind_of_epoll) return Errno::einval;
  return &static_cast<EpollFile&>(f).epoll();
}

Result<const File*> watched_file(Epoll& e, int fd, u32 others) { return e.watched(fd, others); }

/// Elsewhere, so that the usual change stays short.
AUK_NOINLINE static Result<void> change_nested(Epoll& e, EpollChange what, EpollFile& target,
                                               int fd, const EpollEvent& wanted) {
  Epoll& inner = target.epoll();
  auto all = graph.lock();
  if (what == EpollChange::add) TRY(all->check(e, inner));
  return e.change(what, target, fd, &inner, wanted);
}

Result<void> change_epoll(File& epoll, EpollChange what, File& target, int fd,
                          const EpollEvent& event) {
  if (!target.can_poll()) return Errno::eperm;
  if (&epoll == &target) return Errno::einval;
  Epoll& e = *TRY(epoll_of(epoll));
  const bool is_epoll = target.kind() == &kind_of_epoll;
  TRY(check_exclusive(what, is_epoll, event.events));
  const EpollEvent wanted{event.events | uapi::epollerr | uapi::epollhup, event.data};
  if (is_epoll) return change_nested(e, what, static_cast<EpollFile&>(target), fd, wanted);
  return e.change(what, target, fd, nullptr, wanted);
}

Result<u32> wait_for_events(Epoll& e, UserAddr to, u32 most, u64 deadline_ns) {
  return e.wait(to, most, deadline_ns);
}

}  // namespace auk::io
