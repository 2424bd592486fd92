// /sys/devices/system/cpu: the CPUs, how they hang together, and their caches.
// Source: Linux Documentation/ABI/testing/sysfs-devices-system-cpu.
#include "drivers/system/cpus.hpp"
#include "core/config.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "dev/device.hpp"
#include "irq/irq.hpp"
#include "machine/isa/topology.hpp"
#include "mem/set_text.hpp"

namespace auk::drivers::system {
namespace {

using dev::Attribute;
using dev::Object;

/// The CPUs for which `has` is true, as a line.
template <class F> void put_cpus(mem::Text& out, F has) {
  mem::put_list(out, core::possible_cpus, has);
  out.put('\n');
}

// --- all of them ------------------------------------------------------------------------------
void put_possible(const Object&, mem::Text& out) {
  put_cpus(out, [](u32) { return true; });
}
void put_online(const Object&, mem::Text& out) { put_cpus(out, is_online); }
void put_offline(const Object&, mem::Text& out) {
  put_cpus(out, [](u32 cpu) { return !is_online(cpu); });
}
void put_nobody(const Object&, mem::Text& out) { out.put('\n'); }
void put_highest(const Object&, mem::Text& out) { out.print("{}\n", config::max_cpus - 1); }

template <auto show> using OfAll = dev::Shown<Object, show>;
constexpr OfAll<put_possible> possible("possible");
constexpr OfAll<put_possible> present("present");
constexpr OfAll<put_possible> enabled("enabled");
constexpr OfAll<put_online> online("online");
constexpr OfAll<put_offline> offline("offline");
constexpr OfAll<put_nobody> isolated("isolated");
constexpr OfAll<put_highest> kernel_max("kernel_max");
constexpr std::array<const Attribute*, 7> files_of_all{&possible, &present,  &enabled,   &online,
                                                       &offline,  &isolated, &kernel_max};
constinit dev::Subsystem cpus("cpu", dev::Subsystem::Kind::system, files_of_all);

// --- one of them ------------------------------------------------------------------------------
class CpuDevice final : public dev::Device {
  void dispose() override { mem::destroy(this); }

 public:
  CpuDevice() : Device(cpus, {}) {}
  ~CpuDevice() = default;
};

/// A directory that speaks of a CPU: its topology, or one of its caches.
class CpuPart final : public Object {
  void dispose() override { mem::destroy(this); }

