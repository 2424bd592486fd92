#include "vdso/image.hpp"

extern "C" const auk::byte start_of_vdso[];
extern "C" const auk::byte end_of_vdso[];

namespace auk::vdso {

std::span<const byte> image() {
  return {start_of_vdso, static_cast<usize>(end_of_vdso - start_of_vdso)};
}

}  // namespace auk::vdso
