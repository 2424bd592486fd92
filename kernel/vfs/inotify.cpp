#include "vfs/inotify.hpp"

#include <algorithm>

#include "core/sysctl.hpp"
#include "generated/uapi/ioctl.hpp"
#include "io/anon_file.hpp"
#include "uapi/inotify.hpp"
#include "vfs/notify.hpp"
#include "vfs/operations.hpp"

namespace auk::vfs {
namespace {

constexpr io::FileKind kind_of_inotify{"inotify"};
// Linux's defaults of /proc/sys/fs/inotify.
// Of a user: open files, and watches in all of them. Of a file: events that wait.
constinit Atomic<i64> most_instances{128}, most_watches{8192}, most_events{16384};
constexpr i64 any_number = 0x7fffffff;
constinit core::NumberSysctl instances_variable("fs/inotify/max_user_instances", most_instances, 0,
                                                any_number);
constinit core::NumberSysctl watches_variable("fs/inotify/max_user_watches", most_watches, 0,
                                              any_number);
constinit core::NumberSysctl events_variable("fs/inotify/max_queued_events", most_events, 0,
                                             any_number);
SYSCTL(instances_variable);
SYSCTL(watches_variable);
SYSCTL(events_variable);

constexpr u32 bit(int flag) { return static_cast<u32>(flag); }
constexpr u32 is_directory_bit = bit(uapi::in_isdir);
/// What a watch keeps of its mask.
constexpr u32 kept =
    bit(uapi::in_all_events) | bit(uapi::in_unmount) | bit(uapi::in_excl_unlink) | uapi::in_oneshot;
constexpr u32 events_mask = bit(uapi::in_all_events) | bit(uapi::in_unmount);
constexpr usize name_unit = sizeof(uapi::inotify_event);

bool charge(Atomic<u32>& count, const Atomic<i64>& most) {
  if (count.fetch_add_relaxed(1) < most.load_relaxed()) return true;
  (void)count.fetch_sub_relaxed(1);
  return false;
}

struct Event {
  uapi::inotify_event head{};  ///< its `len` is what a reader sees: padded
  u32 name_size = 0;
  ListNode node;
  char* name() { return reinterpret_cast<char*>(this + 1); }
  std::string_view text() { return {name(), name_size}; }
  usize size() const { return sizeof(head) + head.len; }
};

}  // namespace

class Inotify final : public RefCounted<Inotify> {
  struct ByNumber {
    bool operator()(const Watch& a, const Watch& b) const { return a.number < b.number; }
    bool operator()(i32 a, const Watch& b) const { return a < b.number; }
    bool operator()(const Watch& a, i32 b) const { return a.number < b; }
  };
  struct State {
    Tree<Watch, &Watch::number_hook, ByNumber> watches;
    List<Event, &Event::node> queue;
    u32 queued = 0;
    i32 last_number = 0;
    bool is_closed = false;
  };
  Ref<ident::User> user_;
  const i64 most_events_ = most_events.load_relaxed();
  core::Guarded<core::level::inotify, State, core::SpinPreemptOff> state_;
  sched::WaitQueue readers_;

  bool has_events() { return !state_.lock()->queue.empty(); }
  /// The first event, if it fits; nullptr: there is none. EINVAL.
  Result<Event*> take(u64 room) {
    auto s = state_.lock();
    Event* const e = s->queue.front();
    if (e == nullptr) return e;
    if (e->size() > room) return Errno::einval;
    s->queue.remove(*e);
    --s->queued;
    return e;
  }
  static bool put(io::IoBuf& buf, Event& e) {
    if (buf.put(object_bytes(e.head)) != sizeof(e.head)) return false;
    const std::span name(reinterpret_cast<const byte*>(e.name()), e.name_size);
    if (buf.put(name) != name.size()) return false;
    const usize padding = e.head.len - e.name_size;
    return buf.put_zeros(padding) == padding;
  }

 public:
  explicit Inotify(Ref<ident::User> u) : user_(std::move(u)) {}
  ~Inotify() {
    State& s = state_.alone();
    while (Event* const e = s.queue.pop_front()) mem::free(e);
    (void)user_->inotify_instances.fetch_sub_relaxed(1);
  }
  static void destroy(Inotify* n) { mem::destroy(n); }
  ident::User& user() { return *user_; }

