// Poll: what a file is ready for, and being told when that changes. See poll(2).
#pragma once
#include "base/flags.hpp"
#include "mem/box.hpp"
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

/// A queue that is not the file's own, so that who waits on it keeps it.
struct SharedQueue final : RefCounted<SharedQueue> {
  sched::WaitQueue queue;
  static void destroy(SharedQueue* q) { mem::destroy(q); }
};

/// Collects the queues that a poller must be on before it looks at the conditions.
class PollTable {
 public:
  /// Woken for any reason, or only when one of these events may be new.
  void watch(sched::WaitQueue& queue) { add(queue, all, {}); }
  void watch(sched::WaitQueue& queue, PollEvents kinds) { add(queue, kinds, {}); }
  void watch(Ref<SharedQueue> queue) {
    SharedQueue& q = *queue;
    add(q.queue, all, std::move(queue));
  }
  /// A queue could not be named: the poller fails with ENOMEM.
  virtual void run_out_of_memory() = 0;

 protected:
  static constexpr PollEvents all = PollEvents::from_bits(~u32{0});
  ~PollTable() = default;
  /// `keeper` is the queue's owner, if that is not the file.
  virtual void add(sched::WaitQueue& queue, PollEvents kinds, Ref<SharedQueue> keeper) = 0;
};

}  // namespace auk::io
