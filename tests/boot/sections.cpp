// A plugin of QEMU's translator: how many instructions a CPU runs with interrupts off, and how many
// with preemption off.
//
// The kernel needs no hooks for it: interrupts change by `cli`, `sti`, `hlt`, `syscall`, `sysret`,
// `iretq` and by entering a stub; preemption by adding to the CPU's counter at %gs:preempt_count. A
// section is what lies between; its length is in instructions, and 32 bytes of a repeated string
// instruction count as one. What an interrupt takes inside a section belongs to it. A block that a
// fault leaves early is counted whole.
// A program must never run with either of them off: `violations` counts the times one did, so an
// instruction that this plugin failed to recognise does not go unseen.
//
// Arguments: out=FILE, preempt=ADDRESS and stubs=ADDRESS (hexadecimal, of the image that runs,
// which must not be moved: nokaslr). The file gets a line per pair of begin and end:
//   irqs|preempt boot|programs LENGTH TIMES BEGIN END
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <tuple>

// --- QEMU's interface, version 1; Debian ships no header -----------------------------------------
struct qemu_plugin_tb;
struct qemu_plugin_insn;
using PluginId = std::uint64_t;
enum Registers : int { no_registers = 0 };
extern "C" {
void qemu_plugin_register_vcpu_tb_trans_cb(PluginId, void (*)(PluginId, qemu_plugin_tb*));
std::size_t qemu_plugin_tb_n_insns(qemu_plugin_tb const*);
qemu_plugin_insn* qemu_plugin_tb_get_insn(qemu_plugin_tb const*, std::size_t);
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb*, void (*)(unsigned, void*), Registers,
                                          void*);
void const* qemu_plugin_insn_data(qemu_plugin_insn const*);
std::size_t qemu_plugin_insn_size(qemu_plugin_insn const*);
std::uint64_t qemu_plugin_insn_vaddr(qemu_plugin_insn const*);
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn*, void (*)(unsigned, void*), Registers,
                                            void*);
void qemu_plugin_register_atexit_cb(PluginId, void (*)(PluginId, void*), void*);
[[gnu::visibility("default")]] extern int qemu_plugin_version;
int qemu_plugin_version = 1;
struct PluginInfo;
[[gnu::visibility("default")]] int qemu_plugin_install(PluginId, PluginInfo const*, int, char**);
}

namespace {

using Address = std::uint64_t;

enum Kind : std::uint8_t { irqs, preempt, kinds };
constexpr std::array kind_names{"irqs", "preempt"};

struct Longest {
  std::uint64_t length = 0, times = 0;
};

struct Cpu {
  std::uint64_t instructions = 0, repeated_bytes = 0;
  bool irqs_on = false;
  bool irqs_known = false;    // since they were first enabled
  unsigned traps_inside = 0;  // exceptions and NMIs that came while interrupts were off
  std::int64_t preempt_count = 0;
  struct {
    std::uint64_t at = 0;
    Address from = 0;
    bool open = false;
  } section[kinds];
  std::map<std::tuple<Kind, bool, Address, Address>, Longest> found;

