// Purpose: what the tables of system calls say, for the gate and for the page of what is absent.
#pragma once

#include "support.hpp"

namespace auk {

struct SystemCallRow {
  std::string name;
  int line;
};
struct SystemCallTable {
  std::string path;  // relative to the tree
  std::vector<SystemCallRow> rows;
};
// kernel/syscall/<machine>/table.cpp of each machine.
std::vector<SystemCallTable> system_call_tables(fs::path const& tree);

// Linux's name of a number; the number itself before the first build, or if there is none.
std::string system_call_name(int number);

// docs/absent.md, as it should be; empty before the first build, which makes Linux's numbers.
std::string absent_text();

}  // namespace auk
