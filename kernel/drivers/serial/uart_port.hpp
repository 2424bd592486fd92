// 8250 UARTs as terminals: ttyS0 to ttyS3.
//
// Data model: UartPort (static, one for each legacy address that answers) -> ring of characters to
// send; the ports of one interrupt share a handler. Locking: level driver for the ring and the
// registers. Context: put() any but NMI; the log's console writes past this driver and may come in
// between. Source: National Semiconductor PC16550D data sheet.
#pragma once
#include "drivers/tty/tty.hpp"

namespace auk::drivers::serial {

class UartPort final : public tty::Port {
  static constexpr usize ring_size = 4096;
  struct Ring {
    std::array<char, ring_size> bytes{};
    u64 head = 0, tail = 0;
  };
  u16 port_;
  u8 irq_;
  tty::Tty* tty_ = nullptr;
  mutable core::Guarded<core::level::driver, Ring, core::SpinIrqOff> ring_;

  u8 in(u16 reg) const;
  void out(u16 reg, u8 v) const;
  void pump(Ring& r) const;
  void take_input();

 public:
  constexpr UartPort(u16 port, u8 irq) : port_(port), irq_(irq) {}
  u16 address() const { return port_; }
  u8 irq() const { return irq_; }
  bool is_used() const { return tty_ != nullptr; }
  bool is_there() const;
  void start(tty::Tty& tty);
  /// True when the port had something to say. Context: its interrupt.
  bool service();

  usize put(std::string_view text) override;
  usize room() const override;
  usize unsent() const override;
  bool is_idle() const override;
  void flush_output() override;
  void drop() override { flush_output(); }
  void configure(const uapi::termios2& settings) override;
};

}  // namespace auk::drivers::serial
