// Files out of reach: sockets that are only open inside of messages which nobody can read.
//
// Data model: Cores of sockets that are in messages, each with how often. One whose file has no
// other references is a candidate. Candidates that are in more messages than stand in the queues of
// candidates are within reach, and what stands in their queues is, too; the rest is not, and its
// messages go. Nobody can take a message out of such a queue, so nothing changes meanwhile.
// Locking: level unix_flight for the list and the counts. Context: threads; the search runs as
// work. Source: the design of Linux's garbage collector before 6.10.
#include <algorithm>

#include "net/unix/core.hpp"
#include "sched/workqueue.hpp"

namespace auk::net::local {

class Collector {
  List<Core, &Core::flight_node> flying_;

  template <class F> static void each_in(Packets& queue, F f) {
    for (Packet& p : queue) {
      if (!p.with.rights) continue;
      for (const Ref<io::File>& file : p.with.rights->files())
        if (Core* const c = core_of(*file)) f(*c);
    }
  }
  /// Calls f for each core whose file stands in a message that could be read by way of `c`.
  template <class F> static void each_queued(Core& c, F f) {
    auto s = c.state_.lock();
    each_in(s->queue, f);
    for (Core& connection : s->pending) {
      auto inner = connection.state_.lock_as<core::level::socket_queue_twin>();
      each_in(inner->queue, f);
    }
  }
  static void take_queue(Core& c, Packets& lost);
  void find_candidates();
  void mark_reached();

 public:
  constexpr Collector() = default;
  bool is_empty() const { return flying_.empty(); }
  void enter(Core& c) {
    if (c.in_flight++ == 0) flying_.push_back(c);
  }
  void leave(Core& c) {
    if (--c.in_flight == 0) flying_.remove(c);
  }
  /// Moves the messages of those that are out of reach to `lost`.
  void collect(Packets& lost);
};

void Collector::find_candidates() {
  for (Core& c : flying_) {
    c.is_candidate = c.file != nullptr && c.file->ref_count() == c.in_flight;
    c.outside = c.in_flight;
    c.is_reached = false;
  }
  for (Core& c : flying_)
    if (c.is_candidate) each_queued(c, [](Core& in) { --in.outside; });
}

void Collector::mark_reached() {
  List<Core, &Core::work_node> reached;
  const auto reach = [&](Core& c) {
    if (!c.is_candidate || std::exchange(c.is_reached, true)) return;
    reached.push_back(c);
  };
  for (Core& c : flying_)
    if (c.outside > 0) reach(c);
  while (Core* const c = reached.pop_front()) each_queued(*c, reach);
}

void Collector::take_queue(Core& c, Packets& lost) {
  const auto take = [&](auto& s, Core& of) {
    while (mem::Box<Packet> p = of.pop(*s)) lost.push_back(*p.release());
  };
  auto s = c.state_.lock();
  take(s, c);
  for (Core& connection : s->pending) {
    auto inner = connection.state_.lock_as<core::level::socket_queue_twin>();
    take(inner, connection);
  }
}

void Collector::collect(Packets& lost) {
  find_candidates();
  mark_reached();
  for (Core& c : flying_)
    if (c.is_candidate && !c.is_reached) take_queue(c, lost);
}

namespace {

constinit core::Guarded<core::level::unix_flight, Collector, sched::SleepLock> collector;
constinit Atomic<bool> has_any{false};

/// Messages with files in them that nobody gets. One after the other: the last reference to a
/// socket may go with a message, and leave further ones.
constinit core::Guarded<core::level::socket_queue, Packets, core::SpinPreemptOff> lost_packets;

class Collecting final : public sched::Work {
 public:
  void run() override {
    Packets lost;
    collector.lock()->collect(lost);
    for (;;) {
      Packet* p = lost.pop_front();
      if (p == nullptr) p = lost_packets.lock()->pop_front();
      if (p == nullptr) return;
      if (p->with.rights) leave_flight(*p->with.rights);
      mem::destroy(p);
    }
  }
};
constinit Collecting collecting;

}  // namespace

void enter_flight(const Rights& rights) {
  auto c = collector.lock();
  for (const Ref<io::File>& file : rights.files())
    if (Core* const core = core_of(*file)) c->enter(*core);
  has_any.store_release(!c->is_empty());
}

void leave_flight(const Rights& rights) {
  auto c = collector.lock();
  for (const Ref<io::File>& file : rights.files())
    if (Core* const core = core_of(*file)) c->leave(*core);
  has_any.store_release(!c->is_empty());
}

void discard(Packets& packets) {
  bool has_rights = false;
  while (Packet* const p = packets.pop_front()) {
    if (!p->with.rights) {
      mem::destroy(p);
      continue;
    }
    lost_packets.lock()->push_back(*p);
    has_rights = true;
  }
  if (has_rights) (void)sched::system_queue.queue(collecting);
}

void copy_flying(const Rights& from, Rights& to) {
  auto c = collector.lock();
  std::ranges::copy(from.files(), to.files().begin());
}

void collect_later() {
  if (has_any.load_acquire()) (void)sched::system_queue.queue(collecting);
}

}  // namespace auk::net::local
