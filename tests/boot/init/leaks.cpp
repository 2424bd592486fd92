// Makes children that execute this program and end, as often as the environment's `rounds=` says,
// and switches the machine off.
#include "calls.hpp"

namespace {

const char* value_of(const char* const* environment, const char* name) {
  for (; *environment != nullptr; ++environment) {
    const char* text = *environment;
    const char* want = name;
    while (*want != '\0' && *text == *want) ++text, ++want;
    if (*want == '\0') return text;
  }
  return "";
}

void round() {
  const i64 child = call(fork_call);
  if (child == 0) {
    const char* arguments[] = {"init", "child", nullptr};
    const char* environment[] = {nullptr};
    (void)call(exec_call, number_of("/init"), number_of(arguments), number_of(environment));
    (void)call(exit_call, 1);
  }
  u32 status = 0;
  if (call(wait_call, static_cast<u64>(child), number_of(&status)) != child || status != 0) {
    Line line;
    line.put("init: a child failed\n");
    (void)call(write_call, 1, number_of(line.text), line.size);
  }
}

}  // namespace

// The arguments lie on the stack that the program starts on.
extern "C" [[noreturn]] void run(const u64* stack) {
  const u64 count = stack[0];
  if (count == 2) (void)call(exit_call, 0);
  const auto* const environment = reinterpret_cast<const char* const*>(stack + 1 + count + 1);
  u64 rounds = 0;
  for (const char* digit = value_of(environment, "rounds="); *digit != '\0'; ++digit)
    rounds = rounds * 10 + static_cast<u64>(*digit - '0');
  for (u64 i = 0; i < rounds; ++i) round();
  power_off();
}

asm(".globl _start\n"
    "_start:\n"
    "  movq %rsp, %rdi\n"
    "  andq $-16, %rsp\n"
    "  call run\n");
