// Process identities: a number, and what outlives the process behind it.
//
// Data model: pages of slots, made when first used and gone when empty, -> Pid by number; sets of
// bits tell which pages and slots are in use. A Pid is counted:
// its task, groups and sessions named after it, and (later) pidfds hold it. A number is free again
// when the last reference is gone from the table's users. Lookups are RCU. Locking: level pid for
// allocation. Context: any but interrupts for allocation. Source: pid_namespaces(7),
// credentials(7).
#pragma once
#include "base/own.hpp"
#include "core/rcu.hpp"
#include "mem/box.hpp"

namespace auk::ident {

inline constexpr u32 pid_limit = u32{1} << 22;

class Pid final : public RefCounted<Pid>, public core::RcuHead {
  u32 number_ = 0;

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

  Pid() = default;
  ~Pid() = default;
  /// Before anybody else sees it.
  void set_number(u32 n) { number_ = n; }
  static void destroy(Pid* p) { core::rcu_call(*p); }
  void retire() override { mem::destroy(this); }
  u32 number() const { return number_; }
};

/// The next free number. EAGAIN when there is none, ENOMEM.
Result<Ref<Pid>> allocate_pid();
/// The number may be given to somebody else from now on.
void free_pid_number(Pid& p);
/// ESRCH.
Result<Ref<Pid>> find_pid(u32 number);
/// The number given out last.
u32 last_pid();
/// Linux's kernel.pid_max.
u32 pid_max();
/// The smallest number from `first` on that is taken, or none. Who goes through all of them sees
/// those that are there from beginning to end.
Ref<Pid> next_pid(u32 first);

}  // namespace auk::ident
