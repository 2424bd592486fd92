#include "core/oops.hpp"

#include "base/atomic.hpp"
#include "base/text.hpp"
#include "core/config.hpp"
#include "core/panic.hpp"
#include "core/param.hpp"
#include "core/sysctl.hpp"

namespace auk::core {
namespace {

constinit TaskKiller* killer = nullptr;
constinit Atomic<u64> oopses{0};
constinit Atomic<u64> warnings{0};
constinit Atomic<i64> panic_on_oops{config::panic_on_oops};
constinit Atomic<i64> panic_on_warn{0};
constinit Atomic<i64> oops_limit{10000};
constinit Atomic<i64> warn_limit{0};
constexpr i64 most = 0x7fffffff;
constinit NumberSysctl oops_panics("kernel/panic_on_oops", panic_on_oops, -most, most);
constinit NumberSysctl warn_panics("kernel/panic_on_warn", panic_on_warn, 0, 1);
constinit NumberSysctl most_oopses("kernel/oops_limit", oops_limit, 0, most);
constinit NumberSysctl most_warnings("kernel/warn_limit", warn_limit, 0, most);
SYSCTL(oops_panics);
SYSCTL(warn_panics);
SYSCTL(most_oopses);
SYSCTL(most_warnings);

/// What a report of a bug should tell: Linux Documentation/admin-guide/tainted-kernels.rst.
class TaintedSysctl final : public Sysctl {
 public:
  constexpr TaintedSysctl() : Sysctl("kernel/tainted", false) {}
  void show(Writer& out) const override {
    constexpr u32 oopsed = 1 << 7, warned = 1 << 9;
    format_to(out, "{}",
              (oopses.load_relaxed() != 0 ? oopsed : 0) |
                  (warnings.load_relaxed() != 0 ? warned : 0));
  }
};
constinit TaintedSysctl tainted;
SYSCTL(tainted);

bool set_oops(std::string_view v) {
  if (v == "panic") panic_on_oops.store_relaxed(1);
  return v == "panic";
}
bool set_panic_on_oops(std::string_view v) {
  const auto n = parse_u64(v);
  panic_on_oops.store_relaxed(n.value_or(1) != 0 ? 1 : 0);
  return true;
}
bool set_panic_on_warn(std::string_view v) {
  const auto n = parse_u64(v);
  panic_on_warn.store_relaxed(n.value_or(1) != 0 ? 1 : 0);
  return true;
}
PARAM("oops", set_oops);
PARAM("panic_on_oops", set_panic_on_oops);
PARAM("panic_on_warn", set_panic_on_warn);

}  // namespace

void set_task_killer(TaskKiller& k) { killer = &k; }

u64 begin_oops() { return oopses.fetch_add_relaxed(1) + 1; }

void end_oops(bool in_interrupt) {
  if (in_interrupt) panic("Fatal exception in interrupt");
  if (panic_on_oops.load_relaxed() != 0) panic("Fatal exception");
  const auto limit = static_cast<u64>(oops_limit.load_relaxed());
  if (limit != 0 && oopses.load_relaxed() >= limit)
    panic("Oopsed too often (kernel.oops_limit is {})", limit);
  if (killer == nullptr || !killer->can_kill_current()) panic("Attempted to kill the idle task!");
  killer->kill_current();
}

u64 oops_count() { return oopses.load_relaxed(); }
u64 warning_count() { return warnings.load_relaxed(); }

void note_warning() {
  const u64 n = warnings.fetch_add_relaxed(1) + 1;
  if (panic_on_warn.load_relaxed() != 0) panic("kernel: panic_on_warn set ...");
  const auto limit = static_cast<u64>(warn_limit.load_relaxed());
  if (limit != 0 && n >= limit) panic("Warned too often (kernel.warn_limit is {})", limit);
}

}  // namespace auk::core
