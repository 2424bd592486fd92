#include "syscall/memory_report.hpp"

#include "core/log.hpp"
#include "core/param.hpp"
#include "mem/failure.hpp"
#include "mem/pages.hpp"
#include "mem/slab.hpp"
#include "proc/oom.hpp"
#include "sched/rcu.hpp"

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
  proc::oom::give_back_caches();
  Printer printer;
  mem::visit_caches(printer);
  core::log_info("memory: {} pages free", mem::count_pages().free);
}

}  // namespace auk::syscall
