#include "tap.hpp"

#include <charconv>
#include <map>

namespace auk {

namespace {

std::optional<int> parse_number(std::string_view text) {
  int number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Results and the plan at one depth of indentation.
struct Level {
  std::optional<int> plan;
  int seen = 0;
};

class TapReader {
 public:
  Counts run(std::string_view output) {
    for (auto const line : lines_of(output)) read(line);
    close_below(-1);
    return std::move(counts_);
  }

 private:
  struct Line {
    bool ok;
    std::string_view rest;
  };

  static std::optional<Line> parse_result(std::string_view text) {
    bool const ok = text.starts_with("ok ");
    if (!ok && !text.starts_with("not ok ")) return std::nullopt;
    text.remove_prefix(ok ? 3 : 7);
    auto const space = text.find(' ');
    if (!parse_number(text.substr(0, space))) return std::nullopt;
    return Line{ok, space == text.npos ? "" : text.substr(space + 1)};
  }

  // A kernel's log puts "[   12.345678] " before what it prints.
  static std::string_view without_time(std::string_view line) {
    if (!line.starts_with('[')) return line;
    auto const end = line.find("] ");
    if (end == line.npos || line.find_first_not_of(" .0123456789", 1) != end) return line;
    return line.substr(end + 2);
  }

  void read(std::string_view line) {
    line = without_time(line);
    auto const first = line.find_first_not_of(" \t");
    if (first == line.npos) return;
    int const depth = static_cast<int>(first);
    auto const text = trimmed(line);
    if (text.starts_with("1..")) {
      auto const plan = text.substr(3, text.find(' ') - 3);
      levels_[depth].plan = parse_number(plan);
    } else if (auto const result = parse_result(text)) {
      add(depth, *result, text);
    } else if (text.starts_with("Bail out!")) {
      counts_.fail(std::string(text));
    }
  }

  void add(int depth, Line const& result, std::string_view text) {
    bool const sums_up = close_below(depth);
    ++levels_[depth].seen;
    if (result.rest.find("# SKIP") != result.rest.npos) {
      ++counts_.skipped;
    } else if (!result.ok) {
      // The failure of a part is already counted, but not one of the whole alone.
      if (!sums_up || counts_.failed == failed_before_) counts_.fail(std::string(text));
    } else if (!sums_up) {
      ++counts_.passed;
    }
    failed_before_ = depth == 0 ? counts_.failed : failed_before_;
  }

  // Ends the levels deeper than `depth`; true if there were results among them.
  bool close_below(int depth) {
    bool any = false;
    for (auto level = levels_.upper_bound(depth); level != levels_.end();) {
      auto const& [plan, seen] = level->second;
      any |= seen > 0;
      if (plan && *plan != seen) counts_.fail(std::format("planned {} tests, saw {}", *plan, seen));
      level = levels_.erase(level);
    }
    return any;
  }

  Counts counts_;
  std::map<int, Level> levels_;
  int failed_before_ = 0;
};

}  // namespace

Counts count_tap(std::string_view output) { return TapReader().run(output); }

Counts count_ctest(std::string_view output) {
  Counts counts;
  for (auto const line : lines_of(output)) {
    // "  3/12 Test  #3: name ......   Passed    0.01 sec"
    auto const text = trimmed(line);
    auto const slash = text.find('/');
    auto const test = text.find(" Test ");
    if (slash == text.npos || test == text.npos || slash > test) continue;
    if (!parse_number(text.substr(0, slash)) ||
        !parse_number(text.substr(slash + 1, test - slash - 1)))
      continue;
    if (text.find(" Passed ") != text.npos)
      ++counts.passed;
    else if (text.find("***Skipped") != text.npos || text.find("(Disabled)") != text.npos)
      ++counts.skipped;
    else
      counts.fail(std::string(text));
  }
  return counts;
}

fs::path log_file(std::string const& suite) { return "build/log/" + suite + ".log"; }

}  // namespace auk
