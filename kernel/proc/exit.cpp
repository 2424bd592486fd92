#include "proc/exit.hpp"

#include <algorithm>
#include <array>

#include "core/panic.hpp"
#include "proc/accounting.hpp"
#include "proc/clone.hpp"
#include "proc/family.hpp"
#include "proc/futex.hpp"
#include "proc/jobs.hpp"
#include "proc/usage.hpp"

namespace auk::proc {
namespace {

void leave_space(Task& me) {
  // Nothing that a program has to do first is waited for (userfaultfd(2)): no signal would end it.
  const bool was_told = (me.work_bits.fetch_or_acq_rel(core::work::fatal) & core::work::fatal) != 0;
  leave_futexes(me, true);
  if (!was_told) (void)me.work_bits.fetch_and_acq_rel(~core::work::fatal);
  drop_space(me);
  finish_vfork(me);
}

}  // namespace

void drop_space(Task& me) {
  if (me.space) note_peak_pages(*me.group, *me.space);
  machine::forget_selectors(me.user);
  const Ref<vm::AddressSpace> old = me.set_space({});
  mem::drop_lazy_translation();
}

void finish_vfork(Task& me) {
  if (!me.vfork_parent) return;
  const Ref<Task> parent = std::move(me.vfork_parent);
  me.vfork_over.store_release(true);
  parent->vfork_queue.wake_all();
}

namespace {

/// What has to be done when the tree's lock is free again.
struct Farewell {
  Sending sending;
  Dropped dropped;
  Ref<Session> session;  ///< whose leader goes
  Ref<Terminal> terminal;
  bool is_last = false;
};

/// The last thread goes, and the process with it. The parent has its signal before it can learn of
/// the end otherwise. The tree lock is held.
void end_group(const Tree& t, Task& me, u32 status, Farewell& out) {
  Group& g = *me.group;
  {
    auto s = g.signals.lock();
    g.exit_code = s->is_exiting ? s->exit_status : status;
    s->is_exiting = true;
    s->is_stopped = false;
  }
  g.uid = me.cred().uid;
  g.domain = me.cred().domain;
  g.last_name = me.name_;
  g.charge = std::move(out.dropped.charge);
  g.life = Life::zombie;
  g.pid->note_end(ident::End::process);
  if (&g == t.init) core::panic("Attempted to kill init! exitcode=0x{:08x}", g.exit_code);
  tell_of_end(g, out.sending, out.dropped);
}

/// Signals for the process that this thread was chosen for are another one's now.
void pass_signals_on(Group& g) {
  auto s = g.signals.lock();
  if (s->pending.bits == 0) return;
  for (Task& other : g.tasks)
    if ((s->pending.bits & ~other.blocked) != 0) sched::notify(other, core::work::signal);
}

/// True when the leader of a session had a terminal to give up.
bool leave_session(const Group& g, Farewell& out) {
  const Ref<Session>& session = g.process_group->session;
  if (session->pid != g.pid || (!session->terminal && !session->old_foreground)) return false;
  std::swap(out.terminal, session->terminal);
  std::swap(out.dropped.left_alone, session->old_foreground);
  out.session = session;
  return true;
}

/// What a thread sees to before it leaves the tree: members of the namespace that it is the first
/// of, children, the terminal of its session, stopped jobs.
enum class Left : u8 { members, children, session, jobs, nothing };

/// The number stands for no thread any more. The tree lock is held.
void drop_number(ident::Pid& p) {
  p.task = nullptr;
  // That of the process goes with the process.
  if (p.group == nullptr) p.note_end(ident::End::all);
  if (p.is_unused()) ident::free_pid_number(p);
}

/// The first process of a namespace ends, and with it all others there: its last thread waits for
/// them, and takes what they leave behind. Nobody comes there any more. pid_namespaces(7).
void empty_namespace(Task& me) {
  ident::PidNamespace& space = me.pid_space();
  (void)sched::wait(me.group->thread_gone, [&] {
    auto t = tree.lock();
    return me.group->live_tasks == 1;
  });
  (*me.group->handlers->actions.lock())[uapi::sigchld - 1] = {.handler = handler_ignore};
  for (u32 n = 1; const Ref<Group> g = next_group(space, n); ++n)
    if (g != me.group) (void)send_to_group(*g, kernel_signal(uapi::sigkill));
  const auto look = [&] {
    Dropped dropped;
    return !take_ended_child(me, dropped);
  };
  // Its own number, and that of a thread which is not the first one.
  const u32 own = me.pid == me.group->pid ? 1 : 2;
  (void)sched::wait(me.group->child_changed, [&] {
    while (!look()) {}
    return space.used() <= own || !has_children(me);
  });
  // What others have to wait for, or hold by its number.
  (void)sched::wait(space.deserted, [&] { return space.used() <= own; });
  end_accounting(space);
}

/// Another thread of the process could have orphans. The tree lock is held.
bool has_others_that_stay(const Task& me) {
  for (const Task& other : me.group->tasks)
    if (&other != &me && !other.is_leaving) return true;
  return false;
}

/// What was seen to already.
struct Done {
  bool has_emptied = false, has_left_jobs = false;
};

/// What had to be seen to first: then it is tried again. `nothing`: the thread has left.
Left try_leave_tree(Task& me, u32 status, Done done, Farewell& out) {
  Group& g = *me.group;
  auto t = tree.lock();
  if (g.is_first() && &g != t->init && !done.has_emptied && !has_others_that_stay(me)) {
    me.pid_space().close();
    return Left::members;
  }
  if (!pass_children_on(*t, me, out.sending, out.dropped)) return Left::children;
  if (g.live_tasks == 1 && leave_session(g, out)) return Left::session;
  if (g.live_tasks == 1 && !done.has_left_jobs) {
    look_for_jobs_left_by(g, out.dropped);
    if (out.dropped.left_alone) return Left::jobs;
  }
  g.tasks.remove(me);
  pass_signals_on(g);
  (void)g.dead_run_time_ns.fetch_add_relaxed(me.run_time_ns());
  g.dead_events += events_of(me);
  g.dead_io += me.io_counts.totals();
  drop_number(*me.pid);
  out.dropped.charge = std::move(me.charge);
  out.is_last = --g.live_tasks == 0;
  if (out.is_last) end_group(*t, me, status, out);
  return Left::nothing;
}

/// What reboot(2) in the namespace has its first process end with.
u32 status_of_reboot(Task& me, u32 status) {
  auto t = tree.lock();
  const u32 wanted = me.pid_space().reboot_status;
  if (wanted == 0) return status;
  auto s = me.group->signals.lock();
  s->is_exiting = true;
  s->exit_status = wanted;
  return wanted;
}

/// Takes the thread, and with the last one the process, out of the tree. Everything it held is
/// dropped when this returns: the thread itself never does.
void leave_tree(Task& me, u32 status) {
  const Ref<Group> group = me.group;
  Group& g = *group;
  bool is_last = false;
  Done done;
  for (Left left = Left::children; left != Left::nothing;) {
    Farewell farewell;
    left = try_leave_tree(me, status, done, farewell);
    done.has_left_jobs = done.has_left_jobs || left == Left::jobs;
    if (left == Left::members) {
      empty_namespace(me);
      done.has_emptied = true;
      status = status_of_reboot(me, status);
    }
    hang_up(farewell.dropped);
    if (farewell.terminal) farewell.terminal->session_ended(*farewell.session, true);
    is_last = farewell.is_last;
  }
  if (is_last) {
    (void)g.real_timer.set({});
    g.timers.remove_all();
  } else {
    g.thread_gone.wake_all();
  }
}

}  // namespace

void exit_task(Task& me, u32 status) {
  Group& g = *me.group;
  if (me.pid == g.pid) g.leader_status = status;
  const bool is_last = g.unfinished_tasks.fetch_sub_acq_rel(1) == 1;
  if (is_last && me.space) g.last_pages = me.space->sizes().total;
  leave_space(me);
  if (is_last && is_accounting()) record_end(me);
  me.replace(&Task::files, {});
  me.replace(&Task::fs, {});
  me.replace(&Task::namespaces, {});
  leave_tree(me, status);
  sched::exit_thread();
}

namespace {

/// Every other thread of the group learns that it ends, which is written already. A few at a time,
/// so that interrupts are not held off for all of them.
void tell_others_to_end(Task& me) {
  constexpr usize most = 32;
  for (usize told = most; told == most;) {
    std::array<Ref<Task>, most> chosen;
    told = 0;
    {
      auto t = tree.lock();
      for (Task& other : me.group->tasks) {
        if (told == most) break;
        if (&other == &me || (other.work_bits.load_acquire() & core::work::fatal) != 0) continue;
        chosen[told++] = Ref<Task>(other);
      }
    }
    for (usize i = 0; i < told; ++i)
      sched::notify(*chosen[i], core::work::signal | core::work::fatal);
  }
}

}  // namespace

void exit_group(Task& me, u32 status) {
  constexpr u32 signal_mask = 0x7f;
  if ((status & signal_mask) != 0) me.group->was_signaled.store_relaxed(true);
  {
    auto t = tree.lock();
    {
      auto s = me.group->signals.lock();
      if (s->is_exiting)
        status = s->exit_status;
      else
        s->exit_status = status;
      s->is_exiting = true;
      s->is_stopped = false;
    }
    me.group->forget_stops();
  }
  tell_others_to_end(me);
  me.group->resumed.wake_all();
  exit_task(me, status);
}

Result<void> end_other_threads(Task& me) {
  Group& g = *me.group;
  {
    auto t = tree.lock();
    {
      auto s = g.signals.lock();
      if (s->is_exiting || s->exec_by != nullptr) return Errno::eagain;
      s->exec_by = &me;
    }
  }
  tell_others_to_end(me);
  g.resumed.wake_all();
  (void)sched::wait(g.thread_gone, [&] {
    auto t = tree.lock();
    return g.live_tasks == 1;
  });
  Ref<ident::Pid> old;
  {
    auto t = tree.lock();
    {
      auto s = g.signals.lock();
      s->exec_by = nullptr;
    }
    if (me.pid != g.pid) {
      // The thread takes the number of the process over.
      old = me.pid;
      drop_number(*old);
      me.pid = g.pid;
      g.pid->task = &me;
    }
  }
  return {};
}

}  // namespace auk::proc
