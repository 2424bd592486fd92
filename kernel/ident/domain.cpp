#include "ident/domain.hpp"

#include "mem/box.hpp"

namespace auk::ident {

Result<Ref<Domain>> Domain::create(Ref<Domain> below, Handled h, Ref<DomainRules> r) {
  if (below && below->layer + 1 >= most_layers) return Errno::e2big;
  return mem::make_ref<Domain>(ALLOC_SITE, std::move(below), h, std::move(r));
}

void Domain::destroy(Domain* d) { mem::destroy(d); }

}  // namespace auk::ident
