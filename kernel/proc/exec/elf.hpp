// ELF images as bytes: what their headers say, checked. See elf(5).
//
// Purpose: pure functions over spans, so that any bytes can be given to them. Data model: none.
// Context: any. Errors: ENOEXEC for what is no program of this machine.
// Differences from Linux: none that a program sees.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "uapi/elf.hpp"

namespace auk::proc::elf {

using Header = uapi::elf64_ehdr;
using Segment = uapi::elf64_phdr;

/// Linux takes as many program headers as 64 KiB hold.
inline constexpr usize max_segments = 65536 / sizeof(Segment);
/// The longest name of an interpreter, with its zero: Linux's PATH_MAX.
inline constexpr usize max_interpreter = 4096;

/// The header of an executable for `machine`, from the first bytes of a file.
Result<Header> parse_header(std::span<const byte> bytes, u16 machine);
inline bool is_position_independent(const Header& h) { return h.e_type == 3; }

/// What the load segments cover, and what the base must be a multiple of.
struct Extent {
  u64 low, high;  ///< page bounds, without a bias
  u64 alignment;
  u64 size() const { return high - low; }
};
Result<Extent> extent_of(std::span<const Segment> segments);

/// One load segment in pages, without a bias.
struct Placement {
  u64 start;
  u64 in_file, in_memory;  ///< bytes, whole pages
  u64 file_page;
};
Result<Placement> place(const Segment& s);
/// Where in memory the bytes of the last page behind the file's start; 0 if nothing is to be
/// cleared.
u64 tail_of(const Segment& s);

/// The address of the program headers in memory without a bias, if a segment holds them.
std::optional<u64> headers_address(const Header& h, std::span<const Segment> segments);
/// PT_GNU_STACK asks for a stack that can be executed.
bool wants_executable_stack(std::span<const Segment> segments);
/// The first PT_INTERP; null without one.
const Segment* interpreter_of(std::span<const Segment> segments);
/// The name in the bytes of that segment. ENOEXEC without the zero at its end.
Result<std::string_view> interpreter_name(std::span<const char> bytes);

}  // namespace auk::proc::elf
