#include "run/vm.hpp"

#include "../guest/protocol.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace auk {

namespace {

// A file without a name, gone with its last descriptor.
int anonymous_file(char const* label, std::string_view content) {
  int const fd = memfd_create(label, MFD_CLOEXEC);
  if (fd < 0) fail("memfd_create: {}", std::strerror(errno));
  while (!content.empty()) {
    ssize_t const put = write(fd, content.data(), content.size());
    if (put < 0) fail("cannot keep {} bytes in memory: {}", content.size(), std::strerror(errno));
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return fd;
}

std::string content_of(int fd) {
  std::string text(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)), '\0');
  ssize_t const got = pread(fd, text.data(), text.size(), 0);
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

constexpr std::array<char const*, Vm::port_count> port_names{nullptr, guest::protocol::data_name,
                                                             guest::protocol::errors_name,
                                                             guest::protocol::control_name};

// The disk is a node of memory: the guest's view of the file, without copying it.
void add_nodes(std::vector<std::string>& argv, MemoryLayout const& memory, fs::path const& disk) {
  auto const add = [&](std::string const& backend, std::string_view name, int mib) {
    argv.insert(argv.end(), {"-object", std::format("{},id={},size={}M", backend, name, mib),
                             "-numa", std::format("node,memdev={}", name)});
  };
  add("memory-backend-ram", "before", memory.before);
  add(std::format("memory-backend-file,share=off,mem-path={}", disk.string()), "disk", memory.disk);
  if (memory.behind > 0) add("memory-backend-ram", "behind", memory.behind);
}

std::vector<std::string> arguments(VmOptions const& options, int initrd,
                                   std::array<int, Vm::port_count> const& ports) {
  auto const& memory = options.memory;
  std::vector<std::string> argv{"qemu-system-x86_64",
                                "-nodefaults",
                                "-no-user-config",
                                "-display",
                                "none",
                                "-no-reboot",
                                "-net",
                                "none",
                                "-M",
                                options.machine,
                                "-smp",
                                std::to_string(options.cpus),
                                "-m",
                                std::to_string(memory.before + memory.disk + memory.behind),
                                "-kernel",
                                options.kernel.string(),
                                "-append",
                                options.command_line};
  auto const add = [&](std::initializer_list<std::string> words) {
    argv.insert(argv.end(), words);
  };
  if (options.kvm)
    add({"-accel", "kvm", "-cpu", "host"});
  else
    add({"-accel", "tcg", "-cpu", "max"});
  if (!options.gdb_socket.empty())
    add({"-chardev",
         std::format("socket,id=gdb,path={},server=on,wait=off", options.gdb_socket.string()),
         "-gdb", "chardev:gdb", "-S"});
  if (!options.disk.empty()) add_nodes(argv, memory, options.disk);
  add({"-initrd", std::format("/proc/self/fd/{}", initrd)});
  if (options.named_ports)
    add({"-device", std::format("virtio-serial-{},max_ports={}",
                                is_microvm(options.machine) ? "device" : "pci", ports.size())});
  for (std::size_t i = 0; i < ports.size(); ++i) {
    add({"-chardev", std::format("socket,id=port{},fd={}", i, ports[i])});
    // The first port is there already on some machines; -serial means it on all.
    if (i == Vm::log)
      add({"-serial", "chardev:port0"});
    else if (options.named_ports)
      add({"-device",
           std::format("virtserialport,chardev=port{},nr={},name={}", i, i, port_names[i])});
    else
      add({"-device", std::format("isa-serial,chardev=port{},index={}", i, i)});
  }
  argv.insert(argv.end(), options.more.begin(), options.more.end());
  return argv;
}

[[noreturn]] void become_qemu(std::vector<std::string> const& words, pid_t parent, int output,
                              std::initializer_list<int> inherited) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  // Its own group: what the keyboard sends is for us to pass on.
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int const fd : inherited) fcntl(fd, F_SETFD, 0);
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
  dup2(output, 1);
  dup2(output, 2);
  std::vector<char*> argv;
  for (auto const& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  dprintf(2, "cannot run %s: %s\n", argv[0], std::strerror(errno));
  _exit(127);
}

}  // namespace

