#include "vm/commit.hpp"

#include <algorithm>

#include "core/param.hpp"
#include "core/percpu.hpp"
#include "core/preempt.hpp"
#include "mem/pages.hpp"

namespace auk::vm::commit {
namespace {

// Defaults of the sysctls; boot parameters sysctl.vm.* set them before programs run.
constinit Policy chosen = Policy::guess;
constinit u64 ratio_percent = 50;
constexpr u64 admin_reserve = 8 * mib / page_size;
constexpr u64 user_reserve = 128 * mib / page_size;

bool set_policy(std::string_view v) {
  if (v.size() != 1 || v[0] < '0' || v[0] > '2') return false;
  chosen = static_cast<Policy>(v[0] - '0');
  return true;
}
PARAM("sysctl.vm.overcommit_memory", set_policy);

bool set_ratio(std::string_view v) {
  u64 n = 0;
  for (const char c : v) {
    if (c < '0' || c > '9' || n > 1000) return false;
    n = n * 10 + static_cast<u64>(c - '0');
  }
  ratio_percent = n;
  return !v.empty();
}
PARAM("sysctl.vm.overcommit_ratio", set_ratio);

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

Policy policy() { return chosen; }

u64 committed() { return static_cast<u64>(std::max<i64>(shared.load_relaxed(), 0)); }

u64 limit() { return mem::managed_pages() * ratio_percent / 100; }

Result<void> charge(u64 pages, const Asker& who) {
  switch (chosen) {
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
