// Poll: what a file is ready for, and being told when that changes. See poll(2).
#pragma once
#include "base/flags.hpp"
#include "sched/wait.hpp"

namespace auk::io {

/// The bits of poll(2).
enum class PollEvent : u32 {
  in = 0x1,
  pri = 0x2,
  out = 0x4,
  error = 0x8,
  hang_up = 0x10,
  invalid = 0x20,
  read_normal = 0x40,
  write_normal = 0x100,
  read_hang_up = 0x2000,
};
using PollEvents = Flags<PollEvent>;

/// Collects the queues that a poller must be on before it looks at the conditions.
class PollTable {
 public:
  virtual void watch(sched::WaitQueue& queue) = 0;

 protected:
  ~PollTable() = default;
};

}  // namespace auk::io
