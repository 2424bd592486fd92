// Pipe: the ring that both ends of a pipe share.
//
// Data model: slots, each with a page that holds some bytes, in the order they were written. A
// write goes on in the page of the last slot; one of a packet has a slot of its own. Who moves
// bytes between a pipe and something else (splice.cpp) does that without the lock: it reserves
// empty slots and fills them, or claims the oldest bytes, and nobody else reads until it releases
// them. Locking: level pipe, a sleeping lock; the atomic fields are copies for looks without it.
// Context: threads.
#pragma once
#include <array>
#include <bit>

#include "io/pipe.hpp"
#include "sched/lock.hpp"
#include "sched/wait.hpp"

namespace auk::io {

enum class Side : u32 { read = 1, write = 2 };
using Sides = Flags<Side>;

struct PipeSlot {
  byte* page = nullptr;
  u32 start = 0, size = 0;
  bool is_packet = false;
};

class Pipe final : public RefCounted<Pipe> {
 public:
  static constexpr u32 usual_pages = 16, least_pages = 2;

 private:
  struct Ring {
    std::array<PipeSlot, usual_pages> few{};
    std::span<PipeSlot> slots = few;  ///< owned, if they are others; a power of two
    byte* spare = nullptr;            ///< owned: a page for the next slot
    u64 head = 0, tail = 0;           ///< counters of slots
    u64 bytes = 0;
    u32 reserved = 0;  ///< empty slots that are promised to somebody
    u32 readers = 0, writers = 0;
    bool is_claimed = false;

    PipeSlot& slot(u64 at) { return slots[at & (slots.size() - 1)]; }
    u64 used() const { return head - tail; }
    u64 free() const { return slots.size() - used() - reserved; }
    /// What more fits into the last page.
    u32 room_in_last();
    void push(const PipeSlot& s);
    void give_page(byte* page);
    void pop();
    /// The first bytes of the oldest slot are read.
    void drop(u32 size);
  };
  core::Guarded<core::level::pipe, Ring, sched::SleepLock> ring_;
  Atomic<u64> bytes_{0};
  Atomic<u64> room_{usual_pages * page_size};  ///< in empty slots and in the last page
  Atomic<bool> is_claimed_{false};
  Atomic<u32> readers_{0}, writers_{0};
  Atomic<u32> reader_opens_{0}, writer_opens_{0};
  sched::WaitQueue readable_, writable_;
  Atomic<u64> capacity_{usual_pages * page_size};
  u64 inode_;
  const u32 uid_, gid_;
  Ref<ident::User> payer_;  ///< the ring's lock guards it; null: its pages are not counted
  LockSpace lock_space_;

  void publish(Ring& r);
  static void free_pages(Ring& r);
  static void use(Ring& r, std::span<PipeSlot> slots);
  void reset(Ring& r);
  static Result<void> charge(ident::User& payer, u64 pages, bool may_exceed_limits);
  enum class Filled : u8 { all, no_room, no_memory, fault };
  Filled fill(Ring& r, IoBuf& buf, bool packets);
  bool is_readable() const {
    return !is_claimed_.load_seq_cst() && (bytes_.load_seq_cst() > 0 || !has_writers());
  }
  bool has_room(u64 bytes) const { return room_.load_seq_cst() >= bytes || !has_readers(); }

 public:
  explicit Pipe(u64 inode, u32 uid = 0, u32 gid = 0) : inode_(inode), uid_(uid), gid_(gid) {}
  ~Pipe();
  static void destroy(Pipe* p) { mem::destroy(p); }

  u64 inode() const { return inode_; }
  u32 uid() const { return uid_; }
  u32 gid() const { return gid_; }
  u64 capacity() const { return capacity_.load_seq_cst(); }
  /// For a fresh pipe.
  Result<void> set_maker(const PipeMaker& who);
  Result<u64> resize(u32 size, const PipeMaker& who);
  LockSpace& lock_space() { return lock_space_; }
  /// EAGAIN, restart::sys, EFAULT.
  Result<usize> read(IoBuf& buf, bool may_wait);
  struct Writing {
    bool may_wait = true;
    bool in_packets = false;    ///< O_DIRECT
    bool may_be_short = false;  ///< waits for some room only
  };
  /// EPIPE too, and ENOMEM.
  Result<usize> write(IoBuf& buf, Writing how);

  /// Gives how many opens of the other side this one has missed: once opens() tells another number,
  /// both sides have been open together. Decided under one lock with the opening itself: the other
  /// side may come, write and be gone before this thread looks again.
  u32 open(Sides sides);
  void close(Sides sides);
  Result<void> wait_for_opener(Sides mine, u32 missed);
  u32 opens(Side s) const {
    return (s == Side::write ? writer_opens_ : reader_opens_).load_seq_cst();
  }
  bool has_readers() const { return readers_.load_seq_cst() != 0; }
  bool has_writers() const { return writers_.load_seq_cst() != 0; }
  PollEvents poll(PollTable* table, Sides sides, u32 missed);
  u64 bytes_waiting() const { return bytes_.load_seq_cst(); }

  /// Until there is something to read, or the end. restart::sys.
  Result<void> wait_readable();
  /// Until there is room for so much, or nobody reads: a page means that a slot is empty.
  /// restart::sys.
  Result<void> wait_writable(u64 bytes = page_size);
  /// Empty slots for the caller, up to `most`; each comes back by put() or give_back().
  u32 reserve(u32 most);
  /// The page is the pipe's from now on.
  void put(const PipeSlot& filled);
  void give_back(u32 reserved);
  /// The oldest bytes, in as many slots as `out` has; release() once there were any. 0: there are
  /// none, or somebody else is at them.
  u32 claim(std::span<PipeSlot> out);
  /// So many of the claimed bytes are gone.
  void consume(u64 bytes);
  /// The page of the oldest slot, which is claimed, is the caller's, and the slot is gone.
  void take_slot();
  void release();
};

}  // namespace auk::io
