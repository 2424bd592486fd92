// Command lines: any bytes are some number of words, all of them inside the line.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/text.hpp"
#include "core/param.hpp"

using namespace auk;

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  const auto line = std::make_unique<char[]>(size);
  if (size > 0) std::memcpy(line.get(), data, size);
  const std::string_view all(line.get(), size);
  std::string_view left = all;
  core::ParamWord word;
  for (usize before = left.size(); core::next_param(left, word); before = left.size()) {
    if (left.size() >= before) std::abort();
    if (!word.has_value && !word.value.empty()) std::abort();
    std::string_view rest;
    (void)parse_number(word.value, rest);
    (void)parse_size(word.value, rest);
    (void)parse_i64(word.value);
    if (!core::same_param_name(word.name, word.name)) std::abort();
  }
  return 0;
}
