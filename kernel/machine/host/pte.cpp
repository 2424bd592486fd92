#include "machine/isa/pte.hpp"

namespace auk::machine::host {

constinit thread_local TlbObserver* tlb_observer = nullptr;

}  // namespace auk::machine::host
