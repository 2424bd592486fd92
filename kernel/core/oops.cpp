#include "core/oops.hpp"

#include "base/atomic.hpp"
#include "base/text.hpp"
#include "core/config.hpp"
#include "core/panic.hpp"
#include "core/param.hpp"

namespace auk::core {
namespace {

constinit TaskKiller* killer = nullptr;
constinit Atomic<u64> oopses{0};
constinit Atomic<u64> warnings{0};
constinit bool panic_on_oops = config::panic_on_oops;
constinit bool panic_on_warn = false;
constinit u64 oops_limit = 10000;
constinit u64 warn_limit = 0;

bool set_oops(std::string_view v) {
  if (v == "panic") panic_on_oops = true;
  return v == "panic";
}
bool set_panic_on_oops(std::string_view v) {
  const auto n = parse_u64(v);
  panic_on_oops = n.value_or(1) != 0;
  return true;
}
bool set_panic_on_warn(std::string_view v) {
  const auto n = parse_u64(v);
  panic_on_warn = n.value_or(1) != 0;
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
  if (panic_on_oops) panic("Fatal exception");
  if (oops_limit != 0 && oopses.load_relaxed() >= oops_limit)
    panic("Oopsed too often (kernel.oops_limit is {})", oops_limit);
  if (killer == nullptr || !killer->can_kill_current()) panic("Attempted to kill the idle task!");
  killer->kill_current();
}

void note_warning() {
  const u64 n = warnings.fetch_add_relaxed(1) + 1;
  if (panic_on_warn) panic("kernel: panic_on_warn set ...");
  if (warn_limit != 0 && n >= warn_limit)
    panic("Warned too often (kernel.warn_limit is {})", warn_limit);
}

}  // namespace auk::core
