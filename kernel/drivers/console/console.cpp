// Virtio consoles with ports: /dev/vportNpM. See Virtio 1.2, section 5.3.
//
// Purpose: the host and programs talk through ports that have names, in
// /sys/class/virtio-ports/*/name.
// Data model: Console -> two control queues, and a Slot with a Channel for each port there can be:
// the device knows their queues before it is started, and they stay. A Port is there while the
// device has one in the slot. What the device says and is told is done by a work; what a port is to
// be (ready, open) is kept beside what the device was told, so that a full queue loses nothing. Who
// opens a port tells of it before the first byte goes out, so the host never mixes up two openings.
// Locking: level driver for the control queues; a sleeping lock for what the device was told of a
// slot; the ports themselves are the work's. Context: interrupts, a work, threads. Differences from
// Linux: a device without ports is left alone, and so is a port that is to be a terminal (hvc).
#include <algorithm>

#include "base/text.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "drivers/console/channel.hpp"
#include "mem/address.hpp"
#include "sched/workqueue.hpp"
#include "vfs/device.hpp"
#include "vfs/operations.hpp"

namespace auk::drivers::console {
namespace {

using bus::virtio::Device;
using bus::virtio::Queue;
using bus::virtio::QueueMemory;
using bus::virtio::Segment;
using bus::virtio::Transport;

constexpr u64 with_ports = u64{1} << 1;
constexpr u32 control_in = 2, control_out = 3;
constexpr u32 most_ports = 0x8000;

enum class Event : u16 {
  device_ready,
  port_added,
  port_removed,
  port_ready,
  console_port,
  resized,
  port_open,
  port_name,
};
struct Message {
  u32 port;
  Event event;
  u16 value;
};
static_assert(sizeof(Message) == 8);

/// The queue of input of a port; that of its output is the next one.
constexpr u32 queue_of(u32 port) { return port == 0 ? 0 : 2 * (port + 1); }

constinit dev::Subsystem ports_class("virtio-ports", dev::Subsystem::Kind::device_class);

/// vportNpM, as long as the device has it. Its name comes once, and stays.
class Port final : public dev::Device {
  char* label_ = nullptr;  ///< owned
  Atomic<u32> label_size_{0};

  void dispose() override { mem::destroy(this); }

 public:
  Port(dev::Attributes files, u64 number) : Device(ports_class, files, number, 0020600) {}
  ~Port() { mem::free(label_); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  std::string_view label() const {
    const u32 size = label_size_.load_acquire();
    return {label_, size};
  }
  /// ENOMEM.
  Result<void> set_label(std::string_view s) {
    s = s.substr(0, s.find('\0'));
    if (!label().empty() || s.empty()) return {};
    auto* const copy = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, s.size())));
    s.copy(copy, s.size());
    label_ = copy;
    label_size_.store_release(static_cast<u32>(s.size()));
    return {};
  }
};

class NameFile final : public dev::Attribute {
 public:
  constexpr NameFile() : Attribute("name", 0444) {}
  bool is_there(const dev::Object& o) const override {
    return !static_cast<const Port&>(o).label().empty();
  }
  Result<void> show(const dev::Object& o, mem::Text& out) const override {
    out.print("{}\n", static_cast<const Port&>(o).label());
    return {};
  }
};
constexpr NameFile name_file;
constexpr std::array<const dev::Attribute*, 1> port_files{&name_file};

/// Where there can be a port.
struct Slot {
  const u32 number;
  Channel channel;
  mem::Box<Slot> next;
  /// The work's own.
  Ref<Port> port;
  /// What the device knows of the port.
  struct Told {
    bool is_there = false, is_ready = false;
    bool is_refused = false;  ///< the other way round: it is to know that there is none
    u32 open = 0;
  };
  core::Guarded<core::level::socket, Told, sched::SleepLock> told;
  Atomic<bool> is_terminal{false};

  Slot(Transport& t, u32 n) : number(n), channel(t, queue_of(n)) {}
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() = default;
};

class Console final : public bus::virtio::Listener, public sched::Work, public vfs::CharDriver {
  static constexpr u32 messages = 32, text_size = 1024;
  struct Control {
    mem::Box<QueueMemory> in, out;
    std::array<Message, messages> sent{};
    u32 free_to_send = ~u32{0};  ///< a bit for each of them
  };
  static_assert(messages == 32);
  bus::virtio::Device& device_;
  mem::Box<Slot> first_;
  core::Guarded<core::level::driver, Control, core::SpinIrqOff> control_;
  bool has_failed_ = false;  ///< the work's own

  bool is_broken() {
    auto c = control_.lock();
    return c->in->queue().is_broken() || c->out->queue().is_broken();
  }
  void fail();
  Slot* slot(u32 n) const {
    Slot* s = first_.get();
    while (s != nullptr && s->number != n) s = s->next.get();
    return s;
  }
  Result<void> add_slots(u32 count);
  void collect_sent(Control& c);
  bool send(u32 port, Event e, u16 value);
  bool listen(byte* text);
  Result<void> add_port(Slot& s);
  void remove_port(Slot& s);
  void obey(const Message& m, std::string_view text);
  bool hear();
  bool tell(Slot& s);
  void run() override;
  void queues_used() override;
  Result<Ref<io::File>> open(const vfs::Path&, u32 minor, u32 flags) override;

