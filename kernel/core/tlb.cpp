#include "core/tlb.hpp"

#include "core/preempt.hpp"
#include "core/smp_call.hpp"
#include "machine/isa/pte.hpp"

namespace auk::core {
namespace {

/// Beyond this many pages one full flush is cheaper than single ones.
constexpr usize single_flush_limit = 32;

class FlushCall final : public CrossCall {
  VirtAddr va_;
  usize pages_;

 public:
  FlushCall(VirtAddr va, usize pages) : va_(va), pages_(pages) {}
  void run() override {
    if (pages_ > single_flush_limit) return machine::flush_tlb_all();
    for (usize i = 0; i < pages_; ++i) machine::flush_tlb_page(va_ + i * page_size);
  }
};

}  // namespace

void flush_tlb_everywhere(VirtAddr va, usize pages) {
  FlushCall call(va, pages);
  // This CPU and the others must be the same ones for both.
  const PreemptOff here;
  call.run();
  call_on_others(call);
}

}  // namespace auk::core
