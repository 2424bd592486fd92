// The log ring, read back under everything that can happen to it: wrap-around, records that their
// writer never finished, writers on many CPUs, and writers that overtake a reader.
#include "core/log.hpp"

#include <charconv>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/isa/sim.hpp"
#include "core/clock.hpp"
#include "core/config.hpp"
#include "core/percpu.hpp"

namespace auk::core {
namespace {

constexpr usize ring_size = usize{1} << config::log_buf_shift;

// A text that proves its own integrity: every byte follows from the number at its front.
std::string message(u64 n) {
  std::string s = "#" + std::to_string(n) + ":";
  const usize size = s.size() + (n * 37) % 200;
  while (s.size() < size) s += static_cast<char>('a' + (n + s.size()) % 26);
  return s;
}
/// The number of an intact message, or -1.
i64 number_of(std::string_view text) {
  if (text.empty() || text[0] != '#') return -1;
  i64 n = -1;
  std::from_chars(text.data() + 1, text.data() + text.size(), n);
  return n >= 0 && text == message(static_cast<u64>(n)) ? n : -1;
}

struct Line {
  u64 time;
  Level level;
  std::string text;
};
std::vector<Line> read_all(u64& cursor) {
  std::vector<Line> out;
  std::array<char, 512> buffer;
  LogRecord r;
  while (read_log(cursor, buffer, r)) out.push_back({r.time_ns, r.level, std::string(r.text)});
  return out;
}
std::vector<std::string> texts(u64& cursor) {
  std::vector<std::string> out;
  for (Line& l : read_all(cursor)) out.push_back(std::move(l.text));
  return out;
}
/// A cursor behind everything logged so far.
u64 now() {
  u64 cursor = 0;
  (void)read_all(cursor);
  return cursor;
}

/// Runs `action` before the n-th atomic operation (from 1) of this thread, once.
class AtStep {
  static inline thread_local unsigned left = 0;
  static inline thread_local std::function<void()>* action = nullptr;
  std::function<void()> action_;

