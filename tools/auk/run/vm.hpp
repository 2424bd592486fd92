// Purpose: one running QEMU with its ports as sockets. It never outlives the tool.
#pragma once

#include "support.hpp"

#include <array>
#include <sys/types.h>

namespace auk {

// The first address behind an initrd that this kernel takes.
std::int64_t initrd_limit(fs::path const& kernel);

// What stands in the guest's memory, in this order: memory, the disk, memory again; and the address
// of the disk. In MiB.
struct MemoryLayout {
  int before = 0, disk = 0, behind = 0, disk_at = 0;
};
// With room for the initrd, which QEMU puts at the end of the memory below 4 GiB, or below what the
// kernel says. Throws if there is no place for all.
MemoryLayout layout_memory(std::string_view machine, int memory_mib, std::uintmax_t disk_bytes,
                           std::uintmax_t initrd_bytes, std::int64_t initrd_limit);

struct VmOptions {
  fs::path kernel;
  fs::path disk;       // a file that is to stand in memory; empty: none
  std::string initrd;  // its bytes
  std::string machine, command_line;
  MemoryLayout memory;
  int cpus = 0;
  bool kvm = false;
  fs::path gdb_socket;            // where gdb is waited for; empty: nowhere
  bool named_ports = false;       // of a virtio console; the log's is a serial one always
  std::vector<std::string> more;  // words for QEMU
};

// "microvm", with options or without.
bool is_microvm(std::string_view machine);

// As a shell takes it.
std::string shell_word(std::string const& word);

class Vm {
 public:
  enum Port { log, data, errors, control, port_count };

  explicit Vm(VmOptions const&);
  ~Vm();
  Vm(Vm const&) = delete;
  Vm& operator=(Vm const&) = delete;

  // Our end of it; reads as ended once QEMU is gone.
  int port(Port which) const { return ports_[which]; }
  // Of QEMU, as a shell takes it.
  std::string const& command() const { return command_; }
  void kill();
  struct Ending {
    int status;  // 128 + signal if it was killed
    long max_rss_kib;
    std::string complaints;  // what QEMU itself printed
  };
  // Waits for the end.
  Ending wait();

 private:
  std::array<int, port_count> ports_{};
  std::string command_;
  int output_ = -1;
  pid_t pid_ = -1;
};

}  // namespace auk
