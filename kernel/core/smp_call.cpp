#include "core/smp_call.hpp"

#include "base/annotations.hpp"
#include "core/panic.hpp"
#include "core/spin.hpp"

namespace auk::core {
namespace {

AUK_RO_AFTER_INIT constinit IpiSender* sender = nullptr;

struct Request {
  Atomic<CrossCall*> call{nullptr};
  Atomic<u32> pending{0};
};
constinit Request request;
constinit Guarded<level::cross_call, Request*, SpinPreemptOff> gate;
AUK_PER_CPU PerCpu<u32> call_wanted;

}  // namespace

void set_ipi_sender(IpiSender& s) { sender = &s; }
IpiSender* ipi_sender() { return sender; }

void handle_cross_call() {
  Atomic<u32>& wanted = *reinterpret_cast<Atomic<u32>*>(&call_wanted.here(Pinned::assume()));
  if (wanted.exchange_acquire(0) == 0) return;
  request.call.load_acquire()->run();
  (void)request.pending.fetch_sub_release(1);
}

void call_on(const CpuMask& targets, CrossCall& call) {
  if (sender == nullptr || online_cpus.count() < 2) return;
  auto g = gate.lock();
  const CpuId me = this_cpu();
  request.call.store_release(&call);
  // One more than there are targets: the last answer must not come before the last question.
  request.pending.store_release(1);
  targets.each([&](CpuId cpu) {
    if (cpu == me || !online_cpus.has(cpu)) return;
    (void)request.pending.fetch_add_relaxed(1);
    reinterpret_cast<Atomic<u32>*>(&call_wanted.on(cpu))->store_release(1);
    sender->send_call(cpu);
  });
  (void)request.pending.fetch_sub_release(1);
  while (request.pending.load_acquire() != 0 && !is_panicking()) {
    machine::relax();
    // Two CPUs may wait for the gate and for each other; whoever waits still serves.
    if (!machine::irqs_enabled()) handle_cross_call();
  }
}

void call_on_others(CrossCall& call) { call_on(online_cpus, call); }

}  // namespace auk::core