 public:
  const u32 cpu, cache_index;
  CpuPart(dev::Attributes files, u32 which, u32 cache)
      : Object(files),
        cpu(which),
        cache_index(cache) {}
  ~CpuPart() = default;
  u32 address() const { return irq::address_of(CpuId(cpu)); }
  machine::CpuCache cache() const {
    return machine::cache(cache_index).value_or(machine::CpuCache{});
  }
};

enum class Form : u8 { mask, list };

/// The CPUs that share something with one: `shares` tells it by their addresses.
template <auto shares, Form form> class SharedFile final : public Attribute {
 public:
  constexpr explicit SharedFile(std::string_view name) : Attribute(name, 0444) {}
  Result<void> show(const Object& o, mem::Text& out) const override {
    const auto& part = static_cast<const CpuPart&>(o);
    const auto has = [&](u32 cpu) {
      return is_online(cpu) && shares(part, irq::address_of(CpuId(cpu)));
    };
    if constexpr (form == Form::mask)
      mem::put_mask(out, core::possible_cpus, has);
    else
      mem::put_list(out, core::possible_cpus, has);
    out.put('\n');
    return {};
  }
};
template <auto show> using OfPart = dev::Shown<CpuPart, show>;

bool shares_core(const CpuPart& p, u32 address) {
  return machine::topology().is_same_core(p.address(), address);
}
bool shares_package(const CpuPart& p, u32 address) {
  const machine::Topology t = machine::topology();
  return t.package(p.address()) == t.package(address);
}
bool shares_cache(const CpuPart& p, u32 address) {
  const u32 bits = p.cache().sharing_bits;
  return p.address() >> bits == address >> bits;
}

constexpr OfPart<[](const CpuPart& p, mem::Text& out) {
  out.print("{}\n", machine::topology().package(p.address()));
}>
    package_id("physical_package_id");
constexpr OfPart<[](const CpuPart&, mem::Text& out) { out.put("0\n"); }> die_id("die_id");
constexpr OfPart<[](const CpuPart& p, mem::Text& out) {
  out.print("{}\n", machine::topology().core(p.address()));
}>
    core_id("core_id");
constexpr SharedFile<shares_core, Form::mask> thread_siblings("thread_siblings");
constexpr SharedFile<shares_core, Form::list> thread_siblings_list("thread_siblings_list");
constexpr SharedFile<shares_core, Form::mask> core_cpus("core_cpus");
constexpr SharedFile<shares_core, Form::list> core_cpus_list("core_cpus_list");
constexpr SharedFile<shares_package, Form::mask> core_siblings("core_siblings");
constexpr SharedFile<shares_package, Form::list> core_siblings_list("core_siblings_list");
constexpr SharedFile<shares_package, Form::mask> die_cpus("die_cpus");
constexpr SharedFile<shares_package, Form::list> die_cpus_list("die_cpus_list");
constexpr SharedFile<shares_package, Form::mask> package_cpus("package_cpus");
constexpr SharedFile<shares_package, Form::list> package_cpus_list("package_cpus_list");
constexpr std::array<const Attribute*, 13> topology_files{
    &package_id,    &die_id,         &core_id,          &thread_siblings,    &thread_siblings_list,
    &core_cpus,     &core_cpus_list, &core_siblings,    &core_siblings_list, &die_cpus,
    &die_cpus_list, &package_cpus,   &package_cpus_list};

constexpr OfPart<[](const CpuPart& p, mem::Text& out) { out.print("{}\n", p.cache().level); }>
    level("level");
constexpr OfPart<[](const CpuPart& p, mem::Text& out) {
  switch (p.cache().kind) {
    case machine::CpuCache::Kind::data: return out.put("Data\n");
    case machine::CpuCache::Kind::instruction: return out.put("Instruction\n");
    case machine::CpuCache::Kind::unified: return out.put("Unified\n");
  }
}>
    type("type");
constexpr OfPart<[](const CpuPart& p, mem::Text& out) {
  out.print("{}K\n", p.cache().size() / kib);
}>
    size("size");
constexpr OfPart<[](const CpuPart& p, mem::Text& out) { out.print("{}\n", p.cache().line_size); }>
    line_size("coherency_line_size");
constexpr OfPart<[](const CpuPart& p, mem::Text& out) { out.print("{}\n", p.cache().partitions); }>
    partitions("physical_line_partition");
constexpr OfPart<[](const CpuPart& p, mem::Text& out) { out.print("{}\n", p.cache().ways); }>
    ways("ways_of_associativity");
constexpr OfPart<[](const CpuPart& p, mem::Text& out) { out.print("{}\n", p.cache().sets); }>
    sets("number_of_sets");
constexpr OfPart<[](const CpuPart& p, mem::Text& out) {
  out.print("{}\n", p.address() >> p.cache().number_bits);
}>
    cache_id("id");
constexpr SharedFile<shares_cache, Form::mask> shared_map("shared_cpu_map");
constexpr SharedFile<shares_cache, Form::list> shared_list("shared_cpu_list");
constexpr std::array<const Attribute*, 10> cache_files{&level,      &type,       &size, &line_size,
                                                       &partitions, &ways,       &sets, &cache_id,
                                                       &shared_map, &shared_list};

Result<void> add_part(Object& at, std::string_view name, dev::Attributes files, u32 cpu,
                      u32 cache) {
  return at.add(name, *TRY(mem::make_ref<CpuPart>(ALLOC_SITE, files, cpu, cache)));
}

Result<void> add_cpu(u32 cpu) {
  std::array<char, 16> memory;
  Writer name(memory);
  format_to(name, "cpu{}", cpu);
  const Ref<CpuDevice> d = TRY(mem::make_ref<CpuDevice>(ALLOC_SITE));
  TRY(d->attach(name.text()));
  TRY(add_part(*d, "topology", topology_files, cpu, 0));
  if (!machine::cache(0)) return {};
  Object* const caches = dev::add_place(d.get(), "cache");
  if (caches == nullptr) return Errno::enomem;
  for (u32 i = 0; machine::cache(i); ++i) {
    Writer index(memory);
    format_to(index, "index{}", i);
    TRY(add_part(*caches, index.text(), cache_files, cpu, i));
  }
  return {};
}

void setup() {
  cpus.setup();
  for (u32 cpu = 0; cpu < core::possible_cpus; ++cpu)
    if (const Result<void> r = add_cpu(cpu); !r.ok())
      core::log_err("cpus: CPU{} is not in /sys: {}", cpu, r.error());
}
INIT_TASK(cpu_devices, "devices", "cpu_devices", setup);

}  // namespace

dev::Object* cpus_place() { return cpus.system_place(); }

}  // namespace auk::drivers::system
