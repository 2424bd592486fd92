// Parents and children: who learns of an end, and who takes over what an end leaves behind.
//
// Data model: a process is the child of one thread of its parent, as wait(2) with __WNOTHREAD and
// PR_SET_PDEATHSIG see it. A thread that ends passes its children on: to another thread, to the
// next ancestor that asked for orphans (PR_SET_CHILD_SUBREAPER), or to the first process. That
// happens before the thread leaves the tree, in pieces: no piece holds interrupts off for long, and
// each has its own place for a signal. Locking: the tree lock for everything here. Source: wait(2),
// prctl(2), POSIX on orphaned process groups (General Concepts, 3.264 and exit()).
#pragma once
#include "proc/task.hpp"

namespace auk::proc {

/// References that the tree gave up, to be dropped without its lock, and what is to be sent then.
struct Dropped {
  Ref<Group> group;
  Ref<ProcessGroup> process_group;
  Ref<ident::Pid> pid;
  ident::ThreadCharge charge;
  /// A job that is to be hung up: stopped, and nobody can continue it any more, or that of a lost
  /// terminal.
  Ref<ident::Pid> left_alone;
};
/// SIGHUP and SIGCONT to the job that was left alone, if any. Without the tree lock.
void hang_up(const Dropped& d);

/// Out of the tree: nobody waits for it any more.
void release_group(Group& g, Dropped& out);
/// The parent learns of the end of a process, which goes at once if nobody will wait for it.
void tell_of_end(Group& g, Sending& sending, Dropped& out);
/// A process that is about to end was what tied its process group to the rest of the session.
void look_for_jobs_left_by(const Group& g, Dropped& out);
/// Passes some children of a thread on that is about to end, up to one that takes longer or that
/// something has to be sent for. True: there were none left.
bool pass_children_on(const Tree& t, Task& me, Sending& sending, Dropped& out);

/// SIGCHLD and a wake-up for a child that stopped (CLD_STOPPED) or went on.
void tell_of_stop(Group& g, i32 code, u32 signal, Sending& sending);

/// The real user, also of a process without threads.
u32 uid_of(Group& g);
/// CLD_EXITED and so on, by a status word of wait(2).
i32 exit_kind(u32 status);

}  // namespace auk::proc
