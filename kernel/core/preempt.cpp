#include "core/preempt.hpp"

namespace auk::core {
namespace {
constinit Rescheduler* rescheduler = nullptr;
}

AUK_PER_CPU PerCpu<u32> preempt_count{no_attention_wanted};
AUK_PER_CPU PerCpu<u32> interrupt_depth;
AUK_PER_CPU PerCpu<u32> interrupted_program;

void set_rescheduler(Rescheduler& r) { rescheduler = &r; }

void preempt_now_irqs_off() {
  if (rescheduler != nullptr) rescheduler->preempt();
}

void preempt_now() {
  if (rescheduler != nullptr && machine::irqs_enabled()) rescheduler->preempt();
}

}  // namespace auk::core
