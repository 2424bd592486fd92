#include "io/eventfd.hpp"

#include "io/anon_file.hpp"

namespace auk::io {
namespace {

constexpr u64 invalid = ~u64{0};
constexpr u64 most = invalid - 1;

constexpr FileKind kind_of_eventfd{"[eventfd]"};

class EventFile final : public AnonFile {
  Atomic<u64> counter_;
  bool is_semaphore_;
  // Two, so that who waits for room is not told of every event.
  sched::WaitQueue readable_, writable_;
  void dispose() override { destroy_late(this); }

  u64 try_take();
  bool try_add(u64 n);

 public:
  EventFile(u32 flags, u32 count, bool is_semaphore)
      : AnonFile(flags),
        counter_(count),
        is_semaphore_(is_semaphore) {}
  ~EventFile() = default;
  const FileKind* kind() const override { return &kind_of_eventfd; }
  Result<usize> read(IoBuf& buf) override;
  Result<usize> write(IoBuf& buf) override;
  PollEvents poll(PollTable* table) override;
  WaysOf ways_of_reading() const override { return WaysOf::no_wait; }
  WaysOf ways_of_writing() const override { return WaysOf::nothing; }
};

/// What a read gets; 0 when it has to wait.
u64 EventFile::try_take() {
  u64 have = counter_.load_seq_cst();
  while (have != 0) {
    const u64 taken = is_semaphore_ ? 1 : have;
    if (counter_.cas_acq_rel(have, have - taken)) return taken;
  }
  return 0;
}

bool EventFile::try_add(u64 n) {
  u64 have = counter_.load_seq_cst();
  while (n <= most - have)
    if (counter_.cas_acq_rel(have, have + n)) return true;
  return false;
}

Result<usize> EventFile::read(IoBuf& buf) {
  if (buf.left() < sizeof(u64)) return Errno::einval;
  u64 taken = try_take();
  if (taken == 0) {
    if (!may_wait(buf)) return Errno::eagain;
    const auto is_ready = [&] { return (taken = try_take()) != 0; };
    if (sched::wait_interruptible(readable_, is_ready) == sched::WaitResult::interrupted)
      return restart::sys;
  }
  writable_.wake_all();
  if (buf.put(object_bytes(taken)) != sizeof(taken)) return Errno::efault;
  return sizeof(taken);
}

Result<usize> EventFile::write(IoBuf& buf) {
  u64 n = 0;
  if (buf.left() != sizeof(n)) return Errno::einval;
  if (buf.get(std::span(reinterpret_cast<byte*>(&n), sizeof(n))) != sizeof(n)) return Errno::efault;
  if (n == invalid) return Errno::einval;
  if (!try_add(n)) {
    if (!may_wait(buf)) return Errno::eagain;
    const auto is_ready = [&] { return try_add(n); };
    if (sched::wait_interruptible(writable_, is_ready) == sched::WaitResult::interrupted)
      return restart::sys;
  }
  readable_.wake_all();
  return sizeof(n);
}

PollEvents EventFile::poll(PollTable* table) {
  if (table != nullptr) {
    table->watch(readable_, PollEvent::in);
    table->watch(writable_, PollEvent::out);
  }
  const u64 have = counter_.load_seq_cst();
  PollEvents e;
  if (have != 0) e |= PollEvent::in;
  if (have < most) e |= PollEvent::out;
  return e;
}

}  // namespace

Result<Ref<File>> make_eventfd(u32 count, bool is_semaphore, u32 flags) {
  constexpr u32 read_write = 2;
  return Ref<File>(
      TRY(mem::make_ref<EventFile>(ALLOC_SITE, flags | read_write, count, is_semaphore)));
}

}  // namespace auk::io
