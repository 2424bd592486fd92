// Tests that run inside a booting kernel: `auk.test=NAME[:early][:CPU]`.
//
// Purpose: prove that the machine says the right thing when something dies. A test is a row in the
// section reg_boot_test; `early` runs it before any console is registered, CPU chooses where.
// Context: a thread on the named CPU. When it has returned or was killed the boot goes on, so what
// an early test said comes out with the first console; a late one is followed by power-off.
#pragma once
#include <string_view>

#include "base/types.hpp"

namespace auk::core {

struct BootTest {
  const char* name;
  void (*run)();
};

struct BootTestRequest {
  std::string_view name;
  bool early = false;
  CpuId cpu;
};
/// What the command line asked for; an empty name if nothing.
BootTestRequest boot_test_request();
/// nullptr when there is no such test.
const BootTest* find_boot_test(std::string_view name);

}  // namespace auk::core

#define AUK_BOOT_TEST_JOIN2(a, b) a##b
#define AUK_BOOT_TEST_JOIN(a, b) AUK_BOOT_TEST_JOIN2(a, b)
#define BOOT_TEST(name, function)                                                                  \
  [[gnu::section("reg_boot_test"), gnu::used]] constinit const ::auk::core::BootTest               \
  AUK_BOOT_TEST_JOIN(boot_test_row_, __LINE__) = {name, function}
