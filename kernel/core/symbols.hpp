// Names for addresses of the image, and the image's identity.
//
// Data model: a table made by the build: for each function its distance from the start of the text
// and its short name (namespace and function, no parameters), sorted by address.
// Context: any, NMI included.
#pragma once
#include <array>
#include <string_view>

#include "base/fmt.hpp"
#include "base/types.hpp"

namespace auk::core {

struct Symbol {
  std::string_view name;
  u64 offset = 0;  ///< into the function
  u64 size = 0;    ///< distance to the next function
};

bool is_kernel_text(uptr address);
/// Empty name when the address is not in the text.
Symbol find_symbol(uptr address);
/// `name+0x12/0x40`, as Linux prints it.
void write_symbol(Writer& out, uptr address);
/// Hex digits of the linker's build-id.
std::string_view build_id(std::span<char> buffer);
/// The ELF note that holds it.
std::string_view build_note();

}  // namespace auk::core
