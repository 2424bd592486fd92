// The init graph: what is set up after the fixed early sequence, in an order the build computes.
//
// Purpose: no initcall levels and no global constructors. A task names what it needs and what it
// provides (its own name always counts); the build sorts the rows, prints the graph and fails on a
// cycle or on a need that nothing provides.
// Data model: rows in the section reg_init_task; their order in the section init_order.
// Context: boot CPU, a thread that may sleep, all CPUs online.
#pragma once
#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::core {

struct InitTask {
  const char* name;
  const char* needs;     ///< separated by blanks
  const char* provides;  ///< separated by blanks
  void (*run)();
};
static_assert(sizeof(InitTask) == 32);

/// Runs every task once, in order.
void run_init_graph();

}  // namespace auk::core

#define INIT_TASK(name, needs, provides, function)                                                 \
  [[gnu::section("reg_init_task"),                                                                 \
    gnu::used]] constinit const ::auk::core::InitTask init_task_##name = {#name, needs, provides,  \
                                                                          function}
