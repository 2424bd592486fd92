// Wrong and right ways to take locks. With WRONG each marked line must produce its diagnostic;
// without it, the near-identical code beside it must compile in silence.
#include "core/rcu.hpp"
#include "core/spin.hpp"
#include "sched/lock.hpp"

namespace auk {

struct Data {
  int x = 0;
};
using core::Guarded;
namespace level = core::level;
struct Locks {
  Guarded<level::rename, Data, sched::SleepLock> rename;
  Guarded<level::inode, Data, sched::SleepLock> inode, other_inode;
  Guarded<level::space, Data, sched::SleepLock> space;
  Guarded<level::proc_tree, Data, core::SpinIrqOff> tree;
  Guarded<level::group, Data, core::SpinIrqOff> group;
  Guarded<level::files, Data, core::SpinPreemptOff> files;
  Guarded<level::dentry, Data, core::SpinPreemptOff> dentry;
};

#ifdef WRONG
void sleep_under_spin(Locks& l) {
  auto spin = l.group.lock();
  auto sleep = l.inode.lock();  // expected-error {{must be acquired before}}
}
void inner_sleeper_first(Locks& l) {
  auto inner = l.space.lock();
  auto outer = l.inode.lock();  // expected-error {{must be acquired before}}
}
void inner_spinner_first(Locks& l) {
  auto inner = l.files.lock();
  auto outer = l.group.lock();  // expected-error {{must be acquired before}}
}
void far_apart(Locks& l) {
  auto inner = l.dentry.lock();
  auto outer = l.tree.lock();  // expected-error {{must be acquired before}}
}
void twice(Locks& l) {
  auto first = l.files.lock();
  auto again = l.files.lock();  // expected-error 2 {{already held}}
}
void two_of_a_class(Locks& l) {
  auto first = l.inode.lock();
  auto second = l.other_inode.lock();  // expected-error {{already held}}
}
void sleep_in_rcu(Locks& l) {
  const core::RcuReader reader;
  auto sleep = l.inode.lock();  // expected-error {{must be acquired before}}
}
void third_is_wrong(Locks& l) {
  auto a = l.inode.lock();
  auto b = l.space.lock();
  auto c = l.rename.lock();  // expected-error 2 {{must be acquired before}}
}
int value_without_lock(Locks& l) {
  return l.files.value_.x;  // expected-error {{private member}}
}
void wrong_kind() {
  // expected-error@*:* {{static assertion failed}}
  static Guarded<level::inode, Data, core::SpinPreemptOff> g;  // expected-note {{in instantiation}}
}
#endif

void sleep_then_spin(Locks& l) {
  auto sleep = l.inode.lock();
  auto spin = l.group.lock();
}
void outer_sleeper_first(Locks& l) {
  auto outer = l.inode.lock();
  auto inner = l.space.lock();
}
void outer_spinner_first(Locks& l) {
  auto outer = l.group.lock();
  auto inner = l.files.lock();
}
void far_apart_in_order(Locks& l) {
  auto outer = l.tree.lock();
  auto inner = l.dentry.lock();
}
void one_after_the_other(Locks& l) {
  { auto first = l.files.lock(); }
  auto again = l.files.lock();
}
void a_twin(Locks& l) {
  auto first = l.inode.lock();
  auto second = l.other_inode.lock_as<level::inode_twin>();
}
void spin_in_rcu(Locks& l) {
  const core::RcuReader reader;
  auto spin = l.dentry.lock();
}
void three_in_order(Locks& l) {
  auto a = l.rename.lock();
  auto b = l.inode.lock();
  auto c = l.space.lock();
}
int value_with_lock(Locks& l) { return l.files.lock()->x; }
void right_kind() { static constinit Guarded<level::dentry, Data, core::SpinPreemptOff> g; }

}  // namespace auk