  void push(i32 number, u32 mask, u32 cookie, std::string_view name);
  bool enter(Watch& w) {
    auto s = state_.lock();
    if (s->is_closed) return false;
    // Once around, those that are in use are left out.
    do {
      s->last_number = s->last_number == INT32_MAX ? 1 : s->last_number + 1;
    } while (s->watches.find(s->last_number, ByNumber()) != s->watches.end());
    w.number = s->last_number;
    (void)Ref<Watch>(w).release();
    s->watches.insert_equal(w);
    return true;
  }
  /// The watch is in no inode's list any more.
  void leave(Watch& w) {
    {
      auto s = state_.lock();
      s->watches.erase(s->watches.iterator_to(w));
    }
    (void)user_->inotify_watches.fetch_sub_relaxed(1);
    push(w.number, bit(uapi::in_ignored), 0, {});
    (void)Ref<Watch>::adopt(&w);
  }
  Ref<Watch> find(i32 number) {
    auto s = state_.lock();
    const auto it = s->watches.find(number, ByNumber());
    return it == s->watches.end() ? Ref<Watch>() : Ref<Watch>(*it);
  }
  Ref<Watch> first() {
    auto s = state_.lock();
    s->is_closed = true;
    return s->watches.empty() ? Ref<Watch>() : Ref<Watch>(*s->watches.begin());
  }
  Result<usize> read(io::IoBuf& buf, bool nonblocking);
  io::PollEvents poll(io::PollTable* table) {
    if (table != nullptr) table->watch(readers_);
    if (!has_events()) return {};
    return io::PollEvents(io::PollEvent::in) | io::PollEvent::read_normal;
  }
  u32 bytes_waiting() {
    usize sum = 0;
    auto s = state_.lock();
    for (const Event& e : s->queue) sum += e.size();
    return static_cast<u32>(sum);
  }
};

Watch::Watch(Ref<Inotify> l, Ref<Inode> i, u32 m)
    : listener(std::move(l)),
      super(i->super()),
      inode(std::move(i)),
      mask(m) {}
Watch::~Watch() = default;
void Watch::destroy(Watch* w) { mem::destroy(w); }

void Inotify::push(i32 number, u32 mask, u32 cookie, std::string_view name) {
  Event* fresh = nullptr;
  if (Result<void*> memory = mem::allocate(ALLOC_SITE, sizeof(Event) + name.size()); memory.ok()) {
    fresh = ::new (memory.take()) Event;
    const usize padded =
        name.empty() ? 0 : (name.size() + 1 + name_unit - 1) / name_unit * name_unit;
    fresh->head = {number, mask, cookie, static_cast<u32>(padded)};
    fresh->name_size = static_cast<u32>(name.size());
    std::copy(name.begin(), name.end(), fresh->name());
  }
  {
    auto s = state_.lock();
    Event* const last = s->queue.back();
    const bool repeats = last != nullptr && fresh != nullptr && last->head.wd == number &&
                         last->head.mask == mask && mask != bit(uapi::in_ignored) &&
                         last->text() == name;
    const bool overflows = fresh == nullptr || i64{s->queued} >= most_events_;
    const bool is_known =
        overflows && last != nullptr && last->head.mask == bit(uapi::in_q_overflow);
    if (!s->is_closed && fresh != nullptr && !repeats && !is_known) {
      if (overflows) {
        fresh->head = {-1, bit(uapi::in_q_overflow), 0, 0};
        fresh->name_size = 0;
      }
      s->queue.push_back(*std::exchange(fresh, nullptr));
      ++s->queued;
    }
  }
  if (fresh != nullptr)
    mem::free(fresh);
  else
    readers_.wake_all();
}

Result<usize> Inotify::read(io::IoBuf& buf, bool nonblocking) {
  usize done = 0;
  for (;;) {
    Result<Event*> taken = take(buf.left());
    if (!taken.ok()) return done > 0 ? Result<usize>(done) : taken.error();
    Event* const e = taken.take();
    if (e != nullptr) {
      const usize size = e->size();
      const bool fine = put(buf, *e);
      mem::free(e);
      if (!fine) return done > 0 ? Result<usize>(done) : Errno::efault;
      done += size;
      continue;
    }
    if (done > 0) return done;
    if (nonblocking) return Errno::eagain;
    const auto ready = [&] { return has_events(); };
    if (sched::wait_interruptible(readers_, ready) == sched::WaitResult::interrupted)
      return restart::sys;
  }
}

namespace {

void note_wanted(Inode& i, WatchList::List& list) {
  u32 wanted = 0;
  for (Watch& w : list) wanted |= w.mask & events_mask;
  i.watches.wanted.store_relaxed(wanted);
}

/// Takes a watch out of its inode's list, which is locked.
void unlink(WatchList::List& list, Watch& w) {
  list.remove(w);
  (void)w.inode->super().watches.fetch_sub_relaxed(1);
  w.listener->leave(w);
}

/// Ends a watch, unless somebody else does.
void end(Watch& w) {
  Inode& i = *w.inode;
  auto list = i.watches.list.lock();
  if (!w.node.is_linked()) return;
  unlink(*list, w);
  note_wanted(i, *list);
}

void send(Inode& i, u32 mask, u32 cookie, std::string_view name, bool is_unlinked) {
  auto list = i.watches.list.lock();
  bool changed = false;
  for (Watch* w = list->front(); w != nullptr;) {
    Watch& now = *w;
    w = list->next(now);
    if ((now.mask & mask & events_mask) == 0) continue;
    if (is_unlinked && (now.mask & bit(uapi::in_excl_unlink)) != 0) continue;
    const Ref<Watch> keep(now);
    now.listener->push(now.number, mask, cookie, name);
    if ((now.mask & uapi::in_oneshot) == 0) continue;
    unlink(*list, now);
    changed = true;
  }
  if (changed) note_wanted(i, *list);
}

bool wants(const Inode& i, u32 event) { return (i.watches.wanted.load_relaxed() & event) != 0; }

std::string_view copy_of_name(const Dentry& d, std::span<char, name_max> to) {
  const core::RcuReader reader;
  return {to.data(), d.name()->text().copy(to.data(), to.size())};
}

constinit Atomic<u32> last_cookie{0};

}  // namespace

namespace notify {

void tell_inode(Inode& i, u32 event) {
  if (!wants(i, event)) return;
  const u32 self = bit(uapi::in_move_self) | bit(uapi::in_delete_self);
  const bool shows_kind = i.is_directory() && (event & self) == 0;
  send(i, event | (shows_kind ? is_directory_bit : 0), 0, {}, false);
}

void tell_entry(Inode& dir, u32 event, std::string_view name, bool is_directory, u32 cookie) {
  if (wants(dir, event))
    send(dir, event | (is_directory ? is_directory_bit : 0), cookie, name, false);
}

void tell_dentry(Dentry& d, u32 event) {
  Inode& i = d.inode();
  if (d.name() != nullptr)
    if (const Ref<Dentry> parent = d.parent(); wants(parent->inode(), event)) {
      std::array<char, name_max> name;
      send(parent->inode(), event | (i.is_directory() ? is_directory_bit : 0), 0,
           copy_of_name(d, name), !d.has_name());
    }
  tell_inode(i, event);
}

void happened(const io::File& f, u32 event) {
  if (const Path* const p = path_of(f)) happened(*p->dentry, event);
}

void tell_removed(Inode& i) {
  tell_inode(i, bit(uapi::in_delete_self));
  auto list = i.watches.list.lock();
  while (Watch* const w = list->front()) {
    const Ref<Watch> keep(*w);
    unlink(*list, *w);
  }
  note_wanted(i, *list);
}

u32 new_cookie() { return last_cookie.fetch_add_relaxed(1) + 1; }

}  // namespace notify

namespace {

class InotifyFile final : public io::AnonFile {
  Ref<Inotify> inotify_;
  void dispose() override { destroy_late(this); }

