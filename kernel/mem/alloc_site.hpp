// Allocation sites: every place that allocates is a row of a numbered table.
//
// Purpose: any allocation can be made to fail, one site after the other, and counted
// (reliability R4). The table's size is the exact number of sites in the image.
// Data model: `ALLOC_SITE` makes one row in the section reg_alloc_site and yields a reference to
// it. Context: any.
#pragma once
#include "base/atomic.hpp"
#include "base/types.hpp"

namespace auk::mem {

struct AllocSite {
  const char* file;
  u32 line;
  Atomic<u32> hits;   ///< times the site was reached
  Atomic<u32> fails;  ///< times a failure was injected
};

/// Decides for one allocation whether it fails on purpose. One at a time; set by the proof engine.
class FailureInjector {
 public:
  virtual bool should_fail(AllocSite& site) = 0;

 protected:
  constexpr FailureInjector() = default;
  ~FailureInjector() = default;
};
void set_failure_injector(FailureInjector* injector);
/// Counts the visit; true when the allocation has to fail. Called by the allocators.
bool visit_site(AllocSite& site);

}  // namespace auk::mem

#define ALLOC_SITE                                                                                 \
  ([]() -> ::auk::mem::AllocSite& {                                                                \
    [[gnu::section("reg_alloc_site"), gnu::used]] static constinit ::auk::mem::AllocSite site{     \
        __FILE_NAME__, __LINE__, ::auk::Atomic<::auk::u32>(0), ::auk::Atomic<::auk::u32>(0)};      \
    return site;                                                                                   \
  }())
