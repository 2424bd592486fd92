#include "irq/irq.hpp"

#include <algorithm>
#include <array>

#include "base/annotations.hpp"
#include "core/cpu_mask.hpp"
#include "core/log.hpp"
#include "core/spin.hpp"
#include "mem/box.hpp"

namespace auk::irq {
namespace {

constexpr usize vectors = 256;
constexpr u32 unhandled_limit = 100'000;
AUK_RO_AFTER_INIT constinit std::span<const u32> cpu_addresses{};

}  // namespace

/// One interrupt in use.
class Desc {
  struct State {
    List<Handler, &Handler::node_> handlers;
    u32 unhandled = 0;
    bool disabled = false;
  };
  core::Guarded<core::level::irq_desc, State, core::SpinIrqOff> state_;
  u32 gsi_;
  u32 input_;
  Controller& controller_;
  Trigger trigger_;
  Polarity polarity_;
  Atomic<u64>* counts_;  ///< by CPU; owned
  friend class Registry;

 public:
  ListNode node;
  Desc(u32 gsi, const ControllerRange& range, Trigger t, Polarity p, Atomic<u64>* counts)
      : gsi_(gsi),
        input_(gsi - range.first),
        controller_(*range.controller),
        trigger_(t),
        polarity_(p),
        counts_(counts) {}
  ~Desc() { mem::free(counts_); }
  Desc(const Desc&) = delete;
  Desc& operator=(const Desc&) = delete;

  void add(Handler& h, Route route) {
    auto s = state_.lock();
    const bool first = s->handlers.empty();
    s->handlers.push_back(h);
    if (first) controller_.connect(input_, route, trigger_, polarity_);
  }
  void remove(Handler& h) {
    auto s = state_.lock();
    List<Handler, &Handler::node_>::remove(h);
    if (s->handlers.empty()) controller_.mask(input_);
  }
  void run() {
    auto s = state_.lock();
    Atomic<u64>& count = counts_[core::this_cpu().value];
    count.store_relaxed(count.load_relaxed() + 1);
    bool handled = false;
    for (Handler& h : s->handlers) handled |= h.handle();
    if (handled) {
      s->unhandled = 0;
    } else if (++s->unhandled == unhandled_limit && !s->disabled) {
      // A line nobody answers for would keep the CPU busy for ever.
      s->disabled = true;
      controller_.mask(input_);
      core::log_emerg("irq {}: nobody cared (disabled)", gsi_);
    }
  }
  u32 gsi() const { return gsi_; }
  Line report() {
    Line l{.gsi = gsi_,
           .input = input_,
           .trigger = trigger_,
           .controller = controller_.name(),
           .counts = counts_};
    auto s = state_.lock();
    if (const Handler* const h = s->handlers.front()) l.handler = h->name();
    return l;
  }
  bool matches(Trigger t, Polarity p) const { return trigger_ == t && polarity_ == p; }
};

namespace {

AUK_PER_CPU core::PerCpu<std::array<Atomic<Desc*>, vectors>> vector_table;

struct Tables {
  List<ControllerRange, &ControllerRange::node> controllers;
  List<Desc, &Desc::node> in_use;
  unsigned first_vector = 0;
  unsigned last_vector = 0;
};
constinit core::Guarded<core::level::irq_table, Tables, core::SpinIrqOff> tables;

}  // namespace

class Registry {
 public:
  static Desc* find(Tables& t, u32 gsi) {
    for (Desc& d : t.in_use)
      if (d.gsi_ == gsi) return &d;
    return nullptr;
  }
  static const ControllerRange* range_of(Tables& t, u32 gsi) {
    for (ControllerRange& r : t.controllers)
      if (gsi - r.first < r.count) return &r;
    return nullptr;
  }
  /// A free vector, on the boot CPU.
  static Result<Route> take_vector(Tables& t, Desc& desc) {
    auto& table = vector_table.on(CpuId(0));
    for (unsigned v = t.first_vector; v <= t.last_vector && v < vectors; ++v) {
      Desc* none = nullptr;
      if (table[v].cas_release(none, &desc)) return Route{CpuId(0), static_cast<u8>(v)};
    }
    return Errno::enospc;
  }
};

void add_controller(ControllerRange& range) {
  auto t = tables.lock();
  t->controllers.push_back(range);
}

void add_numbered(ControllerRange& range) {
  auto t = tables.lock();
  range.first = 0;
  for (const ControllerRange& r : t->controllers)
    range.first = std::max(range.first, r.first + r.count);
  t->controllers.push_back(range);
}

machine::InterruptMessage message_for(Route route) {
  return machine::interrupt_message(address_of(route.cpu), route.vector);
}

void set_cpu_addresses(std::span<const u32> addresses) { cpu_addresses = addresses; }
u32 address_of(CpuId cpu) {
  return cpu.value < cpu_addresses.size() ? cpu_addresses[cpu.value] : 0;
}

void set_vector_range(unsigned first, unsigned last) {
  auto t = tables.lock();
  t->first_vector = first;
  t->last_vector = last;
}

Result<void> request(u32 gsi, Trigger trigger, Polarity polarity, Handler& handler) {
  ControllerRange range;
  {
    auto t = tables.lock();
    if (Desc* d = Registry::find(*t, gsi); d != nullptr) {
      if (!d->matches(trigger, polarity)) return Errno::ebusy;
      d->add(handler, {});
      return {};
    }
    const ControllerRange* r = Registry::range_of(*t, gsi);
    if (r == nullptr) return Errno::enodev;
    range.controller = r->controller;
    range.first = r->first;
  }
  // Descriptors stay once made: there are no more of them than interrupt lines.
  auto* const counts = static_cast<Atomic<u64>*>(
      TRY(mem::allocate(ALLOC_SITE, core::possible_cpus * sizeof(Atomic<u64>))));
  Result<mem::Box<Desc>> made =
      mem::Box<Desc>::make(ALLOC_SITE, gsi, range, trigger, polarity, counts);
  if (!made.ok()) {
    mem::free(counts);
    return made.error();
  }
  mem::Box<Desc> desc = made.take();
  auto t = tables.lock();
  if (Desc* d = Registry::find(*t, gsi); d != nullptr) {
    if (!d->matches(trigger, polarity)) return Errno::ebusy;
    d->add(handler, {});
    return {};
  }
  const Route route = TRY(Registry::take_vector(*t, *desc));
  Desc& fresh = *desc.release();
  t->in_use.push_back(fresh);
  fresh.add(handler, route);
  return {};
}

bool next_line(u32 gsi, Line& out) {
  // Descriptors stay.
  Desc* found = nullptr;
  {
    auto t = tables.lock();
    for (Desc& d : t->in_use)
      if (d.gsi() >= gsi && (found == nullptr || d.gsi() < found->gsi())) found = &d;
  }
  if (found == nullptr) return false;
  out = found->report();
  return true;
}

void release(u32 gsi, Handler& handler) {
  Desc* d = nullptr;
  {
    auto t = tables.lock();
    d = Registry::find(*t, gsi);
  }
  if (d != nullptr) d->remove(handler);
}

void dispatch(unsigned vector) {
  Desc* const d = vector_table.here(core::Pinned::assume())[vector].load_acquire();
  if (d != nullptr)
    d->run();
  else
    core::log_warn("No irq handler for vector {} on CPU {}", vector, core::this_cpu());
}

}  // namespace auk::irq
