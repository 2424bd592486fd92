#include "drivers/serial/uart_port.hpp"

#include <algorithm>

#include "bus/legacy_irq.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "dev/device.hpp"
#include "drivers/serial/uart8250.hpp"
#include "generated/uapi/termios.hpp"
#include "machine/isa/port.hpp"
#include "vfs/device.hpp"

namespace auk::drivers::serial {
namespace {

constexpr u16 data = 0, interrupt_enable = 1, interrupt_id = 2, fifo_control = 2, line_control = 3,
              modem_control = 4, line_status = 5, modem_status = 6, scratch = 7;
constexpr u8 on_data = 1, on_empty = 2, on_line = 4;
constexpr u8 has_data = 1, transmitter_empty = 0x20, nothing_pending = 1, divisor_access = 0x80;
constexpr usize fifo_size = 16;
constexpr u32 base_speed = 115200;

/// Speeds of the classic codes, B0 to B38400 and B57600, B115200.
u32 speed_of(const uapi::termios2& s) {
  constexpr std::array<u32, 16> slow{0,   50,   75,   110,  134,  150,  200,   300,
                                     600, 1200, 1800, 2400, 4800, 9600, 19200, 38400};
  const u32 code = s.c_cflag & uapi::cbaud;
  if (code < slow.size()) return slow[code];
  if (code == uapi::b57600) return 57600;
  if (code == uapi::bother && s.c_ospeed != 0) return std::min(s.c_ospeed, base_speed);
  return base_speed;
}

}  // namespace

u8 UartPort::in(u16 reg) const { return machine::port_in8(port_ + reg); }
void UartPort::out(u16 reg, u8 v) const { machine::port_out8(port_ + reg, v); }

bool UartPort::is_there() const {
  constexpr u8 pattern = 0x5a;
  out(scratch, pattern);
  return in(scratch) == pattern;
}

void UartPort::start(tty::Tty& tty) {
  tty_ = &tty;
  configure(tty::default_settings());
  constexpr u8 fifos_on_trigger_8 = 0x81, ready_and_interrupts = 0x0b;
  out(fifo_control, fifos_on_trigger_8);
  out(modem_control, ready_and_interrupts);
  out(interrupt_enable, on_data | on_line);
}

void UartPort::configure(const uapi::termios2& s) {
  constexpr u8 two_stops = 4, parity = 8, even = 0x10;
  auto control = static_cast<u8>((s.c_cflag & uapi::csize) >> 4);
  if ((s.c_cflag & uapi::cstopb) != 0) control |= two_stops;
  if ((s.c_cflag & uapi::parenb) != 0) control |= parity;
  if ((s.c_cflag & uapi::parodd) == 0) control |= even;
  const u32 speed = speed_of(s);
  auto alone = ring_.lock();
  if (speed != 0) {
    const u32 divisor = base_speed / speed;
    out(line_control, control | divisor_access);
    out(data, static_cast<u8>(divisor));
    out(interrupt_enable, static_cast<u8>(divisor >> 8));
  }
  out(line_control, control);
}

/// Fills the transmitter; it asks for more as long as there is more.
void UartPort::pump(Ring& r) const {
  while (r.tail != r.head && (in(line_status)&transmitter_empty) != 0)
    for (usize n = 0; n < fifo_size && r.tail != r.head; ++n)
      out(data, static_cast<u8>(r.bytes[r.tail++ % ring_size]));
  out(interrupt_enable, on_data | on_line | (r.tail != r.head ? on_empty : u8{0}));
}

usize UartPort::put(std::string_view text) {
  auto r = ring_.lock();
  const usize n = std::min<u64>(text.size(), ring_size - (r->head - r->tail));
  for (usize i = 0; i < n; ++i) r->bytes[r->head++ % ring_size] = text[i];
  pump(*r);
  return n;
}

usize UartPort::room() const {
  auto r = ring_.lock();
  return ring_size - (r->head - r->tail);
}

usize UartPort::unsent() const {
  auto r = ring_.lock();
  return r->head - r->tail;
}

bool UartPort::is_idle() const {
  constexpr u8 all_sent = 0x40;
  return (in(line_status)&all_sent) != 0;
}

void UartPort::flush_output() {
  auto r = ring_.lock();
  r->tail = r->head;
}

void UartPort::take_input() {
  std::array<char, 64> text;
  usize n = 0;
  while (n < text.size() && (in(line_status)&has_data) != 0)
    text[n++] = static_cast<char>(in(data));
  if (n > 0) tty_->receive({text.data(), n});
}

bool UartPort::service() {
  if ((in(interrupt_id)&nothing_pending) != 0) return false;
  const u8 status = in(line_status);
  if ((status & has_data) != 0) take_input();
  (void)in(modem_status);
  if ((status & transmitter_empty) != 0) {
    {
      auto r = ring_.lock();
      pump(*r);
    }
    tty_->output_has_room();
  }
  return true;
}

namespace {

constinit std::array<UartPort, 4> ports{UartPort{0x3f8, 4}, UartPort{0x2f8, 3}, UartPort{0x3e8, 4},
                                        UartPort{0x2e8, 3}};

/// Ports share a line that only edges travel on: it must be quiet before the handler leaves.
class SharedLine final : public irq::Handler {
  u8 irq_;

