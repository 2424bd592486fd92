#include "mem/figures.hpp"

#include "mem/folio.hpp"
#include "mem/pages.hpp"
#include "mem/slab.hpp"

namespace auk::mem {
namespace {

class SlabSum final : public CacheVisitor {
 public:
  u64 pages = 0;
  void visit(const CacheCounts& c) override { pages += c.slabs * c.pages_per_slab; }
};

}  // namespace

Figures gather_figures() {
  const PageCounts pages = count_pages();
  const FolioCounts folios = count_folios();
  SlabSum slabs;
  visit_caches(slabs);
  return {.managed = pages.managed,
          .free = pages.free,
          .available = pages.free + pages.cached,
          .anonymous = folios.anonymous,
          .of_objects = folios.of_objects,
          .slabs = slabs.pages};
}

}  // namespace auk::mem
