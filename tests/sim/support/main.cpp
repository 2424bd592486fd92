// The command of every simulation test: runs seeds, or repeats one with a trace.
//
//   PROGRAM [--first N] [--count N]   these seeds; TAP, the first that fails is named
//   PROGRAM --broken [--count N]      the same for a variant that has to fail within them
//   PROGRAM --seed N [--trace]        one seed; the trace ends where it failed
//
// Data model: before the first seed the program's writable image (.data and .bss: the simulated
// kernel) is copied; each seed starts from that copy. What must survive lies on the host's heap.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sys/time.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "support/world.hpp"

extern "C" {
extern char __data_start[], _end[];
}

namespace auk::sim {
namespace {

using machine::host::SimStep;
using machine::host::Simulation;

struct Options {
  u64 first = 0;
  u64 count = 2000;
  bool broken = false;
  bool one_seed = false;
  bool trace = false;
  std::string name;
};

/// Survives the seeds: on the heap, and reached through an image variable set before the copy.
struct Runner {
  World world;
  Simulation machine{world};
  std::vector<char> image;
  u64 looked_at_steps = 0;
  volatile bool inside = false;

  bool run(u64 seed, bool tracing) {
    std::memcpy(__data_start, image.data(), image.size());
    inside = true;
    const bool passed = world.run(seed, tracing);
    inside = false;
    return passed;
  }
};
constinit Runner* runner = nullptr;

void crash(int signal) {
  if (!runner->inside) _exit(128 + signal);
  runner->machine.fail("", 0,
                       signal == SIGSEGV || signal == SIGBUS ? "a wild memory access"
                       : signal == SIGABRT                   ? "the library gave up"
                                                             : "a trap instruction");
}

/// A loop without switch points would never come back.
void look_at_steps(int) {
  if (runner->inside && runner->looked_at_steps == runner->machine.steps())
    runner->machine.fail("", 0, "a loop without switch points");
  runner->looked_at_steps = runner->machine.steps();
}

void catch_signals() {
  static constexpr usize stack_size = 64 * 1024;
  stack_t stack{};
  stack.ss_sp = std::malloc(stack_size);
  stack.ss_size = stack_size;
  sigaltstack(&stack, nullptr);
  struct sigaction action{};
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  action.sa_handler = crash;
  for (const int s : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP})
    sigaction(s, &action, nullptr);
  action.sa_handler = look_at_steps;
  sigaction(SIGVTALRM, &action, nullptr);
  const itimerval second{{2, 0}, {2, 0}};
  setitimer(ITIMER_VIRTUAL, &second, nullptr);
}

std::string describe_failure() {
  const auto& f = runner->machine.failure();
  std::string text = f.text;
  if (*f.file != 0) text = std::string(f.file) + ":" + std::to_string(f.line) + ": " + text;
  return text + " (CPU " + std::to_string(f.cpu) + ", step " +
         std::to_string(runner->machine.steps()) + ")";
}

/// What the debugger's tool says about code addresses, one line each.
std::map<const void*, std::string> symbolize(const std::vector<SimStep>& steps,
                                             const std::string& program) {
  std::map<const void*, std::string> names;
  for (const SimStep& s : steps)
    if (s.kind == SimStep::Kind::point) names[s.where];
  const std::string list = "/tmp/auk-sim-" + std::to_string(getpid());
  std::FILE* out = std::fopen(list.c_str(), "w");
  if (out == nullptr) return names;
  // One before the return address: the line of the call.
  for (const auto& [where, name] : names) std::fprintf(out, "%p\n", (const char*)where - 1);
  std::fclose(out);
  const std::string command =
      "llvm-symbolizer-19 --pretty-print --basenames --obj=" + program + " < " + list;
  std::FILE* in = popen(command.c_str(), "r");
  char line[1024];
  for (auto& [where, name] : names)
    while (in != nullptr && std::fgets(line, sizeof line, in) != nullptr && line[0] != '\n') {
      std::string text(line, std::strcspn(line, "\n"));
      if (text.find("inlined by") != text.npos) text = text.substr(text.find(") ") + 2);
      // The operation itself and its caller say enough, up to three levels.
      if (text.find("sim_point") != text.npos) continue;
      if (std::ranges::count(name, '<') < 3) name += (name.empty() ? "" : " < ") + text;
    }
  if (in != nullptr) pclose(in);
  std::remove(list.c_str());
  return names;
}

void print_trace(const std::string& program) {
  static constexpr const char* interrupts[] = {"reschedule", "cross call", "timer"};
  const auto& steps = runner->machine.trace();
  const auto names = symbolize(steps, program);
  for (const SimStep& s : steps) {
    std::printf("%12llu  %*sCPU %u thread %-3u ", static_cast<unsigned long long>(s.now), s.cpu * 2,
                "", s.cpu, s.thread);
    switch (s.kind) {
      case SimStep::Kind::point: std::printf("%s\n", names.at(s.where).c_str()); break;
      case SimStep::Kind::interrupt: std::printf("** interrupt: %s\n", interrupts[s.detail]); break;
      case SimStep::Kind::run_cpu: std::printf("** runs\n"); break;
      case SimStep::Kind::wait: std::printf("** waits for an interrupt\n"); break;
      case SimStep::Kind::time_jump: std::printf("** time jumps to the next timer\n"); break;
      case SimStep::Kind::note: std::printf("-- %s\n", static_cast<const char*>(s.where)); break;
    }
  }
}

int repeat_one(const Options& o, const std::string& program) {
  const bool passed = runner->run(o.first, o.trace);
  if (o.trace) print_trace(program);
  std::printf("seed %llu: %s, %u CPUs, %llu steps, %llu ns, fingerprint %016llx\n",
              static_cast<unsigned long long>(o.first),
              passed ? "passes" : describe_failure().c_str(), runner->machine.cpus(),
              static_cast<unsigned long long>(runner->machine.steps()),
              static_cast<unsigned long long>(runner->machine.now()),
              static_cast<unsigned long long>(runner->machine.fingerprint()));
  return passed ? 0 : 1;
}

int run_many(const Options& o, const std::string& program) {
  const std::clock_t start = std::clock();
  u64 seed = o.first;
  u64 steps = 0;
  while (seed < o.first + o.count && runner->run(seed, false)) {
    ++seed;
    steps += runner->machine.steps();
  }
  const bool failed = seed < o.first + o.count;
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const auto from = static_cast<unsigned long long>(o.first);
  const auto done = static_cast<unsigned long long>(seed - o.first);
  std::printf("%s 1 - %s: ", failed == o.broken ? "ok" : "not ok", o.name.c_str());
  if (failed) {
    std::printf("%s at seed %llu, after %llu\n# %s\n# repeat it: %s --seed %llu --trace\n",
                o.broken ? "caught" : "fails", static_cast<unsigned long long>(seed), done,
                describe_failure().c_str(), program.c_str(), static_cast<unsigned long long>(seed));
  } else {
    std::printf("%llu seeds from %llu%s\n", done, from, o.broken ? " did not catch it" : "");
  }
  std::printf("# %.0f seeds a second, %llu steps each\n1..1\n",
              static_cast<double>(done + 1) / (seconds > 0 ? seconds : 1e-3),
              static_cast<unsigned long long>(done > 0 ? steps / done : 0));
  return failed == o.broken ? 0 : 1;
}

[[noreturn]] void usage(const char* program) {
  std::fprintf(stderr, "usage: %s [--broken] [--first N] [--count N] | --seed N [--trace]\n",
               program);
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options o;
  const std::string_view path = argv[0];
  o.name = path.substr(path.rfind('/') + 1);
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto number = [&] {
      if (++i == argc) usage(argv[0]);
      return std::strtoull(argv[i], nullptr, 10);
    };
    if (word == "--first")
      o.first = number();
    else if (word == "--count")
      o.count = number();
    else if (word == "--seed")
      o.one_seed = true, o.first = number();
    else if (word == "--broken")
      o.broken = true;
    else if (word == "--trace")
      o.trace = true;
    else
      usage(argv[0]);
  }
  return o;
}

}  // namespace
}  // namespace auk::sim

int main(int argc, char** argv) {
  using namespace auk::sim;
  const Options o = parse(argc, argv);
  runner = new Runner;
  auk::machine::host::simulation = &runner->machine;
  arena::reset();
  catch_signals();
  runner->image.assign(__data_start, _end);
  return o.one_seed ? repeat_one(o, argv[0]) : run_many(o, argv[0]);
}
