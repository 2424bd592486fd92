// Which CPUs are threads of one core and cores of one package, and which caches they share.
//
// Data model: said by the address of a CPU, that of its interrupt controller: threads of a core
// differ in its lowest bits, and so on upwards. All CPUs are taken to be of one kind: CPUID is
// asked on the one that runs. Context: any.
// Source: Intel SDM volume 2, CPUID; AMD64 Architecture Programmer's Manual volume 3, appendix E.
#pragma once
#include <optional>

#include "base/types.hpp"

namespace auk::machine {

/// How addresses are put together.
struct Topology {
  u32 thread_bits = 0, package_bits = 0;

  u32 package(u32 address) const { return address >> package_bits; }
  /// Its number within the package.
  u32 core(u32 address) const { return (address & ((u32{1} << package_bits) - 1)) >> thread_bits; }
  bool is_same_core(u32 a, u32 b) const { return a >> thread_bits == b >> thread_bits; }
};
Topology topology();

struct CpuCache {
  enum class Kind : u8 { data = 1, instruction, unified };
  Kind kind;
  u32 level;
  u32 line_size, partitions, ways, sets;  ///< sizes in bytes
  u32 sharing_bits;  ///< CPUs whose addresses differ in these lowest bits only share it
  u32 number_bits;   ///< the other bits tell which one it is
  u64 size() const { return u64{line_size} * partitions * ways * sets; }
};
/// The caches of a CPU, counted from 0.
std::optional<CpuCache> cache(u32 index);

}  // namespace auk::machine
