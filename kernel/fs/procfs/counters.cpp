// /proc/stat and loadavg: what CPUs did since the start. See proc_stat(5), proc_loadavg(5).
#include "core/clock.hpp"
#include "core/event_counts.hpp"
#include "fs/procfs/node.hpp"
#include "irq/irq.hpp"
#include "proc/usage.hpp"
#include "sched/load.hpp"
#include "sched/softirq.hpp"

namespace auk::fs::procfs {
namespace {

class StatNode final : public ShortText {
  struct Times {
    proc::CpuUse use;
    u64 idle_ns = 0;
    void add(const Times& o) {
      use.user_ns += o.use.user_ns;
      use.nice_ns += o.use.nice_ns;
      use.system_ns += o.use.system_ns;
      idle_ns += o.idle_ns;
    }
  };
  static Times times_of(CpuId cpu) {
    return {.use = proc::cpu_use(cpu), .idle_ns = sched::idle_time_ns(cpu)};
  }
  static void put_times(mem::Text& out, const Times& t) {
    constexpr u64 tick_ns = 10'000'000;
    out.print(" {} {} {} {} 0 0 0 0 0 0\n", t.use.user_ns / tick_ns, t.use.nice_ns / tick_ns,
              t.use.system_ns / tick_ns, t.idle_ns / tick_ns);
  }
  static void put_softirqs(mem::Text& out) {
    std::array<u64, sched::softirq_count> runs{};
    u64 all = 0;
    for (usize i = 0; i < runs.size(); ++i)
      for (u32 cpu = 0; cpu < core::possible_cpus; ++cpu)
        runs[i] += sched::softirq_runs(static_cast<sched::Softirq>(i), CpuId(cpu));
    for (const u64 n : runs) all += n;
    out.print("softirq {}", all);
    for (const u64 n : runs) out.print(" {}", n);
    out.put('\n');
  }
  Result<void> write(const Subject&, mem::Text& out) const override {
    Times all;
    core::online_cpus.each([&](CpuId cpu) { all.add(times_of(cpu)); });
    out.put("cpu ");
    put_times(out, all);
    core::online_cpus.each([&](CpuId cpu) {
      out.print("cpu{}", cpu.value);
      put_times(out, times_of(cpu));
    });
    constexpr i64 second = 1'000'000'000;
    const i64 started = (core::real_ns() - static_cast<i64>(core::clock_ns())) / second;
    out.print("intr {}\nctxt {}\nbtime {}\nprocesses {}\nprocs_running {}\nprocs_blocked 0\n",
              core::interrupt_count(), core::sum_of(core::switch_count), started,
              core::sum_of(core::fork_count), sched::runnable_threads());
    put_softirqs(out);
    return {};
  }

 public:
  constexpr StatNode() : ShortText("stat", 0444) {}
};
constexpr StatNode stat;

/// A CPU's column of counts in the tables of interrupts and softirqs.
void put_cpu_names(mem::Text& out, usize indent) {
  out.repeat(' ', indent);
  core::online_cpus.each([&](CpuId cpu) { out.print("CPU{:<8}", cpu.value); });
  out.put('\n');
}

constexpr KernelText<[](mem::Text& out) {
  constexpr std::array<std::string_view, sched::softirq_count> names{
      "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"};
  put_cpu_names(out, 20);
  for (usize i = 0; i < names.size(); ++i) {
    out.print("{:>12}:", names[i]);
    core::online_cpus.each([&](CpuId cpu) {
      out.print(" {:10}", sched::softirq_runs(static_cast<sched::Softirq>(i), cpu));
    });
    out.put('\n');
  }
}>
    softirqs("softirqs");

void put_counts(mem::Text& out, core::PerCpu<u64>& count) {
  core::online_cpus.each([&](CpuId cpu) { out.print("{:10} ", count.on(cpu)); });
}

constexpr KernelText<[](mem::Text& out) {
  put_cpu_names(out, 11);
  irq::Line line;
  for (u32 gsi = 0; irq::next_line(gsi, line); gsi = line.gsi + 1) {
    out.print("{:3}: ", line.gsi);
    core::online_cpus.each(
        [&](CpuId cpu) { out.print("{:10} ", line.counts[cpu.value].load_relaxed()); });
    out.print(" {:>8} {:3}-{:8}  {}\n", line.controller, line.input,
              line.trigger == irq::Trigger::edge ? "edge" : "fasteoi", line.handler);
  }
  out.put("LOC: ");
  put_counts(out, core::timer_interrupts);
  out.put("  Local timer interrupts\nRES: ");
  put_counts(out, core::reschedule_interrupts);
  out.put("  Rescheduling interrupts\nCAL: ");
  put_counts(out, core::call_interrupts);
  out.put("  Function call interrupts\n");
}>
    interrupts("interrupts");

constexpr KernelText<[](mem::Text& out) {
  constexpr u64 one = u64{1} << sched::load_bits;
  for (const u64 average : sched::load_averages()) {
    // To the nearest hundredth.
    const u64 hundredths = (average * 100 + one / 2) / one;
    out.print("{}.{:02} ", hundredths / 100, hundredths % 100);
  }
  out.print("{}/{} {}\n", sched::runnable_threads(), proc::thread_count(),
            proc::current().pid_space().last());
}>
    loadavg("loadavg");

}  // namespace

constinit const Node* const kernel_stat_node = &stat;
constinit const Node* const interrupts_node = &interrupts;
constinit const Node* const softirqs_node = &softirqs;
constinit const Node* const loadavg_node = &loadavg;

}  // namespace auk::fs::procfs
