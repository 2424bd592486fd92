#include "proc/usage.hpp"

namespace auk::proc {

Usage usage_of(Group& g) {
  Usage u;
  u.user_ns = g.dead_run_time_ns.load_relaxed();
  u.peak_pages = g.peak_pages.load_relaxed();
  auto t = tree.lock();
  for (Task& task : g.tasks) u.user_ns += task.run_time_ns();
  return u;
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
  r.ru_utime = split(u.user_ns);
  r.ru_stime = split(u.system_ns);
  r.ru_maxrss = static_cast<i64>(u.peak_pages * (page_size / kib));
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
