#include "vm/vma.hpp"

#include "base/math.hpp"
#include "vm/space.hpp"

namespace auk::vm {
namespace {
constinit mem::Cache vma_cache("vm_area_struct", align_up(sizeof(Vma), 16));
}

Result<Vma*> Vma::create() { return ::new (TRY(vma_cache.allocate(ALLOC_SITE))) Vma; }

void Vma::show_like(const Vma& other, UserAddr from) {
  set_flags(other.flags);
  object = other.object;
  backing = other.backing;
  watch = other.watch;
  page_offset = other.index_of(from);
}

void Vma::retire() {
  this->~Vma();
  vma_cache.free(this);
}

}  // namespace auk::vm
