// /sys/devices/system/node: all memory is one node, and all CPUs are near it.
// Source: Linux Documentation/ABI/stable/sysfs-devices-node, admin-guide/mm/numaperf.rst.
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "dev/device.hpp"
#include "drivers/system/cpus.hpp"
#include "mem/figures.hpp"
#include "mem/set_text.hpp"

namespace auk::drivers::system {
namespace {

using dev::Attribute;
using dev::Object;
template <auto show> using Shown = dev::Shown<Object, show>;

void put_node(const Object&, mem::Text& out) { out.put("0\n"); }

constexpr Shown<put_node> possible("possible");
constexpr Shown<put_node> online("online");
constexpr Shown<put_node> has_cpu("has_cpu");
constexpr Shown<put_node> has_memory("has_memory");
constexpr Shown<put_node> has_normal_memory("has_normal_memory");
constexpr std::array<const Attribute*, 5> files_of_all{&possible, &online, &has_cpu, &has_memory,
                                                       &has_normal_memory};
constinit dev::Subsystem nodes("node", dev::Subsystem::Kind::system, files_of_all);

constexpr Shown<[](const Object&, mem::Text& out) {
  mem::put_list(out, core::possible_cpus, is_online);
  out.put('\n');
}>
    cpu_list("cpulist");
constexpr Shown<[](const Object&, mem::Text& out) {
  mem::put_mask(out, core::possible_cpus, is_online);
  out.put('\n');
}>
    cpu_map("cpumap");
// A node to itself, as ACPI's table has it.
constexpr Shown<[](const Object&, mem::Text& out) { out.put("10\n"); }> distance("distance");
constexpr Shown<[](const Object&, mem::Text& out) {
  const mem::Figures m = mem::gather_figures();
  const auto put = [&out](std::string_view name, u64 pages) {
    out.print("Node 0 {:16}{:8} kB\n", name, pages * (page_size / kib));
  };
  put("MemTotal:", m.managed);
  put("MemFree:", m.free);
  put("MemUsed:", m.managed - m.free);
  put("SwapCached:", 0);
  put("Dirty:", 0);
  put("Writeback:", 0);
  put("FilePages:", m.of_objects);
  put("AnonPages:", m.anonymous);
  put("Shmem:", m.of_objects);
  put("Slab:", m.slabs);
  put("SReclaimable:", 0);
  put("SUnreclaim:", m.slabs);
}>
    meminfo("meminfo");
constexpr std::array<const Attribute*, 4> node_files{&cpu_list, &cpu_map, &distance, &meminfo};

class NodeDevice final : public dev::Device {
  void dispose() override { mem::destroy(this); }

 public:
  NodeDevice() : Device(nodes, node_files) {}
  ~NodeDevice() = default;
};

Result<void> add_node() {
  const Ref<NodeDevice> node = TRY(mem::make_ref<NodeDevice>(ALLOC_SITE));
  TRY(node->attach("node0"));
  Object* const cpus = cpus_place();
  for (u32 cpu = 0; cpus != nullptr && cpu < core::possible_cpus; ++cpu) {
    std::array<char, 16> memory;
    Writer name(memory);
    format_to(name, "cpu{}", cpu);
    Result<dev::Found> device = cpus->find(name.text());
    if (!device.ok()) continue;
    TRY(node->add_link(name.text(), *(*device).object));
    TRY((*device).object->add_link("node0", *node));
  }
  return {};
}

void setup() {
  nodes.setup();
  if (const Result<void> r = add_node(); !r.ok())
    core::log_err("nodes: not in /sys: {}", r.error());
}
INIT_TASK(node_devices, "cpu_devices", "node_devices", setup);

}  // namespace
}  // namespace auk::drivers::system
