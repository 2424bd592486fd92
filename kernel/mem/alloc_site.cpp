#include "mem/alloc_site.hpp"

namespace auk::mem {
namespace {
constinit Atomic<FailureInjector*> injector{nullptr};
}

void set_failure_injector(FailureInjector* i) { injector.store_release(i); }

bool visit_site(AllocSite& site) {
  site.hits.fetch_add_relaxed(1);
  FailureInjector* const i = injector.load_acquire();
  if (i == nullptr || !i->should_fail(site)) [[likely]]
    return false;
  site.fails.fetch_add_relaxed(1);
  return true;
}

}  // namespace auk::mem
