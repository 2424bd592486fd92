#include "proc/usage.hpp"

namespace auk::proc {

Usage usage_of(Group& g) {
  Usage u;
  u.user_ns = g.dead_run_time_ns.load_relaxed();
  auto t = tree.lock();
  for (Task& task : g.tasks) u.user_ns += task.run_time_ns();
  return u;
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
  r.ru_utime = split(u.user_ns);
  r.ru_stime = split(u.system_ns);
  return r;
}

}  // namespace auk::proc
