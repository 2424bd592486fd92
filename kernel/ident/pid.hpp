// Process identities: numbers, and what outlives the process behind them.
//
// Data model: PidNamespace -> pages of slots, made when first used and gone when empty, -> Pid by
// number; sets of bits tell which pages and slots are in use. Namespaces form a tree, up to 32
// deep; a Pid has a number in its own and in each one above. It is counted: its task, groups and
// sessions named after it, and pidfds hold it. Its numbers are free again when the last of its
// users in the tree is gone; a pidfd keeps the identity, not the numbers. A Pid keeps its
// namespace. Lookups are RCU. Locking: level pid for allocation, one lock for each namespace, one
// at a time. Context: any but interrupts for allocation. Source: pid_namespaces(7), credentials(7),
// pidfd_open(2).
#pragma once
#include "base/bits.hpp"
#include "base/own.hpp"
#include "core/rcu.hpp"
#include "core/spin.hpp"
#include "mem/box.hpp"
#include "mem/text.hpp"
#include "sched/wait.hpp"

namespace auk::ident {

inline constexpr u32 pid_limit = u32{1} << 22;

class Pid;
class PidNamespace;
/// The next free numbers in a namespace and all above it. EAGAIN when there is none, ENOMEM.
Result<Ref<Pid>> allocate_pid(PidNamespace& space);

/// What came to an end, as who holds the identity sees it.
enum class End : u8 {
  none,
  process,  ///< a zombie: the process has ended, its number stands for it
  all,      ///< nobody is behind the number any more
};

class Pid final : public RefCounted<Pid>, public core::RcuHead {
  friend Result<Ref<Pid>> allocate_pid(PidNamespace& space);
  u32 number_ = 0;  ///< in the first namespace
  u32 level_ = 0;
  u32* inner_ = nullptr;  ///< owned: those on the levels from 1 on
  u64 serial_ = 0;
  Ref<PidNamespace> space_;
  Atomic<End> end_{End::none};

 public:
  /// The thread, process, process group and session of this number. The tree lock of proc guards
  /// them; the number is taken while any is left.
  void* task = nullptr;
  void* group = nullptr;
  void* process_group = nullptr;
  void* session = nullptr;
  bool is_unused() const {
    return task == nullptr && group == nullptr && process_group == nullptr && session == nullptr;
  }
  /// Woken by note_end().
  sched::WaitQueue changed;

  Pid() = default;
  ~Pid();
  /// With the tree lock.
  void note_end(End e) {
    end_.store_release(e);
    if (changed.has_waiters()) changed.wake_all();
  }
  End end() const { return end_.load_acquire(); }
  static void destroy(Pid* p) { core::rcu_call(*p); }
  void retire() override { mem::destroy(this); }
  /// In the first namespace, and in its own.
  u32 number() const { return number_; }
  u32 own_number() const { return level_ == 0 ? number_ : inner_[level_ - 1]; }
  /// 0: it is not seen from there.
  u32 number_in(const PidNamespace& space) const;
  u32 number_on(u32 level) const { return level == 0 ? number_ : inner_[level - 1]; }
  /// In those further in than a namespace that sees it, each behind a tab, as NSpid of proc(5).
  void put_inner_numbers(const PidNamespace& viewer, mem::Text& out) const;
  PidNamespace& space() const { return *space_; }
  u32 level() const { return level_; }
  /// Never that of another identity, from 1 on: its inode number.
  u64 serial() const { return serial_; }
};

class PidNamespace final : public RefCounted<PidNamespace> {
  static constexpr u32 page_slots = 448;
  static constexpr u32 page_count = pid_limit / page_slots + 1;
  static constexpr u32 chunk_pages = 512;
  static constexpr u32 chunk_count = page_count / chunk_pages + 1;

