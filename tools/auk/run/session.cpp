#include "run/session.hpp"

#include "../guest/protocol.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <poll.h>
#include <sys/signalfd.h>

namespace auk {

namespace protocol = guest::protocol;

namespace {

constexpr std::size_t shown_lines = 20;
// Under TCG, on a busy host, without one word from auk-init.
constexpr double boot_limit = 120;
// What a guest may take to power off, or a panic to end in a reset.
constexpr double end_grace = 5;
constexpr double second_interrupt = 2;

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int const signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}) sigaddset(&set, signal);
  return set;
}

std::string without_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return std::string(line);
}

}  // namespace

int RunResult::exit_code() const {
  // Also if it comes late: the kernel matters more than what ran on it.
  if (panicked) return run_guest_panicked;
  if (exit) return *exit;
  if (signal) return 128 + *signal;
  if (timed_out) return run_timed_out;
  if (quit) return 128 + SIGINT;
  // QEMU ends with 0 when the guest does, or because we ended it.
  if (vm.status != 0 && vm.status != 128 + SIGKILL) return run_tool_failed;
  return run_guest_vanished;
}

Session::Session(Vm& vm, Settings const& settings)
    : vm_(vm),
      settings_(settings),
      sources_{{Vm::log, &Session::take_log},
               {Vm::data, &Session::take_data},
               {Vm::errors, &Session::take_errors},
               {Vm::control, &Session::take_control}},
      output_(STDOUT_FILENO),
      errors_(STDERR_FILENO),
      data_(vm.port(settings.command ? Vm::data : Vm::log)),
      control_(vm.port(Vm::control)) {
  auto const set = handled_signals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  std::signal(SIGPIPE, SIG_IGN);
}

Session::~Session() {
  close(signals_);
  auto const set = handled_signals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

RunResult Session::run() {
  {
    std::optional<RawTerminal> raw;
    if (settings_.terminal) raw.emplace();
    while (round()) {}
  }
  if (!log_partial_.empty()) log_line(std::exchange(log_partial_, {}));
  result_.vm = vm_.wait();
  note_end();
  return std::move(result_);
}

// False once QEMU is gone and all it left has been passed on.
bool Session::round() {
  std::vector<pollfd> polled;
  std::vector<std::function<void()>> actions;
  auto const add = [&](int fd, short events, std::function<void()> action) {
    polled.push_back({.fd = fd, .events = events, .revents = 0});
    actions.push_back(std::move(action));
  };
  for (auto& source : sources_)
    if (may_read(source)) add(vm_.port(source.port), POLLIN, [&] { read_source(source); });
  bool const guest_there = std::ranges::any_of(sources_, &Source::open);
  for (auto* outlet : {&output_, &errors_, &data_, &control_}) {
    bool const to_guest = outlet == &data_ || outlet == &control_;
    if (outlet->waiting() && (guest_there || !to_guest))
      add(outlet->fd(), POLLOUT, [outlet] { outlet->write_some(); });
  }
  if (!guest_there && polled.empty()) return false;
  if (guest_there && may_read_input()) add(STDIN_FILENO, POLLIN, [&] { read_input(); });
  add(signals_, POLLIN, [&] { read_signals(); });

  poll(polled.data(), polled.size(), wait_time());
  for (std::size_t i = 0; i < polled.size(); ++i)
    if (polled[i].revents) actions[i]();
  mind_broken_output();
  dismiss();
  check_deadlines();
  return true;
}

// The terminal is raw by then.
void Session::show_headline() const {
  if (settings_.headline.empty()) return;
  dprintf(STDERR_FILENO, "auk: %s, up in %.2f s\r\n", settings_.headline.c_str(),
          result_.boot_seconds);
}

// --- deadlines --------------------------------------------------------------------------------

int Session::wait_time() const {
  double next = std::numeric_limits<double>::infinity();
  // Nothing is waited for any more but the end of what comes.
  if (killed_) return -1;
  if (settings_.timeout > 0) next = std::min(next, settings_.timeout);
  if (misses_bytes()) next = std::min(next, last_bytes_ + end_grace);
  if (may_not_start()) next = std::min(next, boot_limit);
  if (end_by_ > 0) next = std::min(next, end_by_);
  if (std::isinf(next)) return -1;
  return static_cast<int>(std::clamp((next - watch_.seconds()) * 1000 + 1, 0.0, 1e9));
}

void Session::check_deadlines() {
  auto const now = watch_.seconds();
  if (killed_) return;
  if (settings_.timeout > 0 && now >= settings_.timeout) {
    result_.timed_out = !dismissed_;
    kill();
  } else if (misses_bytes() && now >= last_bytes_ + end_grace) {
    // note_end() says what is missing.
    kill();
  } else if (may_not_start() && now >= boot_limit && end_by_ <= 0) {
    lose("the guest did not start the command");
    kill();
  } else if (end_by_ > 0 && now >= end_by_) {
    kill();
  }
}

void Session::kill() {
  killed_ = true;
  vm_.kill();
}

// The command has ended, and less has come than the guest sent, although we take it.
bool Session::misses_bytes() const {
  return (result_.exit || result_.signal) && !has_all() && !output_.full() && !errors_.full();
}

void Session::end_by(double seconds) {
  auto const limit = watch_.seconds() + seconds;
  end_by_ = end_by_ > 0 ? std::min(end_by_, limit) : limit;
}

void Session::lose(std::string_view problem) {
  if (result_.problem.empty()) result_.problem = problem;
}

// --- from the guest ---------------------------------------------------------------------------

bool Session::may_read(Source const& source) const {
  if (!source.open) return false;
  if (source.port == Vm::data) return !output_.full();
  if (source.port == Vm::errors) return !errors_.full();
  if (source.port == Vm::log && !settings_.command) return !output_.full();
  return true;
}

void Session::read_source(Source& source) {
  char bytes[16384];
  ssize_t const got = read(vm_.port(source.port), bytes, sizeof bytes);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    source.open = false;
    return;
  }
  source.count += static_cast<unsigned long long>(got);
  last_bytes_ = watch_.seconds();
  (this->*source.take)({bytes, static_cast<std::size_t>(got)});
}

