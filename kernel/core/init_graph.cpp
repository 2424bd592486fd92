#include "core/init_graph.hpp"

#include <span>

extern "C" {
extern const auk::core::InitTask __ld_init_task[], __ld_init_task_end[];
extern const auk::u16 __ld_init_order[], __ld_init_order_end[];
}

namespace auk::core {

void run_init_graph() {
  const std::span<const InitTask> tasks(__ld_init_task, __ld_init_task_end);
  for (const u16 i : std::span(__ld_init_order, __ld_init_order_end)) tasks[i].run();
}

}  // namespace auk::core
