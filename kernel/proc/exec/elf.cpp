#include "proc/exec/elf.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/math.hpp"
#include "core/user.hpp"
#include "generated/uapi/elf.hpp"

namespace auk::proc::elf {

Result<Header> parse_header(std::span<const byte> bytes, u16 machine) {
  Header h;
  if (bytes.size() < sizeof(h)) return Errno::enoexec;
  std::memcpy(&h, bytes.data(), sizeof(h));
  const bool is_elf = h.e_ident[0] == uapi::elfmag0 && h.e_ident[1] == uapi::elfmag1 &&
                      h.e_ident[2] == uapi::elfmag2 && h.e_ident[3] == uapi::elfmag3;
  if (!is_elf || (h.e_type != uapi::et_exec && h.e_type != uapi::et_dyn)) return Errno::enoexec;
  if (h.e_machine != machine || h.e_phentsize != sizeof(Segment)) return Errno::enoexec;
  if (h.e_phnum == 0 || h.e_phnum > max_segments) return Errno::enoexec;
  return h;
}

Result<Extent> extent_of(std::span<const Segment> segments) {
  Extent e{.low = ~u64{0}, .high = 0, .alignment = page_size};
  for (const Segment& s : segments) {
    if (s.p_type != uapi::pt_load) continue;
    const Placement p = TRY(place(s));
    e.low = std::min(e.low, p.start);
    e.high = std::max(e.high, p.start + p.in_memory);
    if (std::has_single_bit(s.p_align) && s.p_align < core::user_end)
      e.alignment = std::max(e.alignment, s.p_align);
  }
  if (e.low >= e.high) return Errno::enoexec;
  return e;
}

Result<Placement> place(const Segment& s) {
  const u64 skip = s.p_vaddr % page_size;
  if (s.p_offset % page_size != skip || s.p_filesz > s.p_memsz) return Errno::enoexec;
  if (!core::is_user_range(UserAddr(s.p_vaddr), s.p_memsz)) return Errno::enoexec;
  if (s.p_offset + s.p_filesz < s.p_offset || s.p_offset + s.p_filesz > u64{INT64_MAX})
    return Errno::enoexec;
  const Placement p{.start = s.p_vaddr - skip,
                    .in_file = s.p_filesz == 0 ? 0 : align_up(s.p_filesz + skip, page_size),
                    .in_memory = align_up(s.p_memsz + skip, page_size),
                    .file_page = s.p_offset / page_size};
  if (!core::is_user_range(UserAddr(p.start), p.in_memory)) return Errno::enoexec;
  return p;
}

u64 tail_of(const Segment& s) {
  if (s.p_memsz <= s.p_filesz || s.p_filesz == 0 || (s.p_flags & uapi::pf_w) == 0) return 0;
  const u64 end = s.p_vaddr + s.p_filesz;
  return end % page_size == 0 ? 0 : end;
}

std::optional<u64> headers_address(const Header& h, std::span<const Segment> segments) {
  for (const Segment& s : segments)
    if (s.p_type == uapi::pt_load && s.p_offset <= h.e_phoff && h.e_phoff - s.p_offset < s.p_filesz)
      return h.e_phoff - s.p_offset + s.p_vaddr;
  return std::nullopt;
}

bool wants_executable_stack(std::span<const Segment> segments) {
  bool wants = false;
  for (const Segment& s : segments)
    if (s.p_type == uapi::pt_gnu_stack) wants = (s.p_flags & uapi::pf_x) != 0;
  return wants;
}

const Segment* interpreter_of(std::span<const Segment> segments) {
  const auto at =
      std::ranges::find_if(segments, [](const Segment& s) { return s.p_type == uapi::pt_interp; });
  return at == segments.end() ? nullptr : &*at;
}

Result<std::string_view> interpreter_name(std::span<const char> bytes) {
  if (bytes.size() < 2 || bytes.back() != '\0') return Errno::enoexec;
  const std::string_view all(bytes.data(), bytes.size());
  return all.substr(0, all.find('\0'));
}

}  // namespace auk::proc::elf
