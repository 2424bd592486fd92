// Poller: waits on many files at once. See poll(2).
//
// Data model: one Waiter for each queue a file names, in chunks that live as long as the call, each
// with a reference to the file: another thread may close it.
// Context: threads; the order is that of every wait: announce on all queues, look, sleep.
#pragma once
#include "io/file.hpp"

namespace auk::io {

class Poller final : public PollTable {
  struct Chunk;
  Chunk* first_ = nullptr;
  bool out_of_memory_ = false;
  const Ref<File>* file_ = nullptr;  ///< the one that is looked at
  sched::WaitQueue nothing_;         ///< for a wait on no file at all
  sched::Waiter always_{nothing_};

 public:
  Poller() = default;
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// What is ready, after a place on the file's queues was taken.
  PollEvents look_at(const Ref<File>& f);
  void run_out_of_memory() override { out_of_memory_ = true; }
  bool out_of_memory() const { return out_of_memory_; }
  /// Announces the wait on every queue once more; then look at the files again.
  void prepare();
  /// Sleeps unless one of the queues was woken since. False when the deadline has passed.
  bool sleep(u64 deadline_ns);

 private:
  void add(sched::WaitQueue& queue, PollEvents kinds, Ref<SharedQueue> keeper) override;
};

}  // namespace auk::io