  [[nodiscard]] std::uint64_t now(std::size_t still_to_run = 0) const {
    constexpr std::uint64_t bytes_per_instruction = 32;
    return instructions - still_to_run + repeated_bytes / bytes_per_instruction;
  }
};

constexpr std::size_t most_cpus = 64;
// Never destroyed: the report is written when this library is about to go.
auto& cpus = *new std::array<Cpu, most_cpus>;
std::FILE* out = nullptr;
Address preempt_address = 0, stubs_address = 0;
std::uint64_t violations = 0, user_blocks = 0;
bool programs_run = false;

void begin(Cpu& cpu, Kind kind, Address from, std::size_t still_to_run) {
  cpu.section[kind] = {cpu.now(still_to_run), from, true};
}

void end(Cpu& cpu, Kind kind, Address to, std::size_t still_to_run) {
  auto& section = cpu.section[kind];
  if (!section.open) return;
  section.open = false;
  std::uint64_t const length = cpu.now(still_to_run) - section.at;
  Longest& longest = cpu.found[{kind, programs_run, section.from, to}];
  if (longest.length < length) longest.length = length;
  ++longest.times;
}

void irqs_off(Cpu& cpu, Address at, std::size_t still_to_run) {
  if (!cpu.irqs_on) return;
  cpu.irqs_on = false;
  begin(cpu, irqs, at, still_to_run);
}

void irqs_on(Cpu& cpu, Address at, std::size_t still_to_run) {
  if (!cpu.irqs_on) end(cpu, irqs, at, still_to_run);
  cpu.irqs_on = true;
  cpu.irqs_known = true;
}

// --- what is recognised ------------------------------------------------------------------------
enum class Event : std::uint8_t { none, cli, sti, hlt, to_kernel, to_user, iret, count, repeat };

struct Special {
  Event event = Event::none;
  std::int8_t amount = 0;          // of a count, or bytes of one repetition
  std::uint16_t still_to_run = 0;  // instructions of its block behind it
  Address at = 0;
};

struct Block {
  std::size_t size = 0;
  Address at = 0;
};

bool is_kernel(Address a) { return (a >> 63) != 0; }

// addl $n, incl, decl of %gs:preempt_count(%rip)
bool counts_preemption(std::uint8_t const* p, std::size_t size, Address at, std::int8_t& amount) {
  constexpr std::uint8_t gs = 0x65, immediate = 0x83, inc_dec = 0xff;
  if (size < 7 || p[0] != gs || (p[1] != immediate && p[1] != inc_dec)) return false;
  std::uint8_t const mod_rm = p[2] & 0xc7, operation = (p[2] >> 3) & 7;
  std::int32_t distance = 0;
  std::memcpy(&distance, p + 3, sizeof distance);
  if (mod_rm != 0x05 || at + size + static_cast<Address>(std::int64_t{distance}) != preempt_address)
    return false;
  if (p[1] == immediate && operation == 0)
    amount = static_cast<std::int8_t>(p[7]);
  else if (p[1] == immediate && operation == 5)
    amount = static_cast<std::int8_t>(-p[7]);
  else if (p[1] == inc_dec && operation < 2)
    amount = operation == 0 ? 1 : -1;
  else
    return false;
  return true;
}

// Bytes of one repetition, or 0.
std::int8_t repeated(std::uint8_t const* p, std::size_t size) {
  bool is_repeated = false, is_wide = false, is_short = false;
  std::size_t i = 0;
  for (; i < size; ++i) {
    if (p[i] == 0xf2 || p[i] == 0xf3)
      is_repeated = true;
    else if (p[i] == 0x66)
      is_short = true;
    else if ((p[i] & 0xf0) == 0x40)
      is_wide = (p[i] & 8) != 0;
    else if (p[i] != 0x67 && p[i] != 0x65)
      break;
  }
  if (!is_repeated || i == size) return 0;
  bool const is_string = (p[i] >= 0xa4 && p[i] <= 0xa7) || (p[i] >= 0xaa && p[i] <= 0xaf);
  if (!is_string) return 0;
  if ((p[i] & 1) == 0) return 1;
  if (is_wide) return 8;
  return is_short ? 2 : 4;
}

Special recognise(std::uint8_t const* p, std::size_t size, Address at) {
  if (!is_kernel(at)) {
    if (size == 2 && p[0] == 0x0f && p[1] == 0x05) return {.event = Event::to_kernel, .at = at};
    return {};
  }
  if (size == 1 && p[0] == 0xfa) return {.event = Event::cli, .at = at};
  if (size == 1 && p[0] == 0xfb) return {.event = Event::sti, .at = at};
  if (size == 1 && p[0] == 0xf4) return {.event = Event::hlt, .at = at};
  if (size == 2 && p[0] == 0x48 && p[1] == 0xcf) return {.event = Event::iret, .at = at};
  if (size == 3 && p[0] == 0x48 && p[1] == 0x0f && p[2] == 0x07)
    return {.event = Event::to_user, .at = at};
  std::int8_t amount = 0;
  if (counts_preemption(p, size, at, amount))
    return {.event = Event::count, .amount = amount, .at = at};
  if ((amount = repeated(p, size)) != 0)
    return {.event = Event::repeat, .amount = amount, .at = at};
  return {};
}

// --- while it runs -----------------------------------------------------------------------------
void change_count(Cpu& cpu, Special const& s) {
  std::int64_t const before = cpu.preempt_count;
  cpu.preempt_count += s.amount;
  if (before <= 0 && cpu.preempt_count > 0) begin(cpu, preempt, s.at, s.still_to_run);
  if (before > 0 && cpu.preempt_count <= 0) end(cpu, preempt, s.at, s.still_to_run);
}

void on_special(unsigned number, void* data) {
  auto const& s = *static_cast<Special const*>(data);
  Cpu& cpu = cpus[number];
  switch (s.event) {
    case Event::none: break;
    case Event::cli:
    case Event::to_kernel: irqs_off(cpu, s.at, s.still_to_run); break;
    case Event::sti:
    case Event::to_user: irqs_on(cpu, s.at, s.still_to_run); break;
    case Event::hlt:
      // Sleep ends what an idle CPU has open.
      if (cpu.preempt_count > 0) begin(cpu, preempt, s.at, s.still_to_run);
      break;
    case Event::iret:
      if (cpu.traps_inside > 0)
        --cpu.traps_inside;
      else
        irqs_on(cpu, s.at, s.still_to_run);
      break;
    case Event::count: change_count(cpu, s); break;
    case Event::repeat:
      --cpu.instructions;
      cpu.repeated_bytes += static_cast<std::uint64_t>(s.amount);
      break;
  }
}

void on_block(unsigned number, void* data) {
  auto const& b = *static_cast<Block const*>(data);
  Cpu& cpu = cpus[number];
  if (!is_kernel(b.at) && cpu.irqs_known) {
    programs_run = true;
    ++user_blocks;
    if (!cpu.irqs_on || cpu.preempt_count != 0) ++violations;
  }
  constexpr Address stub_size = 16, stubs = 256;
  if (b.at - stubs_address < stub_size * stubs && (b.at - stubs_address) % stub_size == 0) {
    if (cpu.irqs_on)
      irqs_off(cpu, b.at, 0);
    else
      ++cpu.traps_inside;
  }
  cpu.instructions += b.size;
}

void on_translation(PluginId, qemu_plugin_tb* tb) {
  // QEMU keeps the pointers as long as it runs.
  std::size_t const size = qemu_plugin_tb_n_insns(tb);
  auto* const block =
      new Block{.size = size, .at = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0))};
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, no_registers, block);
  for (std::size_t i = 0; i < size; ++i) {
    auto* const insn = qemu_plugin_tb_get_insn(tb, i);
    Special found = recognise(static_cast<std::uint8_t const*>(qemu_plugin_insn_data(insn)),
                              qemu_plugin_insn_size(insn), qemu_plugin_insn_vaddr(insn));
    if (found.event == Event::none) continue;
    found.still_to_run = static_cast<std::uint16_t>(size - i - 1);
    qemu_plugin_register_vcpu_insn_exec_cb(insn, on_special, no_registers, new Special(found));
  }
}

void on_end(PluginId, void*) {
  std::fprintf(out, "violations %lu of %lu\n", violations, user_blocks);
  for (Cpu const& cpu : cpus) {
    for (auto const& [key, longest] : cpu.found) {
      auto const& [kind, by_programs, from, to] = key;
      std::fprintf(out, "%s %s %lu %lu %lx %lx\n", kind_names[kind],
                   by_programs ? "programs" : "boot", longest.length, longest.times, from, to);
    }
  }
  std::fclose(out);
}

}  // namespace

int qemu_plugin_install(PluginId id, PluginInfo const*, int count, char** words) {
  for (int i = 0; i < count; ++i) {
    std::string_view const word = words[i];
    char const* const value = std::strchr(words[i], '=') + 1;
    if (word.starts_with("out=")) out = std::fopen(value, "w");
    if (word.starts_with("preempt=")) preempt_address = std::strtoull(value, nullptr, 16);
    if (word.starts_with("stubs=")) stubs_address = std::strtoull(value, nullptr, 16);
  }
  if (out == nullptr || preempt_address == 0 || stubs_address == 0) return -1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_atexit_cb(id, on_end, nullptr);
  return 0;
}
