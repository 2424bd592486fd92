// A panic ends the process it happens in: each of these runs in a child.
#include "core/panic.hpp"

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>

#include "core/log.hpp"
#include "core/param.hpp"
#include "machine/isa/cpu.hpp"

namespace auk::core {
namespace {

class ErrorOutput final : public Console {
 public:
  void write(std::string_view s) override { std::fwrite(s.data(), 1, s.size(), stderr); }
};
struct Support final : PanicSupport {
  void stop_other_cpus() override { std::fputs("<stop>", stderr); }
  void dump_stack() override { log_emerg("<stack>"); }
};
struct Power final : PowerControl {
  void power_off() override { std::fputs("<power off>", stderr); }
  void restart() override { std::fputs("<restart>", stderr); }
};
constinit ErrorOutput error_output;
constinit Support support;
constinit Power power;

template <class F> void run(const char* command_line, F f) {
  set_panic_support(support);
  set_power_control(power);
  apply_command_line(command_line);
  machine::host::set_timestamp(0, 1'000'000'000);
  try {
    f();
  } catch (const machine::host::Halted&) {
    std::fputs("<halted>", stderr);
    std::exit(machine::irqs_enabled() ? 1 : 7);
  }
}

TEST(PanicDeathTest, says_why_and_stays) {
  set_emergency_console(error_output);
  EXPECT_EXIT(run("panic=0", [] { panic("code {}", 5); }), testing::ExitedWithCode(7),
              "<stop>.*Kernel panic - not syncing: code 5.*<stack>.*end Kernel panic.*<halted>");
}

TEST(PanicDeathTest, shows_what_the_log_holds_even_without_a_console) {
  set_emergency_console(error_output);
  EXPECT_EXIT(run("panic=0",
                  [] {
                    log_info("early line");
                    panic("end");
                  }),
              testing::ExitedWithCode(7), "early line.*not syncing: end");
}

TEST(PanicDeathTest, restarts_at_once_or_after_a_while) {
  set_emergency_console(error_output);
  EXPECT_EXIT(run("panic=-1", [] { panic("x"); }), testing::ExitedWithCode(7), "<restart>");
  EXPECT_EXIT(run("panic=2", [] { panic("x"); }), testing::ExitedWithCode(7), "<restart>");
}

struct PanicAgain final : PanicSupport {
  void stop_other_cpus() override {}
  void dump_stack() override { panic("second"); }
};
constinit PanicAgain again;
TEST(PanicDeathTest, a_panic_inside_the_panic_gets_out) {
  set_emergency_console(error_output);
  EXPECT_EXIT(run("panic=-1",
                  [] {
                    set_panic_support(again);
                    panic("first");
                  }),
              testing::ExitedWithCode(7), "not syncing: first[^<]*<restart><halted>");
}

TEST(PanicDeathTest, power_off_and_restart) {
  set_emergency_console(error_output);
  EXPECT_EXIT(run("", [] { power_off(); }), testing::ExitedWithCode(7), "<power off><halted>");
  EXPECT_EXIT(run("", [] { restart(); }), testing::ExitedWithCode(7), "<restart><halted>");
}

}  // namespace
}  // namespace auk::core