 public:
  InotifyFile(u32 flags, Ref<Inotify> n) : AnonFile(flags), inotify_(std::move(n)) {}
  ~InotifyFile() {
    while (const Ref<Watch> w = inotify_->first()) end(*w);
  }
  Inotify& inotify() const { return *inotify_; }
  const io::FileKind* kind() const override { return &kind_of_inotify; }
  Result<usize> read(io::IoBuf& buf) override { return inotify_->read(buf, is_nonblocking()); }
  io::PollEvents poll(io::PollTable* table) override { return inotify_->poll(table); }
  Result<u64> ioctl(u32 command, io::IoctlArg arg) override {
    if (command != uapi::fionread) return Errno::enotty;
    TRY(core::UserOut<u32>(arg.address()).store(inotify_->bytes_waiting()));
    return u64{0};
  }
};

}  // namespace

Result<Ref<io::File>> make_inotify(u32 uid, u32 flags) {
  Ref<ident::User> user = TRY(ident::find_user(uid));
  ident::User& payer = *user;
  if (!charge(payer.inotify_instances, most_instances)) return Errno::emfile;
  Result<Ref<Inotify>> made = mem::make_ref<Inotify>(ALLOC_SITE, std::move(user));
  if (!made.ok()) {
    (void)payer.inotify_instances.fetch_sub_relaxed(1);
    return made.error();
  }
  return Ref<io::File>(TRY(mem::make_ref<InotifyFile>(ALLOC_SITE, flags, made.take())));
}

Result<Inotify*> inotify_of(io::File& f) {
  if (f.kind() != &kind_of_inotify) return Errno::einval;
  return &static_cast<InotifyFile&>(f).inotify();
}

Result<u32> add_watch(Inotify& n, Inode& inode, u32 mask) {
  Ref<Watch> fresh =
      TRY(mem::make_ref<Watch>(ALLOC_SITE, Ref<Inotify>(n), Ref<Inode>(inode), mask & kept));
  auto list = inode.watches.list.lock();
  for (Watch& w : *list) {
    if (w.listener.get() != &n) continue;
    if ((mask & bit(uapi::in_mask_create)) != 0) return Errno::eexist;
    w.mask = (mask & bit(uapi::in_mask_add)) != 0 ? w.mask | (mask & kept) : mask & kept;
    note_wanted(inode, *list);
    return static_cast<u32>(w.number);
  }
  if (!charge(n.user().inotify_watches, most_watches)) return Errno::enospc;
  if (!n.enter(*fresh)) {
    (void)n.user().inotify_watches.fetch_sub_relaxed(1);
    return Errno::einval;
  }
  list->push_front(*fresh);
  (void)inode.super().watches.fetch_add_relaxed(1);
  note_wanted(inode, *list);
  return static_cast<u32>(fresh->number);
}

Result<void> remove_watch(Inotify& n, i32 number) {
  const Ref<Watch> w = n.find(number);
  if (!w) return Errno::einval;
  end(*w);
  return {};
}

}  // namespace auk::vfs