  struct SlotPage final : core::RcuHead {
    u32 used = 0;  ///< the lock guards it
    BitSet<page_slots> taken;
    std::array<Atomic<Pid*>, page_slots> slots{};
    void retire() override { mem::destroy(this); }
  };
  static_assert(sizeof(SlotPage) <= page_size);
  using Chunk = std::array<Atomic<SlotPage*>, chunk_pages>;
  /// The slots and sets are read under RCU, and changed under the lock. Chunks stay.
  std::array<Atomic<Chunk*>, chunk_count> chunks_{};
  BitSet<page_count> pages_in_use_;
  struct Allocation {
    u32 last = 0, used = 0;
  };
  core::Guarded<core::level::pid, Allocation, core::SpinIrqOff> allocation_;
  Atomic<bool> is_closed_{false};

  static u32 index_of(u32 number) { return number / page_slots; }
  Atomic<SlotPage*>* place_of(u32 index) const {
    Chunk* const c = chunks_[index / chunk_pages].load_acquire();
    return c == nullptr ? nullptr : &(*c)[index % chunk_pages];
  }
  SlotPage* page_of(u32 index) const {
    Atomic<SlotPage*>* const at = place_of(index);
    return at == nullptr ? nullptr : at->load_acquire();
  }
  SlotPage* take_if_empty(u32 index, u32 last);
  Result<void> make_page(u32 number);
  u32 next_free_number(u32 last, u32 limit) const;
  /// EAGAIN: all are taken. ENOMEM; also when the first process has ended.
  Result<u32> take_number();
  void publish(Pid& p, u32 number);
  void give_back(u32 number);
  friend Result<Ref<Pid>> allocate_pid(PidNamespace& space);
  friend void free_pid_number(Pid& p);

 public:
  static constexpr u32 deepest = 32;
  const Ref<PidNamespace> parent;
  const u32 level = 0;
  /// Never that of another one.
  const u64 id = 0;
  /// The process that its orphans go to, and whose end is that of all others; proc's tree lock
  /// guards it.
  void* first_process = nullptr;
  u32 reboot_status = 0;  ///< what the first process ends with, if not 0; guarded likewise
  /// Where ends of its processes are recorded; guarded likewise.
  void* account = nullptr;
  /// Woken when at most two numbers are left.
  sched::WaitQueue deserted;

  constexpr PidNamespace() = default;
  PidNamespace(Ref<PidNamespace> p, u64 number)
      : parent(std::move(p)),
        level(parent->level + 1),
        id(number) {}
  ~PidNamespace();
  /// ENOMEM; ENOSPC: it would lie too deep.
  static Result<Ref<PidNamespace>> create(PidNamespace& parent);
  static void destroy(PidNamespace* s) { mem::destroy(s); }

  /// ESRCH.
  Result<Ref<Pid>> find(u32 number);
  /// The smallest number from `first` on that is taken, or none. Who goes through all of them sees
  /// those that are there from beginning to end.
  Ref<Pid> next(u32 first);
  /// The number given out last, and how many are taken.
  u32 last() { return allocation_.lock()->last; }
  u32 used() { return allocation_.lock()->used; }
  /// No number is given out any more. With the tree lock: who is about to come into the tree looks.
  void close() { is_closed_.store_release(true); }
  bool is_closed() const { return is_closed_.load_acquire(); }
  /// This one lies in `other`, or is it.
  bool is_in(const PidNamespace& other) const {
    const PidNamespace* at = this;
    while (at->level > other.level) at = at->parent.get();
    return at == &other;
  }
};

/// That of the system.
PidNamespace& first_pids();
/// The numbers may be given to somebody else from now on.
void free_pid_number(Pid& p);
/// Linux's kernel.pid_max.
u32 pid_max();

/// What a number of the first namespace is in another; 0: nobody is seen by it there.
u32 translated(u32 number, const PidNamespace& to);

inline u32 Pid::number_in(const PidNamespace& space) const {
  if (space.level == 0) return number_;
  if (space.level > level_ || !space_->is_in(space)) return 0;
  return inner_[space.level - 1];
}

}  // namespace auk::ident
