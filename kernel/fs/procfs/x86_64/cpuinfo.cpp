// /proc/cpuinfo: see proc_cpuinfo(5).
//
// All CPUs are taken to be of one kind: what CPUID says on the one that runs is said of each, but
// for its number. Features that programs could not use, since the kernel does not enable them, are
// not listed; nor are Linux's own notes on what it works around.
// Source: Intel SDM volume 2, CPUID; AMD64 Architecture Programmer's Manual volume 3, appendix E.
#include <algorithm>

#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "fs/procfs/node.hpp"
#include "irq/irq.hpp"
#include "machine/isa/topology.hpp"
#include "machine/isa/x86.hpp"

namespace auk::fs::procfs {
namespace {

namespace x86 = machine::x86;

constexpr u32 extended = 0x80000000;

using x86::leaf;

/// The bits of one register, in the order in which Linux lists registers. Names are separated by
/// spaces; "-" is a bit without a name, or one that is not shown.
struct FeatureWord {
  u32 leaf, sub;
  u32 x86::CpuidRegs::* which;
  std::string_view names;
};
constexpr std::array<FeatureWord, 8> words_before{{
    {1, 0, &x86::CpuidRegs::d,
     "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts "
     "acpi mmx fxsr sse sse2 ss ht tm ia64 pbe"},
    {extended + 1, 0, &x86::CpuidRegs::d,
     "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm "
     "3dnowext 3dnow"},
    {extended + 7, 0, &x86::CpuidRegs::d, "- - - - - - - - constant_tsc"},
    {1, 0, &x86::CpuidRegs::d, "nopl"},
    {extended + 7, 0, &x86::CpuidRegs::d, "- - - - - - - - nonstop_tsc"},
    {1, 0, &x86::CpuidRegs::d, "cpuid"},
    {1, 0, &x86::CpuidRegs::c,
     "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid "
     "dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand "
     "hypervisor"},
    {extended + 1, 0, &x86::CpuidRegs::c,
     "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop "
     "skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc "
     "perfctr_llc mwaitx"},
}};
constexpr std::array<FeatureWord, 7> words_behind{{
    {7, 0, &x86::CpuidRegs::b,
     "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - - rdt_a avx512f "
     "avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd "
     "sha_ni avx512bw avx512vl"},
    {0xd, 1, &x86::CpuidRegs::a, "xsaveopt xsavec xgetbv1 xsaves"},
    {7, 1, &x86::CpuidRegs::a, "- - - - avx_vnni avx512_bf16 - - - - fzrm fsrs fsrc"},
    {extended + 8, 0, &x86::CpuidRegs::b, "clzero irperf xsaveerptr - rdpru - - - - wbnoinvd"},
    {6, 0, &x86::CpuidRegs::a, "dtherm ida arat - pln - pts"},
    {7, 0, &x86::CpuidRegs::c,
     "- avx512vbmi umip - - waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni avx512_bitalg "
     "- avx512_vpopcntdq - - - - - - - rdpid - - cldemote - movdiri movdir64b"},
    {7, 0, &x86::CpuidRegs::d,
     "- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize - "
     "tsxldtrk - - - - - - avx512_fp16 - - - - flush_l1d arch_capabilities"},
}};

void put_features(mem::Text& out, std::span<const FeatureWord> words) {
  for (const FeatureWord& w : words) {
    u32 bits = leaf(w.leaf, w.sub).*w.which;
    for (std::string_view names = w.names; !names.empty(); bits >>= 1) {
      const std::string_view name = names.substr(0, std::min(names.find(' '), names.size()));
      names.remove_prefix(std::min(name.size() + 1, names.size()));
      if ((bits & 1) == 0 || name == "-") continue;
      out.put(' ');
      out.put(name);
    }
  }
}

/// Of the last level, in KiB.
u32 cache_kib() {
  u64 last = 0;
  for (u32 i = 0; const std::optional<machine::CpuCache> c = machine::cache(i); ++i)
    last = c->size();
  return static_cast<u32>(last / kib);
}

void put_text(std::span<char> to, usize at, u32 v) {
  for (usize i = 0; i < 4; ++i) to[at + i] = static_cast<char>(v >> (8 * i));
}

class CpuinfoNode final : public TextNode {
  static void put_kind(mem::Text& out) {
    std::array<char, 12> vendor;
    const auto zero = leaf(0);
    put_text(vendor, 0, zero.b);
    put_text(vendor, 4, zero.d);
    put_text(vendor, 8, zero.c);
    std::array<char, 49> brand{};
    for (u32 i = 0; i < 3; ++i) {
      const auto l = leaf(extended + 2 + i);
      const usize at = usize{16} * i;
      put_text(brand, at, l.a);
      put_text(brand, at + 4, l.b);
      put_text(brand, at + 8, l.c);
      put_text(brand, at + 12, l.d);
    }
    std::string_view name = brand.data();
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    const u32 signature = leaf(1).a;
    constexpr u32 longest_family = 15, first_with_long_model = 6;
    u32 family = signature >> 8 & 15, model = signature >> 4 & 15;
    if (family == longest_family) family += signature >> 20 & 0xff;
    if (family >= first_with_long_model) model += (signature >> 16 & 15) << 4;
    out.print(
        "vendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: {}\nstepping\t: {}\n",
        std::string_view(vendor.data(), vendor.size()), family, model,
        name.empty() ? std::string_view("unknown") : name, signature & 15);
  }
  static void put_place(mem::Text& out, u32 cpu) {
    const machine::Topology t = machine::topology();
    const u32 apic = irq::address_of(CpuId(cpu));
    u32 siblings = 0, cores = 0;
    for (u32 i = 0; i < core::possible_cpus; ++i) {
      const u32 other = irq::address_of(CpuId(i));
      if (t.package(other) != t.package(apic)) continue;
      ++siblings;
      // The first thread of each core counts.
      bool is_first = true;
      for (u32 k = 0; k < i; ++k) {
        const u32 earlier = irq::address_of(CpuId(k));
        if (t.is_same_core(earlier, other)) is_first = false;
      }
      cores += is_first ? 1 : 0;
    }
    out.print("physical id\t: {}\nsiblings\t: {}\ncore id\t\t: {}\ncpu cores\t: {}\n",
              t.package(apic), siblings, t.core(apic), cores);
    out.print("apicid\t\t: {}\ninitial apicid\t: {}\n", apic, apic);
  }
  Result<bool> write_record(const Subject&, u64& key, mem::Text& out) const override {
    while (key < core::possible_cpus && !core::online_cpus.has(CpuId(static_cast<u32>(key)))) ++key;
    if (key >= core::possible_cpus) return false;
    const auto cpu = static_cast<u32>(key++);
    const u64 khz = core::clock_rate.cycles_per_ms;
    out.print("processor\t: {}\n", cpu);
    put_kind(out);
    out.print("cpu MHz\t\t: {}.{:03}\n", khz / 1000, khz % 1000);
    if (const u32 cache = cache_kib(); cache != 0) out.print("cache size\t: {} KB\n", cache);
    put_place(out, cpu);
    out.print("fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: {}\nwp\t\t: yes\nflags\t\t:",
              leaf(0).a);
    put_features(out, words_before);
    put_features(out, words_behind);
    // Two loops a cycle, as Linux has it where the counter is the clock.
    out.print("\nbogomips\t: {}.{:02}\n", khz / 500, khz / 5 % 100);
    const u32 line = (leaf(1).b >> 8 & 0xff) * 8;
    const u32 sizes = leaf(extended + 8).a;
    out.print("clflush size\t: {}\ncache_alignment\t: {}\n", line, line);
    out.print("address sizes\t: {} bits physical, {} bits virtual\npower management:\n\n",
              sizes & 0xff, sizes >> 8 & 0xff);
    return true;
  }

 public:
  constexpr CpuinfoNode() : TextNode("cpuinfo", 0444) {}
};
constexpr CpuinfoNode cpuinfo;

}  // namespace

constinit const Node* const cpuinfo_node = &cpuinfo;

}  // namespace auk::fs::procfs