void Session::take_data(std::string_view bytes) { output_.add(bytes); }
void Session::take_errors(std::string_view bytes) { errors_.add(bytes); }

void Session::take_log(std::string_view bytes) {
  if (!settings_.command)
    output_.add(bytes);
  else if (settings_.log)
    errors_.add(bytes);
  log_partial_ += bytes;
  for (std::size_t end; (end = log_partial_.find('\n')) != std::string::npos;) {
    log_line(without_return(std::string_view(log_partial_).substr(0, end)));
    log_partial_.erase(0, end + 1);
  }
}

void Session::log_line(std::string line) {
  auto const panic = line.find("Kernel panic - not syncing");
  if (panic != std::string::npos && !result_.panicked) {
    result_.panicked = true;
    lose(line.substr(panic));
    end_by(end_grace);
  }
  if (line.find(": system call ") != line.npos && line.find(" is absent") != line.npos)
    result_.missing.push_back(line);
  result_.last_lines.push_back(std::move(line));
  if (result_.last_lines.size() > shown_lines) result_.last_lines.pop_front();
}

void Session::take_control(std::string_view bytes) {
  control_partial_ += bytes;
  for (std::size_t end; (end = control_partial_.find('\n')) != std::string::npos;) {
    obey(without_return(std::string_view(control_partial_).substr(0, end)));
    control_partial_.erase(0, end + 1);
  }
}

