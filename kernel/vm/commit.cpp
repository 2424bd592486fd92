#include "vm/commit.hpp"

#include <algorithm>

#include "core/percpu.hpp"
#include "core/preempt.hpp"
#include "core/sysctl.hpp"
#include "mem/pages.hpp"

namespace auk::vm::commit {
namespace {

constinit Atomic<i64> chosen{static_cast<i64>(Policy::guess)};
constinit Atomic<i64> ratio_percent{50};
constinit core::NumberSysctl overcommit_memory("vm/overcommit_memory", chosen, 0, 2);
constinit core::NumberSysctl overcommit_ratio("vm/overcommit_ratio", ratio_percent, 0, 0x7fffffff);
SYSCTL(overcommit_memory);
SYSCTL(overcommit_ratio);
constexpr u64 admin_reserve = 8 * mib / page_size;
constexpr u64 user_reserve = 128 * mib / page_size;

/// A CPU keeps so many pages to itself before it tells the others.
constexpr i64 batch = 256;
AUK_PER_CPU core::PerCpu<i64> local;
constinit Atomic<i64> shared{0};

void add(i64 pages) {
  const core::PreemptOff here;
  i64& mine = local.here(here);
  mine += pages;
  if (mine < batch && mine > -batch) return;
  (void)shared.fetch_add_relaxed(mine);
  mine = 0;
}

}  // namespace

Policy policy() { return static_cast<Policy>(chosen.load_relaxed()); }

u64 committed() { return static_cast<u64>(std::max<i64>(shared.load_relaxed(), 0)); }

u64 limit() {
  const auto percent = static_cast<u64>(ratio_percent.load_relaxed());
  const u64 all = mem::managed_pages();
  // In two parts, so that no product overflows.
  return all / 100 * percent + all % 100 * percent / 100;
}

Result<void> charge(u64 pages, const Asker& who) {
  switch (policy()) {
    case Policy::always: break;
    case Policy::guess:
      if (pages > mem::managed_pages()) return Errno::enomem;
      break;
    case Policy::never: {
      u64 allowed = limit();
      if (!who.is_admin) allowed -= std::min(allowed, admin_reserve);
      // One program does not take everything, so that its user can still end it.
      allowed -= std::min(allowed, std::min(who.mapped_pages / 32, user_reserve));
      if (committed() + pages > allowed) return Errno::enomem;
      break;
    }
  }
  add(static_cast<i64>(pages));
  return {};
}

void release(u64 pages) {
  if (pages != 0) add(-static_cast<i64>(pages));
}

}  // namespace auk::vm::commit
