// What /proc says of terminals: consoles, tty/drivers, tty/ldiscs.
// Source: Linux Documentation/filesystems/proc.rst, section 1.7.
#include "drivers/tty/tty.hpp"
#include "fs/procfs/node.hpp"

namespace auk::fs::procfs {
namespace {

using drivers::tty::first_serial_minor;
using drivers::tty::serial_major;

constexpr KernelText<[](mem::Text& out) {
  const std::optional<u64> device = drivers::tty::console_device();
  if (!device) return;
  // It writes; it is enabled, the one of /dev/console, has got what was logged before, and may be
  // used at any time.
  const u32 minor = dev::minor_of(*device);
  std::array<char, 16> memory;
  Writer name(memory);
  format_to(name, "ttyS{}", minor - first_serial_minor);
  out.print("{:21}-W- (EC  p a) {:4}:{}\n", name.text(), dev::major_of(*device), minor);
}>
    consoles("consoles");

struct DriverRow {
  std::string_view name, path;
  u32 major;
  std::string_view minors, kind;  ///< one number is as wide as seven digits
};
// As programs look for them: those with a file of their own first.
constexpr std::array<DriverRow, 5> rows{{
    {"/dev/tty", "/dev/tty", 5, "      0", "system:/dev/tty"},
    {"/dev/console", "/dev/console", 5, "      1", "system:console"},
    {"/dev/ptmx", "/dev/ptmx", 5, "      2", "system"},
    {"serial", "/dev/ttyS", serial_major, "64-95", "serial"},
    {"pty_slave", "/dev/pts", 136, "0-1048575", "pty:slave"},
}};
constexpr KernelText<[](mem::Text& out) {
  for (const DriverRow& r : rows)
    out.print("{:20} {:13} {:3} {} {}\n", r.name, r.path, r.major, r.minors, r.kind);
}>
    drivers_text("drivers");
constexpr KernelText<[](mem::Text& out) { out.print("{:10} {:2}\n", "n_tty", 0); }>
    disciplines("ldiscs");
constinit const Node* const drivers_pointer = &drivers_text;
constinit const Node* const disciplines_pointer = &disciplines;

class TtyDirectory final : public Directory {
  Nodes nodes() const override {
    static constexpr std::array<const Node* const*, 2> list{&drivers_pointer, &disciplines_pointer};
    return list;
  }

 public:
  constexpr TtyDirectory() : Directory("tty", 0555) {}
};
constexpr TtyDirectory tty_directory;

}  // namespace

constinit const Node* const consoles_node = &consoles;
constinit const Node* const tty_node = &tty_directory;

}  // namespace auk::fs::procfs