void Session::obey(std::string const& line) {
  int number = 0;
  unsigned long long count = 0, second = 0;
  if (line == protocol::started) {
    started_ = true;
    result_.boot_seconds = watch_.seconds();
    show_headline();
  } else if (std::sscanf(line.c_str(), protocol::taken_format, &count) == 1) {
    input_on_way_ -= std::min(input_on_way_, count);
  } else if (std::sscanf(line.c_str(), protocol::sent_format, &count, &second) == 2) {
    sent_[0] = count, sent_[1] = second;
  } else if (std::sscanf(line.c_str(), protocol::exit_format, &number) == 1) {
    result_.exit = number;
  } else if (std::sscanf(line.c_str(), protocol::signal_format, &number) == 1) {
    result_.signal = number;
  }
}

bool Session::has_all() const {
  return sources_[Vm::data].count >= sent_[0] && sources_[Vm::errors].count >= sent_[1];
}

// The guest may go once it has said how the command ended and all that it sent is here.
void Session::dismiss() {
  if (dismissed_ || !(result_.exit || result_.signal) || !has_all()) return;
  dismissed_ = true;
  control_.add(std::format("{}\n", protocol::all_arrived));
  end_by(end_grace);
}

// What the guest says it sent must have come.
void Session::check_counts() {
  if (has_all()) return;
  lose("output of the command was lost on its way");
  result_.exit = run_tool_failed;
  result_.signal.reset();
}

void Session::note_end() {
  if (result_.exit || result_.signal) return check_counts();
  if (!settings_.command || result_.panicked) return;
  if (result_.timed_out)
    lose(std::format("timed out after {} s", settings_.timeout));
  else if (result_.quit)
    lose("ended from the keyboard");
  else if (result_.exit_code() == run_tool_failed)
    lose(std::format("QEMU failed: {}", trimmed(result_.vm.complaints)));
  else
    lose("the guest vanished without a report");
}

// --- to the guest -----------------------------------------------------------------------------

bool Session::may_read_input() const {
  if (!input_open_ || data_.full()) return false;
  if (!settings_.command) return true;
  // What comes before somebody listens would be lost.
  return started_ && (settings_.terminal || input_on_way_ < settings_.input_window);
}

void Session::read_input() {
  char bytes[protocol::port_window];
  bool const windowed = settings_.command && !settings_.terminal;
  auto const size = windowed ? settings_.input_window - input_on_way_ : settings_.input_window;
  ssize_t const got = read(STDIN_FILENO, bytes, size);
  if (got < 0 && errno == EINTR) return;
  if (got <= 0) {
    input_open_ = false;
    return;
  }
  std::string_view const typed(bytes, static_cast<std::size_t>(got));
  if (windowed) {
    input_on_way_ += typed.size();
    return data_.add(typed);
  }
  if (!settings_.terminal) return data_.add(typed);
  auto const result = escape_.filter(typed);
  data_.add(result.keys);
  if (result.quit) {
    result_.quit = true;
    kill();
  }
}

// The reader of our output is gone: the command learns it as it would from a pipe. Told here, too:
// the end of the input, once all of it has arrived.
void Session::mind_broken_output() {
  if (!settings_.command || !started_) return;
  if (output_.broken() && !broken_output_told_) {
    broken_output_told_ = true;
    control_.add(std::format("signal {}\n", SIGPIPE));
  }
  if (!input_open_ && input_on_way_ == 0 && !end_of_input_told_ && !settings_.terminal) {
    end_of_input_told_ = true;
    control_.add(std::format("{}\n", protocol::end_of_input));
  }
}

void Session::read_signals() {
  signalfd_siginfo info{};
  if (read(signals_, &info, sizeof info) != sizeof info) return;
  on_signal(static_cast<int>(info.ssi_signo));
}

void Session::on_signal(int signal) {
  if (signal == SIGWINCH) return forward_size();
  bool const again = watch_.seconds() - last_interrupt_ < second_interrupt;
  last_interrupt_ = watch_.seconds();
  if (started_ && !again) return control_.add(std::format("signal {}\n", signal));
  result_.quit = true;
  kill();
}

void Session::forward_size() {
  if (!settings_.terminal || !started_) return;
  auto const [rows, columns] = terminal_size();
  control_.add(std::format("size {} {}\n", rows, columns));
}

}  // namespace auk
