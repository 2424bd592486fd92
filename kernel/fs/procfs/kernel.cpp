// What /proc says of the kernel itself.
#include "core/cpu_mask.hpp"
#include "core/param.hpp"
#include "core/version.hpp"
#include "fs/procfs/node.hpp"
#include "vfs/device.hpp"

namespace auk::fs::procfs {
namespace {

constexpr KernelText<[](mem::Text& out) {
  out.put(core::command_line());
  out.put('\n');
}>
    cmdline("cmdline");

constexpr KernelText<[](mem::Text& out) {
  // None of them lives on a block device.
  for (const auto* f = vfs::next_file_system(nullptr); f != nullptr; f = vfs::next_file_system(f))
    out.print("{}\t{}\n", f->is_on_disk() ? "" : "nodev", f->name());
}>
    filesystems("filesystems");

constexpr KernelText<[](mem::Text& out) {
  out.put("Character devices:\n");
  for (const auto* d = vfs::next_char_driver(nullptr); d != nullptr; d = vfs::next_char_driver(d))
    out.print("{:3} {}\n", d->major_number(), d->name());
  out.put("\nBlock devices:\n");
}>
    devices("devices");

constexpr KernelText<[](mem::Text& out) {
  out.put("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}>
    swaps("swaps");

class Locks final : public ShortText {
  Result<void> write(const Subject& s, mem::Text& out) const override {
    io::show_locks(*s.space, out);
    return {};
  }

 public:
  constexpr Locks() : ShortText("locks", 0444) {}
};
constexpr Locks locks;

void put_seconds(mem::Text& out, u64 ns) {
  constexpr u64 second = 1'000'000'000, hundredth = 10'000'000;
  out.print("{}.{:02}", ns / second, ns % second / hundredth);
}

constexpr KernelText<[](mem::Text& out) {
  u64 idle_ns = 0;
  core::online_cpus.each([&](CpuId c) { idle_ns += sched::idle_time_ns(c); });
  put_seconds(out, core::clock_ns());
  out.put(' ');
  put_seconds(out, idle_ns);
  out.put('\n');
}>
    uptime("uptime");

constexpr KernelText<[](mem::Text& out) {
  out.print("Linux version {} (auk) (clang " __clang_version__ ") {}\n", core::release,
            core::version);
}>
    version("version");

}  // namespace

constinit const Node* const devices_node = &devices;
constinit const Node* const filesystems_node = &filesystems;
constinit const Node* const kernel_cmdline_node = &cmdline;
constinit const Node* const locks_node = &locks;
constinit const Node* const swaps_node = &swaps;
constinit const Node* const uptime_node = &uptime;
constinit const Node* const version_node = &version;

}  // namespace auk::fs::procfs
