// The host's own machine: what the tests of higher floors rely on.
#include <gtest/gtest.h>
#include <thread>

#include "machine/isa/cpu.hpp"
#include "machine/isa/percpu.hpp"
#include "machine/isa/port.hpp"

namespace auk::machine {
namespace {

TEST(HostCpu, interrupt_flag_nests) {
  EXPECT_TRUE(irqs_enabled());
  const IrqFlags outer = irq_save();
  const IrqFlags inner = irq_save();
  EXPECT_FALSE(irqs_enabled());
  irq_restore(inner);
  EXPECT_FALSE(irqs_enabled());
  irq_restore(outer);
  EXPECT_TRUE(irqs_enabled());
}

TEST(HostCpu, each_thread_has_its_own_flag) {
  irq_disable();
  std::thread([] { EXPECT_TRUE(irqs_enabled()); }).join();
  irq_enable();
}

TEST(HostCpu, halting_is_an_exception) {
  EXPECT_THROW(halt_forever(), host::Halted);
  EXPECT_FALSE(irqs_enabled());
  wait_for_interrupt();
  EXPECT_TRUE(irqs_enabled());
}

TEST(HostCpu, time_is_set_by_the_test) {
  host::set_timestamp(1000, 10);
  EXPECT_EQ(timestamp(), 1000u);
  EXPECT_EQ(timestamp(), 1010u);
  host::set_timestamp(5, 0);
  EXPECT_EQ(timestamp(), 5u);
  EXPECT_EQ(timestamp(), 5u);
}

TEST(HostCpu, entropy_repeats) {
  host::set_entropy(7);
  const u64 a = hardware_entropy();
  EXPECT_NE(hardware_entropy(), a);
  host::set_entropy(7);
  EXPECT_EQ(hardware_entropy(), a);
}

TEST(HostPerCpu, slots_belong_to_cpus) {
  PerCpuSlot<u32> slot;
  slot.write(1);
  set_percpu_offset(3);
  EXPECT_EQ(slot.read(), 0u);
  slot.add(5);
  EXPECT_EQ(slot.at(3), 5u);
  EXPECT_FALSE(slot.dec_is_zero());
  set_percpu_offset(0);
  EXPECT_TRUE(slot.dec_is_zero());
  EXPECT_EQ(slot.at(3), 4u);
}

struct Recorder final : host::Ports {
  u16 port = 0;
  u32 value = 0;
  unsigned size = 0;
  u32 in(u16 p, unsigned s) override { return port = p, size = s, 0x12345678; }
  void out(u16 p, u32 v, unsigned s) override { port = p, value = v, size = s; }
};

TEST(HostPorts, go_to_the_hook_or_nowhere) {
  EXPECT_EQ(port_in8(0x60), 0xff);
  EXPECT_EQ(port_in32(0xcf8), 0xffffffff);
  port_out8(0x80, 1);
  Recorder r;
  host::ports = &r;
  EXPECT_EQ(port_in16(0x3f8), 0x5678);
  EXPECT_EQ(r.size, 2u);
  port_out32(0xcf8, 7);
  EXPECT_EQ(r.port, 0xcf8);
  EXPECT_EQ(r.value, 7u);
  host::ports = nullptr;
}

}  // namespace
}  // namespace auk::machine
