#include "syscall/memory_report.hpp"

#include "core/log.hpp"
#include "core/param.hpp"
#include "core/preempt.hpp"
#include "core/smp_call.hpp"
#include "mem/failure.hpp"
#include "mem/pages.hpp"
#include "mem/slab.hpp"
#include "sched/rcu.hpp"
#include "sched/thread.hpp"

namespace auk::syscall {
namespace {

constinit bool wanted = false;
constinit bool wants_sites = false;

bool set_report(std::string_view v) {
  wanted = v == "memory";
  wants_sites = v == "sites";
  return wanted || wants_sites;
}
PARAM("auk.report", set_report);

/// Every CPU gives back what it keeps for itself.
class Drain final : public core::CrossCall {
 public:
  void run() override {
    mem::drain_caches();
    mem::drain_page_cache();
  }
};

class Printer final : public mem::CacheVisitor {
 public:
  void visit(const mem::CacheCounts& c) override {
    core::log_info("memory: {} {}: {} objects", c.name, c.object_size, c.objects);
  }
};

}  // namespace

void report_memory() {
  if (wants_sites) mem::report_sites();
  if (!wanted) return;
  // What was given up in the first period is freed in it and may give up more; the same goes for
  // threads that are on their way out.
  sched::rcu_synchronize();
  sched::rcu_barrier();
  sched::drop_cached_stacks();
  sched::rcu_synchronize();
  sched::rcu_barrier();
  Drain drain;
  core::call_on_others(drain);
  {
    const core::IrqOff irq_off;
    drain.run();
  }
  Printer printer;
  mem::visit_caches(printer);
  core::log_info("memory: {} pages free", mem::count_pages().free);
}

}  // namespace auk::syscall
