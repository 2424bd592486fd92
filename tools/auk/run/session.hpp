// Purpose: the host's side of a running guest: streams, signals, deadlines, and how it ended.
#pragma once

#include "run/outlet.hpp"
#include "run/run.hpp"
#include "run/terminal.hpp"
#include "run/vm.hpp"

#include <deque>

namespace auk {

struct RunResult {
  std::optional<int> exit, signal;  // of the command
  bool panicked = false, timed_out = false, quit = false;
  double boot_seconds = 0;
  std::vector<std::string> missing;  // what the kernel said of system calls that it does not have
  Vm::Ending vm{};
  std::deque<std::string> last_lines;  // of the kernel's log
  std::string problem;                 // in a few words, if it is the tool's or the guest's

  int exit_code() const;
};

class Session {
 public:
  struct Settings {
    bool command;   // there is auk-init on the other side; if not, the console is on our stdio
    bool terminal;  // ours is the guest's
    bool log;
    bool debug;             // gdb decides when the guest begins
    std::string headline;   // of the line about the guest; empty: none
    double timeout;         // seconds; 0: none
    unsigned input_window;  // so many bytes of input may be on their way
  };
  Session(Vm& vm, Settings const&);
  ~Session();
  Session(Session const&) = delete;
  Session& operator=(Session const&) = delete;

  RunResult run();

 private:
  // A port of the guest that is read.
  struct Source {
    Vm::Port port;
    void (Session::*take)(std::string_view);
    bool open = true;
    unsigned long long count = 0;
  };

  bool round();
  // It has not told us that it runs, and nothing but a fault would keep it from that.
  bool may_not_start() const { return settings_.command && !started_ && !settings_.debug; }
  int wait_time() const;
  bool may_read(Source const&) const;
  void read_source(Source&);
  bool may_read_input() const;
  void read_input();
  void read_signals();
  void check_deadlines();
  void end_by(double seconds);

  void take_log(std::string_view);
  void take_data(std::string_view);
  void take_errors(std::string_view);
  void take_control(std::string_view);
  void obey(std::string const& line);
  bool has_all() const;
  bool misses_bytes() const;
  void kill();
  void dismiss();
  void check_counts();
  void note_end();
  void log_line(std::string line);
  void on_signal(int signal);
  void forward_size();
  void mind_broken_output();
  void lose(std::string_view problem);
  void show_headline() const;

  Vm& vm_;
  Settings settings_;
  Stopwatch watch_;
  RunResult result_;
  int signals_ = -1;
  Source sources_[Vm::port_count];
  Outlet output_, errors_, data_, control_;
  EscapeKeys escape_;
  std::string log_partial_, control_partial_;
  bool started_ = false, dismissed_ = false;
  bool input_open_ = true, end_of_input_told_ = false, broken_output_told_ = false;
  unsigned long long input_on_way_ = 0;
  unsigned long long sent_[2] = {};
  bool killed_ = false;
  double last_bytes_ = 0;  // when some came from the guest
  double end_by_ = 0;      // on the watch; 0: no such limit
  double last_interrupt_ = -10;
};

}  // namespace auk
