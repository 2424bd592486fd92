// What stands in the directory of a process or a thread. See proc_pid(5).
#pragma once
#include "fs/procfs/node.hpp"

namespace auk::fs::procfs {

// links.cpp
extern const Node* const ns_node;
extern const Node* const cwd_node;
extern const Node* const root_link_node;
extern const Node* const exe_node;
extern const Node* const fd_node;
extern const Node* const fdinfo_node;
// memory.cpp
/// Of the program's own text.
u64 code_pages(const vm::SpaceLayout& l);
extern const Node* const auxv_node;
extern const Node* const cmdline_node;
extern const Node* const environ_node;
extern const Node* const maps_node;
extern const Node* const statm_node;
// status.cpp
extern const Node* const stat_node;
extern const Node* const status_node;
// mounts.cpp
extern const Node* const mounts_node;
extern const Node* const mountinfo_node;
// net.cpp
extern const Node* const net_node;
// process.cpp
/// The state of a thread in one letter and in words, or of a process without threads.
struct StateName {
  char letter;
  std::string_view words;
};
StateName state_of(proc::Group& g, proc::Task* t);

}  // namespace auk::fs::procfs
