// auk run: boots a kernel and runs one command in it.
#include "commands.hpp"
#include "run/session.hpp"
#include "system_calls.hpp"

#include "../guest/protocol.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>
#include <unistd.h>

namespace auk {

namespace {

constexpr unsigned most_cpus = 4;

bool is_judge(std::string const& kernel) {
  return kernel == "linux" ||
         (!kernel.empty() && fs::weakly_canonical(kernel) == repository() / judge_kernel);
}

fs::path find_kernel(RunOptions const& options) {
  if (is_judge(options.kernel)) return linux_judge();
  if (!options.kernel.empty()) {
    if (fs::exists(options.kernel)) return options.kernel;
    fail("there is no kernel {}", options.kernel);
  }
  auto const log = std::format("build/log/run-build-{}.log", options.profile);
  if (build_quietly(options.profile, log) != exit_ok)
    fail("the kernel does not build (see {})", log);
  return std::format("build/{}/bzImage", options.profile);
}

bool choose_kvm(bool terminal) {
  fs::path const verdict = "build/guest/kvm-verdict";
  bool const asked_before = fs::exists(verdict);
  if (kvm_works()) return true;
  if (terminal || !asked_before) note("KVM does not work here: QEMU translates instead, slower");
  return false;
}

// Where QEMU's microvm has its first virtio device, which only its ACPI tables say. Without those
// it writes a word of its own on the command line.
constexpr auto microvm_device = "512@0xfeb02e00:47";

bool names_its_devices(std::string_view machine) {
  return !is_microvm(machine) || machine.find("acpi=off") != machine.npos;
}

std::string command_line(RunOptions const& options, bool kvm, MemoryLayout const& memory) {
  // Linux leaves out serial ports that it is not told of; a panic ends the guest.
  std::string line = "console=ttyS0 8250.nr_uarts=4 panic=-1";
  // Without KVM's clock Linux measures the counter's rate itself. On a busy host that fails, and on
  // microvm there is no other clock: it hangs. Nor may it doubt the counter, which is the best
  // there is.
  if (!kvm) line += std::format(" tsc=reliable tsc_early_khz={}", tsc_khz());
  if (options.ports == "virtio" && !names_its_devices(options.machine))
    line += std::format(" virtio_mmio.device={}", microvm_device);
  if (memory.disk > 0) line += std::format(" memmap={}M!{}M", memory.disk, memory.disk_at);
  // So that gdb finds what it looks for.
  if (options.debug) line += " nokaslr";
  if (!options.append.empty()) line += " " + options.append;
  return line;
}

// A small root is unpacked faster than it is mounted, and of other kernels nobody knows where their
// drivers for it are.
bool wants_disk(RunOptions const& options) {
  return (options.kernel.empty() || is_judge(options.kernel)) && options.initrd.empty() &&
         (options.root == "debian" || !options.image.empty());
}

// Linux tells its drivers of persistent memory when it looks for PCI.
std::string machine_for_disk(RunOptions const& options) {
  bool const has_pci =
      !is_microvm(options.machine) || options.machine.find("pcie=") != options.machine.npos;
  return options.kernel.empty() || has_pci ? options.machine : options.machine + ",pcie=on";
}

// Linux has as modules what Auk has built in.
std::vector<fs::path> modules_for_disk(RunOptions const& options) {
  std::vector<fs::path> modules;
  if (options.kernel.empty()) return modules;
  for (auto const* name :
       {"libnvdimm", "nd_btt", "nd_pmem", "nd_e820", "libcrc32c", "erofs", "overlay"})
    modules.push_back(linux_module(name));
  return modules;
}

fs::path find_disk(RunOptions const& options) {
  return image_disk(options.image.empty() ? debian_root(options.install) : options.image);
}

// Debian's root as an archive, which takes its size three times: it lies in memory, is unpacked
// into a file system there, and Linux grants that half of what is left.
fs::path unpacked_debian(RunOptions const& options) {
  constexpr std::uintmax_t mib = 1 << 20, kernel_itself = 64;
  auto const archive = image_root(debian_root(options.install));
  auto const needed = 3 * (fs::file_size(archive) / mib + 1) + kernel_itself;
  if (static_cast<std::uintmax_t>(options.memory_mib) < needed)
    fail("a kernel given by --kernel unpacks this root into memory: give it -m {} or more", needed);
  return archive;
}

fs::path find_root(RunOptions const& options) {
  if (!options.initrd.empty()) return options.initrd;
  if (!options.image.empty()) return image_root(options.image);
  return options.root == "busybox" ? busybox_root() : unpacked_debian(options);
}

std::vector<std::string> environment(RunOptions const& options, bool terminal) {
  std::vector<std::string> list{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                "HOME=/root", "USER=root"};
  // Another user's are found in the guest.
  if (!options.user.empty()) list.resize(1);
  if (terminal) {
    char const* const type = std::getenv("TERM");
    list.push_back(std::format("TERM={}", type ? type : "linux"));
  }
  for (auto const& variable : options.environment) {
    auto const name = variable.substr(0, variable.find('='));
    std::erase_if(list, [&](auto const& old) { return old.starts_with(name + "="); });
    if (name != variable)
      list.push_back(variable);
    else if (char const* const value = std::getenv(name.c_str()))  // as docker: -e NAME
      list.push_back(std::format("{}={}", name, value));
  }
  return list;
}

void write_status(int fd, RunResult const& result, bool kvm) {
  nlohmann::ordered_json status;
  status["exit"] = result.exit ? nlohmann::json(*result.exit) : nlohmann::json();
  status["signal"] = result.signal ? nlohmann::json(*result.signal) : nlohmann::json();
  status["panic"] = result.panicked;
  status["timeout"] = result.timed_out;
  status["powered_off"] = result.vm.status == 0;
  status["problem"] = result.problem;
  status["boot_ms"] = static_cast<int>(result.boot_seconds * 1000);
  status["max_rss_kib"] = result.vm.max_rss_kib;
  status["accelerator"] = kvm ? "kvm" : "tcg";
  dprintf(fd, "%s\n", status.dump().c_str());
}

void explain(RunResult const& result, bool log, std::string const& command) {
  if (!log && !result.last_lines.empty()) {
    note("the last lines of the kernel's log:");
    for (auto const& line : result.last_lines) std::fprintf(stderr, "  | %s\n", line.c_str());
  }
  if (!result.vm.complaints.empty()) note("QEMU: {}", trimmed(result.vm.complaints));
  note("it was: {}", command);
  note("{}", result.problem);
}

// What the kernel said while the command ran, once for each call.
void list_missing(RunResult const& result) {
  if (result.missing.empty()) return note("no system call was missing");
  for (auto const& line : result.missing) {
    // Behind the time, if the kernel prints it.
    auto const stamp = line.starts_with('[') ? line.find("] ") : line.npos;
    auto const text = stamp == line.npos ? line : line.substr(stamp + 2);
    auto const place = text.find(": system call ");
    int number = -1;
    if (place != text.npos) std::sscanf(text.c_str() + place, ": system call %d", &number);
    note("missing: {} ({})", system_call_name(number), text);
  }
}

// gdb's end of the guest. QEMU starts in our folder, so the path is short enough for an address.
fs::path gdb_socket() { return std::format("build/guest/gdb-{}", getpid()); }

void invite_gdb(VmOptions const& vm) {
  auto symbols = vm.kernel;
  symbols.replace_filename("vmlinux");
  note("the guest waits for: gdb {} -ex {}", shell_word(fs::absolute(symbols).string()),
       shell_word("target remote " + fs::absolute(vm.gdb_socket).string()));
}

// Without a command the guest is the initrd's own affair; all that is known is how it ended.
int console_code(RunResult const& result) {
  if (result.timed_out) return run_timed_out;
  if (result.panicked) return run_guest_panicked;
  if (result.quit) return exit_ok;
  return result.vm.status == 0 ? int{exit_ok} : int{run_tool_failed};
}

int run_guest(RunOptions options) {
  bool const command = !options.command.empty() || options.initrd.empty();
  if (!options.install.empty() && options.root != "debian")
    fail("--install needs the root of Debian, not --root {}", options.root);
  if (command && options.command.empty())
    options.command = {options.root == "debian" && options.image.empty() ? "bash" : "sh", "-l"};
  if (options.ports.empty()) options.ports = options.kernel.empty() ? "virtio" : "serial";
  if (!command) options.ports = "serial";
  bool const terminal = on_terminal();
  options.environment = environment(options, terminal);
  auto const terminal_of_guest = terminal ? std::optional(terminal_size()) : std::nullopt;
  bool const kvm = choose_kvm(terminal);
  bool const on_disk = wants_disk(options);
  if (on_disk) options.machine = machine_for_disk(options);
  auto const kernel = find_kernel(options);
  auto const disk = on_disk ? find_disk(options) : fs::path();
  auto initrd = on_disk ? std::string() : read_file(find_root(options));
  if (command) {
    initrd.append(-initrd.size() % 4, '\0');
    auto const modules = on_disk ? modules_for_disk(options) : std::vector<fs::path>();
    initrd += command_archive(options, terminal_of_guest, on_disk, modules);
  }
  auto const memory =
      layout_memory(options.machine, options.memory_mib, on_disk ? fs::file_size(disk) : 0,
                    initrd.size(), initrd_limit(kernel));
  VmOptions vm{.kernel = kernel,
               .disk = disk,
               .initrd = std::move(initrd),
               .machine = options.machine,
               .command_line = command_line(options, kvm, memory),
               .memory = memory,
               .cpus = options.cpus,
               .kvm = kvm,
               .gdb_socket = options.debug ? gdb_socket() : fs::path(),
               .named_ports = options.ports == "virtio",
               .more = options.qemu};
  if (vm.cpus == 0)
    vm.cpus = static_cast<int>(std::min(std::thread::hardware_concurrency(), most_cpus));
  if (options.debug) invite_gdb(vm);
  std::string headline;
  if (command && !options.quiet && isatty(STDERR_FILENO))
    headline = std::format("{} ({})", vm.machine, kvm ? "kvm" : "tcg");
  Vm machine(vm);
  Session session(machine,
                  {.command = command,
                   .terminal = terminal,
                   .log = options.log,
                   .debug = options.debug,
                   .headline = headline,
                   .timeout = options.timeout,
                   .input_window = options.ports == "virtio" ? guest::protocol::port_window
                                                             : guest::protocol::serial_window});
  auto const result = session.run();
  if (options.debug) fs::remove(vm.gdb_socket);
  if (options.trace_missing) list_missing(result);
  if (options.json_status >= 0) write_status(options.json_status, result, vm.kvm);
  if (!result.problem.empty()) explain(result, options.log, machine.command());
  return command ? result.exit_code() : console_code(result);
}

}  // namespace

int run_command(RunOptions const& options) try {
  return run_guest(options);
} catch (std::exception const& error) {
  print_note(error.what());
  return run_tool_failed;
}

}  // namespace auk
