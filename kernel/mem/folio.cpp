#include "mem/folio.hpp"

#include "base/annotations.hpp"
#include "core/panic.hpp"
#include "mem/box.hpp"

namespace auk::mem {
namespace {

constinit Cache folio_cache("folio", sizeof(Folio));
AUK_RO_AFTER_INIT constinit Pfn the_zero_page;

}  // namespace

Cache& Folio::cache() { return folio_cache; }

Result<Ref<Folio>> Folio::create(AllocSite& site, bool anonymous, Fill fill) {
  const Pfn pfn = TRY(allocate_pages(site, 0, fill));
  Result<Ref<Folio>> made = make_ref<Folio>(site, pfn, anonymous);
  if (!made.ok()) {
    free_pages(pfn, 0);
    return Errno::enomem;
  }
  Ref<Folio> f = made.take();
  write_frame(pfn, FrameWord::with_descriptor(FrameTag::folio, f.get()));
  return f;
}

void Folio::destroy(Folio* f) {
  const Pfn pfn = f->pfn_;
  write_frame(pfn, FrameWord::of(FrameTag::kernel));
  mem::destroy(f);
  free_pages(pfn, 0);
}

Pfn zero_page() { return the_zero_page; }

void setup_zero_page() {
  Result<Pfn> p = allocate_pages(ALLOC_SITE, 0);
  if (!p.ok()) core::panic("Out of memory for the zero page");
  the_zero_page = p.take();
}

}  // namespace auk::mem
