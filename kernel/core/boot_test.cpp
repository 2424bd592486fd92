#include "core/boot_test.hpp"

#include <algorithm>
#include <span>

#include "base/text.hpp"
#include "core/param.hpp"

extern "C" const auk::core::BootTest __ld_boot_test[], __ld_boot_test_end[];

namespace auk::core {
namespace {

constinit BootTestRequest request;

bool set_test(std::string_view v) {
  request.name = v.substr(0, v.find(':'));
  for (usize colon = v.find(':'); colon != std::string_view::npos;) {
    v.remove_prefix(colon + 1);
    colon = v.find(':');
    const std::string_view word = v.substr(0, colon);
    if (word == "early")
      request.early = true;
    else if (const auto cpu = parse_u64(word))
      request.cpu = CpuId(static_cast<u32>(*cpu));
    else
      return false;
  }
  return true;
}
PARAM("auk.test", set_test);

}  // namespace

BootTestRequest boot_test_request() { return request; }

const BootTest* find_boot_test(std::string_view name) {
  const std::span<const BootTest> rows(__ld_boot_test, __ld_boot_test_end);
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const BootTest& t) { return t.name == name; });
  return row == rows.end() ? nullptr : &*row;
}

}  // namespace auk::core
