// Executables: any bytes are refused, or describe segments inside the user half.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "core/user.hpp"
#include "memory.hpp"
#include "proc/exec/elf.hpp"

using namespace auk;
namespace elf = proc::elf;

namespace {

constexpr u16 this_machine = 62;

void require(bool good) {
  if (!good) std::abort();
}

void check_segments(const elf::Header& h, std::span<const elf::Segment> segments) {
  (void)elf::wants_executable_stack(segments);
  const elf::Segment* const interpreter = elf::interpreter_of(segments);
  require(interpreter == nullptr || interpreter->p_type == 3);
  Result<elf::Extent> extent = elf::extent_of(segments);
  if (!extent.ok()) return;
  require(extent->low < extent->high && extent->low % page_size == 0);
  require(core::is_user_range(UserAddr(extent->low), extent->size()));
  require(extent->alignment >= page_size);
  for (const elf::Segment& s : segments) {
    if (s.p_type != 1) continue;
    Result<elf::Placement> p = elf::place(s);
    require(p.ok());
    require(p->start >= extent->low && p->start + p->in_memory <= extent->high);
    require(p->in_file <= p->in_memory && p->in_file % page_size == 0);
    const u64 tail = elf::tail_of(s);
    // Clearing up to the page's end stays in what the file covers.
    require(tail == 0 || (tail > p->start && tail < p->start + p->in_file));
  }
  if (const auto at = elf::headers_address(h, segments))
    require(*at >= extent->low && *at < extent->high);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  fuzz::Input input(data, size);
  const auto choice = input.number<u8>();
  const auto bytes = input.rest();
  std::vector<byte> file(bytes.begin(), bytes.end());
  // Without this nearly every input would end at the first comparison.
  if ((choice & 1) != 0 && file.size() >= sizeof(elf::Header)) {
    elf::Header h;
    std::memcpy(&h, file.data(), sizeof(h));
    std::memcpy(h.e_ident, "\177ELF\2\1", 6);
    h.e_type = static_cast<u16>(2 + ((choice >> 1) & 1));
    h.e_machine = this_machine;
    h.e_phentsize = sizeof(elf::Segment);
    h.e_phnum = static_cast<u16>(h.e_phnum % 16 + 1);
    std::memcpy(file.data(), &h, sizeof(h));
  }
  Result<elf::Header> header = elf::parse_header(file, this_machine);
  if (!header.ok()) return 0;
  const usize at = sizeof(elf::Header);
  const usize count = std::min<usize>(header->e_phnum, (file.size() - at) / sizeof(elf::Segment));
  const auto segments = std::make_unique<elf::Segment[]>(count);
  if (count > 0) std::memcpy(segments.get(), &file[at], count * sizeof(elf::Segment));
  check_segments(*header, {segments.get(), count});
  const auto text = std::make_unique<char[]>(file.size());
  std::memcpy(text.get(), file.data(), file.size());
  Result<std::string_view> name = elf::interpreter_name({text.get(), file.size()});
  require(!name.ok() || name->size() < file.size());
  return 0;
}