 public:
  constexpr explicit SharedLine(u8 irq) : irq_(irq) {}
  u8 irq() const { return irq_; }
  std::string_view name() const override {
    static constexpr std::array<std::string_view, ports.size()> names{"ttyS0", "ttyS1", "ttyS2",
                                                                      "ttyS3"};
    for (usize i = 0; i < ports.size(); ++i)
      if (ports[i].is_used() && ports[i].irq() == irq_) return names[i];
    return "serial";
  }
  bool handle() override {
    constexpr unsigned bound = 256;
    bool any = false;
    for (unsigned round = 0; round < bound; ++round) {
      bool again = false;
      for (UartPort& p : ports)
        if (p.is_used() && p.irq() == irq_) again = p.service() || again;
      if (!again) break;
      any = true;
    }
    return any;
  }
};
constinit std::array<SharedLine, 2> lines{SharedLine{4}, SharedLine{3}};

constexpr u64 number_of(u32 line) {
  return dev::make_number(tty::serial_major, tty::first_serial_minor + line);
}

/// A port below /sys. Linux Documentation/ABI/testing/sysfs-tty.
class PortDevice final : public dev::Device {
  const UartPort& port_;
  const u32 line_;
  void dispose() override { mem::destroy(this); }
  static std::array<const dev::Attribute*, 6> const files;

 public:
  PortDevice(const UartPort& port, u32 line)
      : Device(tty::terminal_class(), files, number_of(line), vfs::mode::character | 0600),
        port_(port),
        line_(line) {}
  ~PortDevice() = default;
  const UartPort& port() const { return port_; }
  u32 line() const { return line_; }
};

template <auto show> using Shown = dev::Shown<PortDevice, show>;
constexpr Shown<[](const PortDevice& d, mem::Text& out) { out.print("{}\n", d.line()); }>
    line_file("line");
constexpr Shown<[](const PortDevice& d, mem::Text& out) {
  out.print("0x{:X}\n", u32{d.port().address()});
}>
    port_file("port");
constexpr Shown<[](const PortDevice& d, mem::Text& out) { out.print("{}\n", u32{d.port().irq()}); }>
    irq_file("irq");
constexpr Shown<[](const PortDevice&, mem::Text& out) {
  constexpr u32 port_16550a = 4;
  out.print("{}\n", port_16550a);
}>
    type_file("type");
constexpr Shown<[](const PortDevice&, mem::Text& out) { out.print("{}\n", 16 * base_speed); }>
    clock_file("uartclk");
constexpr Shown<[](const PortDevice& d, mem::Text& out) {
  out.put(d.line() == console_number() ? "Y\n" : "N\n");
}>
    console_file("console");
constexpr std::array<const dev::Attribute*, 6> PortDevice::files{
    &line_file, &port_file, &irq_file, &type_file, &clock_file, &console_file};

class PlatformDevice final : public dev::Device {
  void dispose() override { mem::destroy(this); }

 public:
  PlatformDevice() : Device(dev::platform_bus(), {}) {}
  ~PlatformDevice() = default;
  void put_event(mem::Text& out) const override { out.put("MODALIAS=platform:serial8250\n"); }
};

/// What the ports stand in; null without memory.
dev::Object* add_platform_device() {
  Result<Ref<PlatformDevice>> made = mem::make_ref<PlatformDevice>(ALLOC_SITE);
  if (!made.ok()) return nullptr;
  const Ref<PlatformDevice> d = made.take();
  return d->attach("serial8250").ok() ? d.get() : nullptr;
}

void setup_ports() {
  dev::Object* const platform_device = add_platform_device();
  std::array<bool, lines.size()> wanted{};
  for (u32 n = 0; n < ports.size(); ++n) {
    UartPort& p = ports[n];
    if (!p.is_there()) continue;
    Result<Ref<tty::HardwareTty>> made =
        mem::make_ref<tty::HardwareTty>(ALLOC_SITE, p, number_of(n));
    if (!made.ok()) return core::log_err("serial: out of memory for ttyS{}", n);
    const Ref<tty::Tty> tty(made.take());
    if (!tty::add_terminal(tty, n == console_number()).ok()) return;
    std::array<char, 8> memory;
    Writer name(memory);
    format_to(name, "ttyS{}", n);
    dev::add_device(name.text(), mem::make_ref<PortDevice>(ALLOC_SITE, p, n), platform_device);
    // A port's terminal lives for ever.
    p.start(*Ref<tty::Tty>(tty).release());
    for (usize i = 0; i < lines.size(); ++i) wanted[i] = wanted[i] || lines[i].irq() == p.irq();
    core::log_info("serial: ttyS{} at I/O {:#x} (irq = {}) is a 16550A", n, u32{p.address()},
                   u32{p.irq()});
  }
  for (usize i = 0; i < lines.size(); ++i) {
    if (!wanted[i]) continue;
    const bus::LegacyLine l = bus::legacy_line(lines[i].irq());
    if (const Result<void> r = irq::request(l.gsi, l.trigger, l.polarity, lines[i]); !r.ok())
      core::log_err("serial: no interrupt {}: {}", u32{lines[i].irq()}, r.error());
  }
}
INIT_TASK(serial_ports, "terminal_class", "terminals", setup_ports);

}  // namespace

}  // namespace auk::drivers::serial