 public:
  AtStep(unsigned n, std::function<void()> f) : action_(std::move(f)) {
    left = n;
    action = &action_;
    sim_point_hook = [] {
      if (--left != 0) return;
      sim_point_hook = nullptr;
      (*action)();
    };
  }
  ~AtStep() { sim_point_hook = nullptr; }
  bool fired() const { return left == 0; }
};

class Screen final : public Console {
 public:
  std::string text;
  void write(std::string_view s) override { text += s; }
};
Screen& screen() {
  static Screen s;
  static const bool registered = (register_console(s), true);
  (void)registered;
  return s;
}

class Log : public testing::Test {
 protected:
  void SetUp() override { set_console_level(0); }
  void TearDown() override {
    machine::irq_enable();
    machine::set_percpu_offset(0);
    clock_rate = {};
    steady_clock.go_on(0, 0, 0);
  }
};

TEST_F(Log, gives_back_what_was_logged) {
  u64 cursor = now();
  start_clock(1'000'000);
  machine::host::set_timestamp(5'000, 0);
  log_warn("x = {}, name = {}", 5, "five");
  log_line(Level::debug, "");
  log_line(Level::err, "two\nlines");
  const auto lines = read_all(cursor);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].text, "x = 5, name = five");
  EXPECT_EQ(lines[0].level, Level::warn);
  EXPECT_EQ(lines[0].time, 5'000u);
  EXPECT_EQ(lines[1].text, "");
  EXPECT_EQ(lines[2].text, "two\nlines");
  EXPECT_TRUE(read_all(cursor).empty());
  EXPECT_TRUE(machine::irqs_enabled());
}

TEST_F(Log, long_lines_are_cut) {
  u64 cursor = now();
  log_line(Level::info, std::string(5000, 'x'));
  EXPECT_EQ(texts(cursor), std::vector{std::string(480, 'x')});
}

TEST_F(Log, a_small_buffer_gets_the_front) {
  u64 cursor = now();
  log_line(Level::info, "0123456789");
  log_line(Level::info, "next");
  std::array<char, 4> buffer;
  LogRecord r;
  ASSERT_TRUE(read_log(cursor, buffer, r));
  EXPECT_EQ(r.text, "0123");
  ASSERT_TRUE(read_log(cursor, buffer, r));
  EXPECT_EQ(r.text, "next");
}

TEST_F(Log, every_size_survives_every_place_of_the_ring) {
  u64 cursor = now();
  for (u64 n = 0; n < 20'000; ++n) {
    log_line(Level::info, message(n));
    const auto found = texts(cursor);
    ASSERT_EQ(found.size(), 1u) << n;
    ASSERT_EQ(found[0], message(n));
  }
}

TEST_F(Log, old_records_are_overwritten_new_ones_stay) {
  u64 cursor = now();
  constexpr u64 count = 5'000;
  for (u64 n = 0; n < count; ++n) log_line(Level::info, message(n));
  EXPECT_GT(oldest_log_position(), 0u);
  const auto found = texts(cursor);
  ASSERT_FALSE(found.empty());
  usize bytes = 0;
  // An unbroken run up to the last one, as long as the ring allows.
  for (usize i = 0; i < found.size(); ++i) {
    ASSERT_EQ(number_of(found[i]), static_cast<i64>(count - found.size() + i));
    bytes += 32 + (found[i].size() + 15) / 16 * 16;
  }
  EXPECT_LE(bytes, ring_size);
  EXPECT_GT(bytes, ring_size - 600);
}

TEST_F(Log, reader_of_a_far_too_old_position_goes_on_with_the_oldest) {
  for (u64 n = 0; n < 3'000; ++n) log_line(Level::info, message(n));
  u64 cursor = 0;
  EXPECT_FALSE(texts(cursor).empty());
}

struct Interrupted {};

// A writer that is stopped for ever after any of its steps costs at most its own record.
TEST_F(Log, half_written_records_are_passed_over) {
  // Two steps read the clock, one reserves, two publish; the consoles come after that.
  constexpr unsigned last_step = 6;
  for (unsigned step = 1; step <= last_step; ++step) {
    u64 cursor = now();
    log_line(Level::info, message(1));
    {
      const AtStep stop(step, [] { throw Interrupted(); });
      EXPECT_THROW(log_line(Level::info, message(2)), Interrupted);
      machine::irq_enable();
    }
    // Waits for the writer while that is worth something, then gives it up.
    std::vector<i64> found;
    for (u64 n = 3; n < 2'000; ++n) {
      log_line(Level::info, message(n));
      for (const std::string& s : texts(cursor)) found.push_back(number_of(s));
    }
    ASSERT_FALSE(found.empty()) << step;
    EXPECT_EQ(found.front(), 1);
    EXPECT_EQ(found.back(), 1'999) << "stopped before step " << step;
    for (usize i = 1; i < found.size(); ++i) {
      ASSERT_NE(found[i], -1) << step;
      if (i > 1) ASSERT_EQ(found[i], found[i - 1] + 1) << step;
    }
    EXPECT_LE(found[1], 3) << step;
  }
}

// Between any two steps of a reader the whole ring is written anew: it must never see a mixture.
TEST_F(Log, a_reader_that_is_overtaken_sees_whole_records) {
  bool fired = true;
  for (unsigned step = 1; fired; ++step) {
    u64 cursor = now();
    for (u64 n = 0; n < 10; ++n) log_line(Level::info, message(n));
    std::array<char, 512> buffer;
    LogRecord r;
    {
      const AtStep overtake(step, [] {
        for (u64 n = 1'000; n < 3'000; ++n) log_line(Level::info, message(n));
      });
      ASSERT_TRUE(read_log(cursor, buffer, r)) << step;
      fired = overtake.fired();
    }
    ASSERT_NE(number_of(r.text), -1) << step;
    i64 last = number_of(r.text);
    for (const std::string& s : texts(cursor)) {
      const i64 n = number_of(s);
      ASSERT_GT(n, last) << step;
      last = n;
    }
    ASSERT_EQ(last, fired ? 2'999 : 9);
    ASSERT_LT(step, 100u);
  }
}

TEST_F(Log, many_writers_lose_nothing_that_fits) {
  u64 cursor = now();
  constexpr u64 each = 100;
  std::vector<std::thread> threads;
  for (u32 t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      machine::set_percpu_offset(t + 1);
      for (u64 i = 0; i < each; ++i) log_line(Level::info, message(t * 1'000 + i));
    });
  for (auto& t : threads) t.join();
  std::map<i64, i64> last;
  usize count = 0;
  for (const std::string& s : texts(cursor)) {
    const i64 n = number_of(s);
    ASSERT_NE(n, -1) << s;
    const auto [it, is_first] = last.try_emplace(n / 1'000, n);
    EXPECT_EQ(n % 1'000, is_first ? 0 : it->second % 1'000 + 1);
    it->second = n;
    ++count;
  }
  EXPECT_EQ(count, 4 * each);
}

TEST_F(Log, text_that_looks_like_a_record_is_not_one) {
  // The mark of a record at position p is p ^ salt. Text may hold any bytes, so somebody who knows
  // the salt can write one; what it leads to must stay inside the limits.
  constexpr u64 salt = 0xa5c31d0f6b7e8241;
  u64 cursor = now();
  for (int round = 0; round < 400; ++round) {
    std::string forged(480, 'x');
    // Wherever the text starts, each 16-byte step holds the mark that belongs there.
    const u64 start = cursor + 32;
    for (usize i = 0; i + 16 <= forged.size(); i += 16) {
      const u64 mark = (start + i) ^ salt;
      std::memcpy(&forged[i], &mark, 8);
      std::memset(&forged[i] + 8, 0xff, 8);
    }
    log_line(Level::info, forged);
    (void)texts(cursor);
    cursor = std::max(cursor, now());
  }
  // From the far past the reader has to search, and meets the forgeries; they must neither lead out
  // of the ring nor past the records that are real.
  for (int shift = 0; shift < 20; ++shift) {
    log_line(Level::info, "real");
    u64 old = 0;
    const auto found = texts(old);
    ASSERT_FALSE(found.empty()) << shift;
    EXPECT_TRUE(found.back() == "real") << shift;  // the noise is no message for people
    for (const std::string& s : found) ASSERT_LE(s.size(), 480u);
  }
}

TEST_F(Log, consoles_show_lines_with_a_time) {
  Screen& s = screen();
  set_console_level(7);
  s.text.clear();
  start_clock(1'000'000);
  machine::host::set_timestamp(12'345'678'901, 0);
  log_info("one");
  log_debug("not shown");
  log_err("two\nthree");
  EXPECT_EQ(s.text, "[   12.345678] one\n[   12.345678] two\n[   12.345678] three\n");
  EXPECT_TRUE(has_console());
}

// Whatever another CPU logs while this one owns the consoles is shown before both are done.
TEST_F(Log, no_line_waits_for_the_next_one) {
  Screen& s = screen();
  set_console_level(7);
  bool fired = true;
  for (unsigned step = 1; fired; ++step) {
    s.text.clear();
    {
      const AtStep other_cpu(step, [] {
        machine::set_percpu_offset(1);
        log_info("from the other CPU");
        machine::set_percpu_offset(0);
      });
      log_info("from this CPU");
      fired = other_cpu.fired();
    }
    EXPECT_NE(s.text.find("from this CPU"), std::string::npos) << "step " << step;
    if (fired) EXPECT_NE(s.text.find("from the other CPU"), std::string::npos) << "step " << step;
    ASSERT_LT(step, 200u);
    log_info("sweep");
  }
}

// A thread that prints may be preempted and go on on another CPU.
TEST_F(Log, consoles_survive_a_move_of_the_printer) {
  Screen& s = screen();
  set_console_level(7);
  bool fired = true;
  for (unsigned step = 1; fired; ++step) {
    {
      const AtStep moves(step, [] { machine::set_percpu_offset(1); });
      log_info("on the way");
      fired = moves.fired();
    }
    machine::set_percpu_offset(0);
    s.text.clear();
    log_info("afterwards");
    ASSERT_NE(s.text.find("afterwards"), std::string::npos) << "step " << step;
    ASSERT_LT(step, 200u);
  }
}

}  // namespace
}  // namespace auk::core