 public:
  Console(Device& d, u32 ports) : CharDriver("virtio-portsdev", 0, 0, ports), device_(d) {}
  ~Console();
  /// The device does nothing yet.
  Result<void> prepare(u32 ports);
  Result<void> start();
  void look() { (void)sched::system_queue.queue(*this); }
};

Console::~Console() {
  // One by one: a device may have asked for very many.
  while (first_) first_ = std::move(first_->next);
}

Result<void> Console::add_slots(u32 count) {
  mem::Box<Slot>* at = &first_;
  for (u32 n = 0; n < count; ++n) {
    *at = TRY(mem::Box<Slot>::make(ALLOC_SITE, device_.transport(), n));
    TRY((*at)->channel.connect(device_));
    at = &(*at)->next;
  }
  return {};
}

Result<void> Console::prepare(u32 ports) {
  TRY(add_slots(ports));
  mem::Box<QueueMemory> in = TRY(device_.make_queue(control_in, messages));
  mem::Box<QueueMemory> out = TRY(device_.make_queue(control_out, messages));
  auto own = control_.lock();
  std::swap(own->in, in);
  std::swap(own->out, out);
  return {};
}

Result<void> Console::start() {
  TRY(device_.start(*this));
  // With less memory it says less at once.
  for (u32 i = 0; i < messages; ++i) {
    Result<void*> text = mem::allocate(ALLOC_SITE, text_size);
    if (!text.ok()) break;
    (void)listen(static_cast<byte*>(text.take()));
  }
  (void)send(~u32{0}, Event::device_ready, 1);
  return {};
}

/// A buffer for what the device says next. False if the queue takes none.
bool Console::listen(byte* text) {
  auto c = control_.lock();
  const std::array room{Segment{mem::to_phys(text), text_size}};
  if (!c->in->queue().add({}, room, text).ok()) {
    mem::free(text);
    return false;
  }
  if (c->in->queue().publish()) device_.transport().notify(control_in);
  return true;
}

void Console::collect_sent(Control& c) {
  while (const auto used = c.out->queue().take()) {
    const auto which = static_cast<Message*>(used->token) - c.sent.data();
    c.free_to_send |= u32{1} << which;
  }
}

/// False: not now; an interrupt will come.
bool Console::send(u32 port, Event e, u16 value) {
  auto c = control_.lock();
  collect_sent(*c);
  Queue& out = c->out->queue();
  const auto try_to = [&] {
    if (c->free_to_send == 0) return false;
    const auto which = static_cast<u32>(std::countr_zero(c->free_to_send));
    Message& m = c->sent[which];
    m = {port, e, value};
    const std::array bytes{Segment{mem::to_phys(&m), sizeof(m)}};
    if (!out.add(bytes, {}, &m).ok()) return false;
    c->free_to_send &= ~(u32{1} << which);
    return true;
  };
  bool is_sent = try_to();
  if (!is_sent && out.want_interrupt()) {
    collect_sent(*c);
    is_sent = try_to();
  }
  if (out.publish()) device_.transport().notify(control_out);
  return is_sent;
}

Result<void> Console::add_port(Slot& s) {
  if (s.port) {
    // It asks again.
    s.told.lock()->is_ready = false;
    return {};
  }
  const u64 number = dev::make_number(major_number(), s.number);
  s.is_terminal.store_relaxed(false);
  TRY(s.channel.plug());
  const Ref<Port> fresh = TRY(mem::make_ref<Port>(ALLOC_SITE, port_files, number));
  std::array<char, 32> memory;
  Writer name(memory);
  format_to(name, "vport{}p{}", device_.index(), s.number);
  *s.told.lock() = {.is_there = true};
  TRY(fresh->attach(name.text(), &device_));
  s.port = fresh;
  return {};
}

void Console::remove_port(Slot& s) {
  *s.told.lock() = {};
  s.channel.unplug();
  if (s.port) std::exchange(s.port, {})->detach();
}

void Console::obey(const Message& m, std::string_view text) {
  Slot* const s = slot(m.port);
  if (s == nullptr) return;
  if (m.event == Event::port_added) {
    if (const Result<void> r = add_port(*s); !r.ok()) {
      core::log_err("virtio_console: port {}: {}", m.port, r.error());
      s->channel.unplug();
      *s->told.lock() = {.is_refused = true};
    }
    return;
  }
  if (!s->port) return;
  if (m.event == Event::port_open) s->channel.set_host_open(m.value != 0);
  if (m.event == Event::port_removed) remove_port(*s);
  if (m.event == Event::console_port) s->is_terminal.store_release(true);
  if (m.event == Event::port_name) (void)s->port->set_label(text);
}

