// What runs the guest's instructions: whether KVM can be trusted (a device that opens is not yet
// one that runs guests), and how fast a translated guest's clock ticks.
#include "run/run.hpp"

#include <chrono>
#include <unistd.h>
#include <x86intrin.h>

namespace auk {

namespace {

constexpr unsigned good_word = 42;
constexpr unsigned rom_size = 65536, reset_vector = 0xfff0;

// Sixteen bytes at the reset vector. Some KVMs have no help from the processor and emulate what
// they can: arithmetic of the x87 is what they cannot, and every processor can.
std::string probe_rom() {
  constexpr unsigned char code[] = {
      0xdb, 0xe3,             // fninit
      0xd9, 0xeb,             // fldpi
      0xd9, 0xfa,             // fsqrt
      0xba, 0x01,      0x05,  // mov $0x501, %dx
      0xb0, good_word,        // mov $good_word, %al
      0xee,                   // out %al, (%dx)
      0xf4,                   // hlt
      0xeb, 0xfd,             // jmp to the hlt
  };
  std::string rom(rom_size, '\xf4');
  std::copy(std::begin(code), std::end(code), rom.begin() + reset_vector);
  return rom;
}

// The word comes back in QEMU's exit status, doubled, plus one.
bool probe() {
  if (access("/dev/kvm", R_OK | W_OK) != 0) return false;
  fs::path const rom = "build/guest/kvm-probe.rom";
  write_file(rom, probe_rom());
  auto const result = capture({.argv = {"timeout",
                                        "-k",
                                        "1",
                                        "3",
                                        "qemu-system-x86_64",
                                        "-accel",
                                        "kvm",
                                        "-M",
                                        "pc",
                                        "-m",
                                        "16",
                                        "-nodefaults",
                                        "-display",
                                        "none",
                                        "-no-reboot",
                                        "-net",
                                        "none",
                                        "-bios",
                                        rom.string(),
                                        "-device",
                                        "isa-debug-exit,iobase=0x501,iosize=1"}});
  return result.status == (good_word << 1 | 1);
}

}  // namespace

bool kvm_works() {
  FileLock const lock("build/lock/kvm");
  fs::path const verdict = "build/guest/kvm-verdict";
  auto const boot = try_read_file("/proc/sys/kernel/random/boot_id").value_or("");
  auto const good = boot + "works\n", bad = boot + "does not work\n";
  auto const known = try_read_file(verdict);
  if (known == good) return true;
  if (known == bad) return false;
  bool const works = probe();
  write_file(verdict, works ? good : bad);
  return works;
}

std::int64_t tsc_khz() {
  using Clock = std::chrono::steady_clock;
  constexpr auto span = std::chrono::milliseconds(20);
  auto const start = Clock::now();
  auto const first = __rdtsc();
  auto now = start;
  while (now - start < span) now = Clock::now();
  auto const ticks = static_cast<std::int64_t>(__rdtsc() - first);
  return ticks * 1'000'000 / std::chrono::nanoseconds(now - start).count();
}

}  // namespace auk
