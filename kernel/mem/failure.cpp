#include "mem/failure.hpp"

#include <span>

#include "core/log.hpp"
#include "core/param.hpp"
#include "mem/alloc_site.hpp"

extern "C" auk::mem::AllocSite __ld_alloc_site[], __ld_alloc_site_end[];

namespace auk::mem {

namespace {

std::span<AllocSite> sites() { return {__ld_alloc_site, __ld_alloc_site_end}; }

constinit u32 wanted = ~u32{0};

bool set_fail(std::string_view v) {
  u32 n = 0;
  for (const char c : v) {
    if (c < '0' || c > '9' || n > 100'000) return false;
    n = n * 10 + static_cast<u32>(c - '0');
  }
  wanted = n;
  return !v.empty();
}
PARAM("auk.fail", set_fail);

class FailOnce final : public FailureInjector {
  Atomic<const AllocSite*> site_{nullptr};

 public:
  void aim(const AllocSite& s) { site_.store_release(&s); }
  bool should_fail(AllocSite& site) override {
    const AllocSite* mine = &site;
    if (site_.load_relaxed() != mine || !site_.cas_acquire(mine, nullptr)) return false;
    core::log_notice("auk.fail: {}:{} fails", site.file, site.line);
    return true;
  }
};
constinit FailOnce injector;

}  // namespace

void arm_failures() {
  for (AllocSite& s : sites()) s.hits.store_relaxed(0);
  if (wanted >= sites().size()) return;
  injector.aim(sites()[wanted]);
  set_failure_injector(&injector);
}

void report_sites() {
  for (usize i = 0; i < sites().size(); ++i) {
    const AllocSite& s = sites()[i];
    core::log_info("site {} {}:{}: {} times", i, s.file, s.line, s.hits.load_relaxed());
  }
}

}  // namespace auk::mem
