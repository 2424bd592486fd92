#include "mem/text.hpp"

#include <algorithm>
#include <utility>

#include "mem/slab.hpp"

namespace auk::mem {

Text::~Text() { free(at_); }

bool Text::grow(usize least) {
  constexpr usize smallest = 256;
  usize wanted = std::max(room_ * 2, smallest);
  while (wanted < least) wanted *= 2;
  Result<void*> fresh = allocate(ALLOC_SITE, wanted);
  if (!fresh.ok()) {
    failed_ = true;
    return false;
  }
  auto* const to = static_cast<char*>(fresh.take());
  std::copy_n(at_, used_, to);
  free(std::exchange(at_, to));
  room_ = wanted;
  return true;
}

void Text::put(std::string_view s) {
  if (s.size() > room_ - used_ && !grow(used_ + s.size())) return;
  s.copy(at_ + used_, s.size());
  used_ += s.size();
}

void Text::repeat(char c, usize n) {
  while (n-- > 0) put(c);
}

void Text::vprint(std::string_view format, std::span<const FormatArg> args) {
  // Enough but for padding, so that hardly anything is written twice.
  constexpr usize longest_number = 20;
  usize likely = format.size();
  for (const FormatArg& a : args) likely += std::max(a.text.size(), longest_number);
  if (likely > room_ - used_ && !grow(used_ + likely)) return;
  for (;;) {
    Writer out(std::span(at_ + used_, room_ - used_));
    vformat(out, format, args);
    if (!out.was_cut()) {
      used_ += out.text().size();
      return;
    }
    if (!grow(room_ + 1)) return;
  }
}

void Text::put_escaped(std::string_view s, std::string_view special) {
  for (const char c : s) {
    if (!special.contains(c)) {
      put(c);
      continue;
    }
    const auto v = static_cast<unsigned char>(c);
    const std::array<char, 4> octal{'\\', static_cast<char>('0' + (v >> 6)),
                                    static_cast<char>('0' + (v >> 3 & 7)),
                                    static_cast<char>('0' + (v & 7))};
    put({octal.data(), octal.size()});
  }
}

}  // namespace auk::mem