/// A queue of control is broken: nothing works any more.
void Console::fail() {
  if (std::exchange(has_failed_, true)) return;
  core::log_err("virtio_console: {}: the device is not to be trusted", device_.name());
  for (Slot* s = first_.get(); s != nullptr; s = s->next.get()) s->channel.fail();
}

/// No more at once than the queue holds. True if there may be more.
bool Console::hear() {
  for (u32 left = messages; left > 0; --left) {
    byte* text = nullptr;
    u32 size = 0;
    {
      auto c = control_.lock();
      const auto used = c->in->queue().take();
      if (!used) return c->in->queue().want_interrupt();
      text = static_cast<byte*>(used->token);
      size = used->written;
    }
    Message m{};
    if (size >= sizeof(m)) {
      std::memcpy(&m, text, sizeof(m));
      obey(m, {reinterpret_cast<const char*>(text) + sizeof(m), size - sizeof(m)});
    }
    if (!listen(text)) return false;
  }
  return true;
}

/// What the device has not been told yet. False if it must wait.
bool Console::tell(Slot& s) {
  auto told = s.told.lock();
  if (told->is_refused && !send(s.number, Event::port_ready, 0)) return false;
  told->is_refused = false;
  if (!told->is_there) return true;
  if (!told->is_ready && !send(s.number, Event::port_ready, 1)) return false;
  told->is_ready = true;
  const u32 open = s.channel.opened();
  if (open == told->open) return true;
  if (told->open != 0 && !send(s.number, Event::port_open, 0)) return false;
  told->open = 0;
  if (open != 0 && !send(s.number, Event::port_open, 1)) return false;
  told->open = open;
  if (open != 0) s.channel.announced(open);
  return true;
}

void Console::run() {
  bool more = hear();
  for (Slot* s = first_.get(); s != nullptr; s = s->next.get())
    if (!tell(*s)) break;
  for (Slot* s = first_.get(); s != nullptr; s = s->next.get()) more = s->channel.service() || more;
  if (is_broken()) return fail();
  if (more) look();
}

void Console::queues_used() {
  for (Slot* s = first_.get(); s != nullptr; s = s->next.get())
    if (s->channel.is_plugged()) (void)s->channel.service();
  // Control messages, and what was too much at once.
  look();
}

class PortFile final : public io::File {
  Console& console_;
  Channel& channel_;
  const u32 open_;
  void dispose() override { destroy_late(this); }

 public:
  PortFile(u32 flags, Console& console, Channel& channel, u32 open)
      : File(flags),
        console_(console),
        channel_(channel),
        open_(open) {}
  ~PortFile() {
    channel_.close(open_);
    console_.look();
  }
  bool can_splice_to() const override { return true; }
  Result<usize> read(io::IoBuf& buf) override {
    return channel_.read(open_, buf, is_nonblocking());
  }
  Result<usize> write(io::IoBuf& buf) override {
    return channel_.write(open_, buf, is_nonblocking());
  }
  bool can_poll() const override { return true; }
  io::PollEvents poll(io::PollTable* table) override { return channel_.poll(open_, table); }
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
};

Result<Ref<io::File>> Console::open(const vfs::Path&, u32 minor, u32 flags) {
  Slot* const s = slot(minor);
  if (s == nullptr || s->is_terminal.load_acquire()) return Errno::enxio;
  const u32 number = TRY(s->channel.open());
  Result<Ref<PortFile>> f = mem::make_ref<PortFile>(ALLOC_SITE, flags, *this, s->channel, number);
  if (!f.ok()) {
    s->channel.close(number);
    return f.error();
  }
  // Before the first byte. If the device has no room for it, the work does it.
  (void)tell(*s);
  return Ref<io::File>(f.take());
}

class ConsoleDriver final : public bus::virtio::Driver {
 public:
  constexpr ConsoleDriver() : Driver("virtio_console", bus::virtio::Kind::console) {}
  Result<void> probe(Device& d) override {
    TRY(d.negotiate(with_ports | bus::virtio::feature::event_index));
    if (!d.has(with_ports)) return Errno::eopnotsupp;
    u32 ports = 0;
    constexpr u32 ports_offset = 4;
    TRY(d.read_config(ports_offset, std::span(reinterpret_cast<byte*>(&ports), sizeof(ports))));
    if (ports == 0 || ports > most_ports) return Errno::einval;
    mem::Box<Console> made = TRY(mem::Box<Console>::make(ALLOC_SITE, d, ports));
    Result<void> ready = made->prepare(ports);
    if (ready.ok()) ready = vfs::register_with_any_major(*made);
    if (!ready.ok()) {
      // Before the memory of its queues goes.
      d.give_up();
      return ready;
    }
    // Programs and interrupts know it from now on: it stays, whatever becomes of it.
    Console& c = *made.release();
    return c.start();
  }
};
constinit ConsoleDriver driver;

void setup() {
  ports_class.setup();
  bus::virtio::register_driver(driver);
}
INIT_TASK(virtio_console, "devices virtio_bus", "virtio_drivers", setup);

}  // namespace
}  // namespace auk::drivers::console