std::string shell_word(std::string const& word) {
  constexpr auto plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+,./:@%";
  if (!word.empty() && word.find_first_not_of(plain) == word.npos) return word;
  std::string quoted = "'";
  for (char const c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

static std::string_view machine_name(std::string_view machine) {
  return machine.substr(0, machine.find(','));
}

std::int64_t initrd_limit(fs::path const& kernel) {
  constexpr std::int64_t unlimited = std::int64_t{4} << 30;
  // Documentation/arch/x86/boot.rst: header, version, initrd_addr_max.
  std::string head(0x230, '\0');
  std::ifstream(kernel, std::ios::binary).read(head.data(), std::ssize(head));
  std::uint16_t version = 0;
  std::uint32_t last = 0;
  if (head.compare(0x202, 4, "HdrS") != 0) return unlimited;
  std::memcpy(&version, head.data() + 0x206, sizeof version);
  std::memcpy(&last, head.data() + 0x22c, sizeof last);
  return version < 0x203 ? unlimited : std::int64_t{last} + 1;
}

MemoryLayout layout_memory(std::string_view machine, int memory_mib, std::uintmax_t disk_bytes,
                           std::uintmax_t initrd_bytes, std::int64_t initrd_limit) {
  constexpr std::uintmax_t mib = 1 << 20;
  // Up to this much no machine has a gap in its memory, and with more none has one below 2 GiB.
  // From `least_with_gap` on all have one, and it ends at 4 GiB.
  constexpr int most_without_gap = 2815, least_with_gap = 3584, safe_begin = 512, safe_size = 1472;
  int const disk = static_cast<int>((disk_bytes + mib - 1) / mib);
  if (disk == 0) return {.before = memory_mib};
  // QEMU puts the initrd at the end of memory, and firmware works there before the kernel begins:
  // some of it was seen 17 MiB from the end.
  constexpr int usual_room = 64, least_room = 20, least_before = 8;
  int room = static_cast<int>(initrd_bytes / mib) + 4;
  room = std::max(room, std::clamp(memory_mib / 2, least_room, usual_room));
  int const limit = static_cast<int>(initrd_limit / static_cast<std::int64_t>(mib));
  // On a border of large pages.
  room += (memory_mib - room) % 2;
  if (memory_mib + disk <= most_without_gap) {
    if (memory_mib < room + least_before)
      fail("{} MiB of memory are not enough: {} are", memory_mib, room + least_before);
    int before = memory_mib - room;
    // Where the initrd may not lie at the end, all of the disk lies below it.
    if (before < limit && memory_mib + disk > limit) before = limit - room - disk;
    if (before >= least_before)
      return {.before = before, .disk = disk, .behind = memory_mib - before, .disk_at = before};
  }
  if (memory_mib >= least_with_gap) {
    int const below_gap = machine_name(machine) == "q35" ? 2048 : 3072;
    return {.before = memory_mib, .disk = disk, .disk_at = 4096 + memory_mib - below_gap};
  }
  if (disk > safe_size || memory_mib < safe_begin + room)
    fail("a root of {} MiB and {} MiB of memory do not go together: give it {} at most, or {}",
         disk, memory_mib, std::max(0, std::min(most_without_gap, limit) - disk), least_with_gap);
  return {
      .before = safe_begin, .disk = disk, .behind = memory_mib - safe_begin, .disk_at = safe_begin};
}

bool is_microvm(std::string_view machine) { return machine_name(machine) == "microvm"; }

Vm::Vm(VmOptions const& options) {
  std::array<int, port_count> theirs{};
  for (std::size_t i = 0; i < port_count; ++i) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      fail("socketpair: {}", std::strerror(errno));
    ports_[i] = ends[0];
    theirs[i] = ends[1];
    fcntl(ends[0], F_SETFL, O_RDWR | O_NONBLOCK);
  }
  int const initrd = anonymous_file("initrd", options.initrd);
  output_ = anonymous_file("qemu-output", "");
  auto const argv = arguments(options, initrd, theirs);
  for (auto const& word : argv) command_ += (command_.empty() ? "" : " ") + shell_word(word);
  pid_t const parent = getpid();
  pid_ = fork();
  if (pid_ < 0) fail("fork: {}", std::strerror(errno));
  if (pid_ == 0)
    become_qemu(argv, parent, output_, {initrd, theirs[0], theirs[1], theirs[2], theirs[3]});
  close(initrd);
  for (int const fd : theirs) close(fd);
}

Vm::~Vm() {
  if (pid_ > 0) {
    kill();
    wait();
  }
  for (int const fd : ports_) close(fd);
  close(output_);
}

void Vm::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Vm::Ending Vm::wait() {
  int status = 0;
  rusage usage{};
  while (wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) {}
  pid_ = -1;
  return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .max_rss_kib = usage.ru_maxrss,
          .complaints = content_of(output_)};
}

}  // namespace auk
