// The 8250 family of serial ports as a polled log console.
//
// Data model: one port, found at its fixed address (COM1) or named by `console=` / `earlyprintk=`.
// Context: write() in any context. The transmitter is polled with a bound, so that a dead or absent
// port costs at most a moment.
// Source: National Semiconductor PC16550D data sheet.
#pragma once
#include "core/log.hpp"

namespace auk::drivers::serial {

class Uart8250 final : public core::Console {
  u16 port_;
  bool ready_ = false;
  bool dead_ = false;

 public:
  constexpr explicit Uart8250(u16 port) : port_(port) {}
  /// 115200 baud, 8N1, FIFOs on, interrupts off. False when nothing answers at the address.
  bool setup();
  void write(std::string_view text) override;

 private:
  void put(char c);
};

/// COM1: the emergency console of panics, and the console of `earlyprintk=` and `console=ttyS0`.
Uart8250& com1();

/// The ttyS that /dev/console is: of the last `console=ttyS`, else 0.
u32 console_number();

/// Registers COM1 as a console now, if the command line asks for an early one.
void setup_early_console();
/// Registers COM1 if `console=ttyS0` asks for it, or if no console was asked for at all.
void setup_console();

}  // namespace auk::drivers::serial
