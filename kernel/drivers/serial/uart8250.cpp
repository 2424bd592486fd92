#include "drivers/serial/uart8250.hpp"

#include "core/param.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/port.hpp"

namespace auk::drivers::serial {
namespace {

// Register offsets.
constexpr u16 data = 0, interrupt_enable = 1, fifo_control = 2, line_control = 3, modem_control = 4,
              line_status = 5, scratch = 7;
constexpr u8 transmitter_empty = 0x20, divisor_access = 0x80;
constexpr unsigned poll_bound = 1'000'000;

constinit Uart8250 first_port(0x3f8);
constinit bool early_wanted = false;
constinit bool console_named = false;
constinit bool com1_named = false;
constinit bool registered = false;
constinit u32 console_port = 0;

bool starts_with(std::string_view s, std::string_view prefix) {
  return s.substr(0, prefix.size()) == prefix;
}

bool set_earlyprintk(std::string_view v) {
  early_wanted = starts_with(v, "serial") || starts_with(v, "ttyS0");
  return true;
}
bool set_console(std::string_view v) {
  console_named = true;
  if (starts_with(v, "ttyS0") || starts_with(v, "uart")) com1_named = true;
  constexpr std::string_view prefix = "ttyS";
  if (starts_with(v, prefix) && v.size() > prefix.size() && v[prefix.size()] >= '0' &&
      v[prefix.size()] <= '3')
    console_port = static_cast<u32>(v[prefix.size()] - '0');
  return true;
}
bool set_earlycon(std::string_view) { return early_wanted = true; }

PARAM("earlyprintk", set_earlyprintk);
PARAM("earlycon", set_earlycon);
PARAM("console", set_console);

void register_com1() {
  if (registered || !first_port.setup()) return;
  registered = true;
  core::register_console(first_port);
}

}  // namespace

bool Uart8250::setup() {
  ready_ = true;
  // An absent port reads back ones; a present one keeps the scratch byte.
  machine::port_out8(port_ + scratch, 0x5a);
  if (machine::port_in8(port_ + scratch) != 0x5a) {
    dead_ = true;
    return false;
  }
  machine::port_out8(port_ + interrupt_enable, 0);
  machine::port_out8(port_ + line_control, divisor_access);
  machine::port_out8(port_ + data, 1);
  machine::port_out8(port_ + interrupt_enable, 0);
  machine::port_out8(port_ + line_control, 3);
  machine::port_out8(port_ + fifo_control, 0xc7);
  machine::port_out8(port_ + modem_control, 3);
  return true;
}

void Uart8250::put(char c) {
  for (unsigned spins = 0; (machine::port_in8(port_ + line_status) & transmitter_empty) == 0;
       machine::relax())
    if (++spins == poll_bound) {
      dead_ = true;
      return;
    }
  machine::port_out8(port_ + data, static_cast<u8>(c));
}

void Uart8250::write(std::string_view text) {
  if (!ready_) setup();
  for (const char c : text) {
    if (dead_) return;
    if (c == '\n') put('\r');
    put(c);
  }
}

u32 console_number() { return console_port; }

Uart8250& com1() { return first_port; }

void setup_early_console() {
  if (early_wanted) register_com1();
}

void setup_console() {
  if (com1_named || !console_named) register_com1();
}

}  // namespace auk::drivers::serial
