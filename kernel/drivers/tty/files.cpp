// Terminals as files: who opens which number.
#include "base/list.hpp"
#include "core/init_graph.hpp"
#include "drivers/tty/tty.hpp"
#include "generated/uapi/fcntl.hpp"
#include "vfs/device.hpp"
#include "vfs/operations.hpp"

namespace auk::drivers::tty {
namespace {

class TtyFile final : public io::File {
  Ref<Tty> tty_;
  const u32 hangups_;
  void dispose() override { destroy_late(this); }

 public:
  TtyFile(u32 flags, Ref<Tty> tty, u32 hangups)
      : File(flags),
        tty_(std::move(tty)),
        hangups_(hangups) {}
  ~TtyFile() { tty_->end_open(); }
  View view() const {
    return {.hangups = hangups_, .nonblocking = is_nonblocking(), .readable = is_readable()};
  }
  bool can_splice_from() const override { return true; }
  bool can_splice_to() const override { return true; }
  Result<usize> read(io::IoBuf& buf) override { return tty_->read(buf, view()); }
  Result<usize> write(io::IoBuf& buf) override { return tty_->write(buf, view()); }
  Result<u64> ioctl(u32 command, io::IoctlArg arg) override {
    return tty_->ioctl(command, arg, view());
  }
  bool can_poll() const override { return true; }
  io::PollEvents poll(io::PollTable* table) override { return tty_->poll(table, view()); }
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
};

struct Entry {
  Ref<Tty> tty;
  Entry* next = nullptr;
};
struct Terminals {
  Entry* first = nullptr;
  Tty* console = nullptr;
};
constinit core::Guarded<core::level::driver, Terminals, core::SpinPreemptOff> terminals;

Result<Ref<Tty>> find(u64 device) {
  auto t = terminals.lock();
  for (const Entry* e = t->first; e != nullptr; e = e->next)
    if (e->tty->device() == device) return e->tty;
  return Errno::enxio;
}

class SerialNumbers final : public vfs::CharDriver {
 public:
  static constexpr u32 count = 192;
  constexpr SerialNumbers() : CharDriver("ttyS", serial_major, first_serial_minor, count) {}
  Result<Ref<io::File>> open(const vfs::Path&, u32 minor, u32 flags) override {
    return open_file(TRY(find(dev::make_number(serial_major, minor))), flags, true);
  }
};

/// /dev/tty: whatever terminal the caller's session has.
class OwnTerminal final : public vfs::CharDriver {
 public:
  constexpr OwnTerminal() : CharDriver("/dev/tty", 5, 0, 1) {}
  Result<Ref<io::File>> open(const vfs::Path&, u32, u32 flags) override {
    Ref<proc::Terminal> terminal;
    {
      auto t = proc::tree.lock();
      terminal = proc::current().group->process_group->session->terminal;
    }
    if (!terminal) return Errno::enxio;
    return open_file(Ref<Tty>(static_cast<Tty&>(*terminal)), flags, false);
  }
};

class ConsoleNumber final : public vfs::CharDriver {
 public:
  constexpr ConsoleNumber() : CharDriver("/dev/console", 5, 1, 1) {}
  Result<Ref<io::File>> open(const vfs::Path&, u32, u32 flags) override {
    Ref<Tty> tty;
    {
      auto t = terminals.lock();
      if (t->console == nullptr) return Errno::enodev;
      tty = Ref<Tty>(*t->console);
    }
    return open_file(std::move(tty), flags, false, true);
  }
};

constinit SerialNumbers serial_numbers;
constinit OwnTerminal own_terminal;
constinit ConsoleNumber console_number;
constinit dev::Subsystem tty_class("tty", dev::Subsystem::Kind::device_class);

/// The terminals that are consoles.
constexpr dev::Shown<dev::Device,
                     [](const dev::Device&, mem::Text& out) {
                       if (const std::optional<u64> device = console_device())
                         out.print("ttyS{}\n", dev::minor_of(*device) - first_serial_minor);
                     }>
    active("active");
constexpr std::array<const dev::Attribute*, 1> console_attributes{&active};

class ConsoleDevice final : public dev::Device {
  void dispose() override { mem::destroy(this); }

 public:
  ConsoleDevice()
      : Device(tty_class, console_attributes, dev::make_number(5, 1), vfs::mode::character | 0600) {
  }
  ~ConsoleDevice() = default;
};

}  // namespace

Result<Ref<io::File>> open_file(Ref<Tty> tty, u32 flags, bool may_take_control, bool is_console) {
  const u32 hangups = is_console ? View::never_hangs_up : tty->hangups();
  TRY(tty->begin_open());
  Result<Ref<TtyFile>> made = mem::make_ref<TtyFile>(ALLOC_SITE, flags, tty, hangups);
  if (!made.ok()) {
    tty->end_open();
    return made.error();
  }
  Ref<TtyFile> f = made.take();
  if (may_take_control && (flags & vfs::open_flag::no_controlling_tty) == 0 && f->is_readable())
    tty->opened_by(proc::current(), f->view());
  return Ref<io::File>(std::move(f));
}

std::optional<u64> console_device() {
  auto t = terminals.lock();
  if (t->console == nullptr) return std::nullopt;
  return t->console->device();
}

Result<void> add_terminal(Ref<Tty> tty, bool is_console) {
  mem::Box<Entry> e = TRY(mem::Box<Entry>::make(ALLOC_SITE));
  e->tty = std::move(tty);
  {
    auto t = terminals.lock();
    if (is_console) t->console = e->tty.get();
    e->next = t->first;
    t->first = e.release();
  }
  return {};
}

dev::Subsystem& terminal_class() { return tty_class; }

namespace {

void setup() {
  vfs::register_char_driver(serial_numbers);
  vfs::register_char_driver(own_terminal);
  vfs::register_char_driver(console_number);
  tty_class.setup();
  dev::add_device(tty_class, "tty", dev::make_number(5, 0), vfs::mode::character | 0666);
  dev::add_device("console", mem::make_ref<ConsoleDevice>(ALLOC_SITE));
}
INIT_TASK(terminal_class, "devices", "terminal_class", setup);

}  // namespace

}  // namespace auk::drivers::tty
