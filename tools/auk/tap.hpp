// Purpose: counting TAP and KTAP results, and where the log of a suite stands.
#pragma once

#include "support.hpp"

namespace auk {

struct Counts {
  int passed = 0, failed = 0, skipped = 0;
  std::vector<std::string> failures;  // one line each

  void fail(std::string text) {
    ++failed;
    failures.push_back(std::move(text));
  }
};

// Counts the leaves: a line that sums up more deeply indented ones is no test of its own. A plan
// ("1..N") that is not kept counts as a failure.
Counts count_tap(std::string_view output);

// Counts the lines ctest prints for each test.
Counts count_ctest(std::string_view output);

fs::path log_file(std::string const& suite);

}  // namespace auk
