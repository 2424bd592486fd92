#include "proc/usage.hpp"

#include <algorithm>

namespace auk::proc {

u64 run_time_of(Group& g) {
  auto t = tree.lock();
  u64 ran = g.dead_run_time_ns.load_relaxed();
  for (Task& task : g.tasks) ran += task.run_time_ns();
  return ran;
}

Events events_of(const Task& t) {
  return {.faults = t.faults.load_relaxed(), .sleeps = t.sleeps(), .preemptions = t.preemptions()};
}

Usage usage_of(Group& g) {
  Usage u{.time = g.samples.share(run_time_of(g)), .peak_pages = g.peak_pages.load_relaxed()};
  auto t = tree.lock();
  u.events = g.dead_events;
  for (const Task& task : g.tasks) u.events += events_of(task);
  return u;
}

Usage usage_of(Task& t) {
  return {.time = t.samples.share(t.run_time_ns()), .events = events_of(t)};
}

IoTotals io_of(Group& g) {
  auto t = tree.lock();
  IoTotals all = g.dead_io;
  for (const Task& task : g.tasks) all += task.io_counts.totals();
  return all;
}

Usage usage_at_end(Group& g) {
  return {.time = g.samples.share(g.dead_run_time_ns.load_relaxed()),
          .events = g.dead_events,
          .peak_pages = g.peak_pages.load_relaxed()};
}

Usage operator+(const Usage& a, const Usage& b) {
  Events events = a.events;
  events += b.events;
  return {.time = {a.time.user_ns + b.time.user_ns, a.time.system_ns + b.time.system_ns},
          .events = events,
          .peak_pages = std::max(a.peak_pages, b.peak_pages)};
}

void note_peak_pages(Group& g, const vm::AddressSpace& space) {
  const u64 now = space.peak_resident_pages();
  u64 peak = g.peak_pages.load_relaxed();
  while (peak < now && !g.peak_pages.cas_release(peak, now)) {}
}

Usage usage_of_children(Group& g) {
  auto t = tree.lock();
  return g.children_usage;
}

uapi::rusage to_rusage(const Usage& u) {
  constexpr u64 us = 1000, second = 1'000'000;
  const auto split = [](u64 ns) {
    return uapi::timeval{static_cast<i64>(ns / us / second), static_cast<i64>(ns / us % second)};
  };
  uapi::rusage r{};
  r.ru_utime = split(u.time.user_ns);
  r.ru_stime = split(u.time.system_ns);
  r.ru_maxrss = static_cast<i64>(u.peak_pages * (page_size / kib));
  // Nothing is read from a device yet: no fault is a major one.
  r.ru_minflt = static_cast<i64>(u.events.faults);
  r.ru_nvcsw = static_cast<i64>(u.events.sleeps);
  r.ru_nivcsw = static_cast<i64>(u.events.preemptions);
  return r;
}

vm::Allowance memory_allowance(Task& t) {
  vm::Allowance a;
  {
    auto limits = t.group->limits.lock();
    a.address_space = (*limits)[uapi::rlimit_as].soft;
    a.data = (*limits)[uapi::rlimit_data].soft;
    a.stack = (*limits)[uapi::rlimit_stack].soft;
    a.locked = (*limits)[uapi::rlimit_memlock].soft;
  }
  const ident::Cred& cred = t.cred();
  a.may_lock = cred.has(ident::Cap::ipc_lock);
  a.is_admin = cred.has(ident::Cap::sys_admin);
  a.may_map_low = cred.has(ident::Cap::sys_rawio);
  return a;
}

}  // namespace auk::proc
