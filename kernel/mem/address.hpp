// Physical to virtual and back: the direct map, and the image.
//
// Data model: all RAM is mapped once, linearly, at `direct_map_base` (random, fixed after boot).
// Context: any. to_virt() is only for RAM; device memory goes through mem::map_device().
#pragma once
#include <span>

#include "base/types.hpp"

namespace auk::mem {

/// The early window until mem::setup_address_space() sets them, once.
extern uptr direct_map_base;
extern u64 direct_map_size;
/// Virtual minus physical address of the image.
extern u64 image_delta;

inline VirtAddr to_virt(PhysAddr pa) { return VirtAddr(pa.value + direct_map_base); }
template <class T> T* to_pointer(PhysAddr pa) {
  return reinterpret_cast<T*>(pa.value + direct_map_base);
}
inline bool is_direct_mapped(VirtAddr va) { return va.value - direct_map_base < direct_map_size; }
/// For direct-map addresses.
inline PhysAddr to_phys(VirtAddr va) { return PhysAddr(va.value - direct_map_base); }
inline PhysAddr to_phys(const void* p) { return to_phys(VirtAddr(reinterpret_cast<uptr>(p))); }
inline std::span<byte> bytes_of(Pfn pfn, usize pages = 1) {
  return {to_pointer<byte>(phys_of(pfn)), pages * page_size};
}

}  // namespace auk::mem
