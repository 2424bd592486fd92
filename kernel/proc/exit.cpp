#include "proc/exit.hpp"

#include <algorithm>
#include <array>

#include "core/panic.hpp"
#include "generated/uapi/wait.hpp"
#include "proc/clone.hpp"
#include "proc/futex.hpp"
#include "proc/jobs.hpp"
#include "proc/usage.hpp"

namespace auk::proc {
namespace {

constexpr u32 signal_mask = 0x7f, core_bit = 0x80;

i32 exit_kind(u32 status) {
  if ((status & signal_mask) == 0) return uapi::cld_exited;
  return (status & core_bit) != 0 ? uapi::cld_dumped : uapi::cld_killed;
}
u32 exit_value(u32 status) {
  return (status & signal_mask) == 0 ? status >> 8 & 0xff : status & signal_mask;
}

uapi::siginfo child_signal(Group& child, u32 signal, i32 code, u32 value) {
  uapi::siginfo info{};
  info.signo = static_cast<i32>(signal);
  info.code = code;
  info.fields.child.pid = static_cast<i32>(child.number());
  info.fields.child.uid = child.uid;
  info.fields.child.status = static_cast<i32>(value);
  constexpr u64 tick_ns = 10'000'000;
  const CpuTime t = usage_at_end(child).time;
  info.fields.child.utime = static_cast<i64>(t.user_ns / tick_ns);
  info.fields.child.stime = static_cast<i64>(t.system_ns / tick_ns);
  return info;
}

/// Who takes the children of a process that ends. The tree lock is held.
Group* new_parent(const Tree& t, const Group& dying) {
  for (Group* g = dying.parent; g != nullptr; g = g->parent)
    if (g->is_subreaper && g->life == Life::alive) return g;
  return t.init;
}

/// References that the tree gave up, to be dropped without its lock.
struct Dropped {
  Ref<Group> group;
  Ref<ProcessGroup> process_group;
  Ref<ident::Pid> pid;
  ident::ThreadCharge charge;
};

/// Out of the tree: nobody waits for it any more. The tree lock is held.
void release_group(Group& g, Dropped& out) {
  g.life = Life::dead;
  if (g.parent != nullptr) {
    g.parent->children.remove(g);
    g.parent->children_usage = g.parent->children_usage + usage_at_end(g) + g.children_usage;
    // Who still holds the process may outlive its parent.
    g.parent = nullptr;
  }
  out.process_group = join_process_group(g, {});
  out.pid = g.pid;
  out.charge = std::move(g.charge);
  g.pid->group = nullptr;
  if (g.pid->is_unused()) ident::free_pid_number(*g.pid);
  // The tree's own reference.
  out.group = Ref<Group>::adopt(&g);
}

/// The last thread has gone. The parent has its signal before it can learn of the end otherwise.
void end_group(Tree& t, Group& g, Sending& sending, Dropped& out) {
  g.life = Life::zombie;
  if (&g == t.init) core::panic("Attempted to kill init! exitcode=0x{:08x}", g.exit_code);
  Group* const heir = new_parent(t, g);
  bool heir_has_zombies = false;
  while (Group* const child = g.children.pop_front()) {
    child->parent = heir;
    child->exit_signal = uapi::sigchld;
    heir->children.push_back(*child);
    heir_has_zombies = heir_has_zombies || child->life == Life::zombie;
  }
  if (heir_has_zombies) heir->child_changed.wake_all();
  const Action action = g.parent->handlers->get(uapi::sigchld);
  const bool unwanted = g.exit_signal == uapi::sigchld &&
                        (action.handler == handler_ignore ||
                         (action.flags & static_cast<u64>(uapi::sa_nocldwait)) != 0);
  Group& parent = *g.parent;
  const bool unheard = unwanted && action.handler == handler_ignore;
  if (g.exit_signal != 0 && !unheard)
    (void)sending.send_locked(
        parent, nullptr,
        child_signal(g, g.exit_signal, exit_kind(g.exit_code), exit_value(g.exit_code)));
  if (unwanted) {
    release_group(g, out);
    parent.child_changed.wake_all();
  } else {
    parent.child_changed.wake_all();
  }
}

void leave_space(Task& me) {
  leave_futexes(me, true);
  drop_space(me);
  finish_vfork(me);
}

}  // namespace

void drop_space(Task& me) {
  if (me.space) note_peak_pages(*me.group, *me.space);
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

/// Takes the thread, and with the last one the process, out of the tree. Everything it held is
/// dropped when this returns: the thread itself never does.
void leave_tree(Task& me, u32 status) {
  const Ref<Group> group = me.group;
  Group& g = *group;
  Dropped dropped;
  Sending sending;
  Ref<Terminal> terminal;
  const u64 ran = me.run_time_ns();
  bool last = false;
  {
    auto t = tree.lock();
    g.tasks.remove(me);
    (void)g.dead_run_time_ns.fetch_add_relaxed(ran);
    g.dead_events += events_of(me);
    me.pid->task = nullptr;
    if (me.pid->is_unused()) ident::free_pid_number(*me.pid);
    last = --g.live_tasks == 0;
    dropped.charge = std::move(me.charge);
    if (last) {
      {
        auto s = g.signals.lock();
        g.exit_code = s->is_exiting ? s->exit_status : status;
        s->is_exiting = true;
      }
      g.uid = me.cred().uid;
      g.last_name = me.name_;
      g.charge = std::move(dropped.charge);
      Session& session = *g.process_group->session;
      if (session.pid == g.pid) std::swap(terminal, session.terminal);
      end_group(*t, g, sending, dropped);
    }
  }
  if (terminal) terminal->session_ended();
  if (last) {
    (void)g.real_timer.set({});
    g.timers.remove_all();
  } else {
    g.thread_gone.wake_all();
  }
}

}  // namespace

void exit_task(Task& me, u32 status) {
  leave_space(me);
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
      old->task = nullptr;
      if (old->is_unused()) ident::free_pid_number(*old);
      me.pid = g.pid;
      g.pid->task = &me;
    }
  }
  return {};
}

void notify_parent_of_stop(Group& g, u32 signal) {
  Sending sending;
  auto t = tree.lock();
  if (g.parent == nullptr) return;
  Group& parent = *g.parent;
  const Action action = parent.handlers->get(uapi::sigchld);
  if (action.handler != handler_ignore &&
      (action.flags & static_cast<u64>(uapi::sa_nocldstop)) == 0)
    (void)sending.send_locked(parent, nullptr,
                              child_signal(g, uapi::sigchld, uapi::cld_stopped, signal));
  parent.child_changed.wake_all();
}

namespace {

bool matches(const Group& child, const WaitRequest& r) {
  const bool is_clone = child.exit_signal != static_cast<u32>(uapi::sigchld);
  if ((r.options & static_cast<u32>(uapi::wall)) == 0 &&
      is_clone != ((r.options & uapi::wclone) != 0))
    return false;
  switch (r.which) {
    case WaitRequest::Which::any: return true;
    case WaitRequest::Which::pid: return child.number() == r.number;
    case WaitRequest::Which::process_group:
      return child.process_group && child.process_group_number() == r.number;
  }
  return false;
}

enum class Found : u8 { event, children, none };

Found look_for_child(Group& me, const WaitRequest& r, WaitAnswer& answer, Dropped& dropped) {
  const auto wants = [&](int option) { return (r.options & static_cast<u32>(option)) != 0; };
  const bool keep = wants(uapi::wnowait);
  auto t = tree.lock();
  bool any = false;
  for (Group& child : me.children) {
    if (!matches(child, r)) continue;
    any = true;
    answer.pid = child.number();
    answer.uid = child.uid;
    if (child.life == Life::zombie) {
      if (!wants(uapi::wexited)) continue;
      answer.status = child.exit_code;
      answer.code = exit_kind(child.exit_code);
      answer.usage = usage_at_end(child) + child.children_usage;
      if (!keep) release_group(child, dropped);
      return Found::event;
    }
    if (wants(uapi::wuntraced) && !child.stop_reported) {
      answer.status = (child.stop_signal << 8) | 0x7f;
      answer.code = uapi::cld_stopped;
      if (!keep) child.stop_reported = true;
      return Found::event;
    }
    if (wants(uapi::wcontinued) && !child.continue_reported) {
      answer.status = 0xffff;
      answer.code = uapi::cld_continued;
      if (!keep) child.continue_reported = true;
      return Found::event;
    }
  }
  answer = {};
  return any ? Found::children : Found::none;
}

}  // namespace

Result<WaitAnswer> wait_for_child(Task& me, const WaitRequest& request) {
  WaitAnswer answer;
  Found found = Found::none;
  const auto look = [&] {
    Dropped dropped;
    found = look_for_child(*me.group, request, answer, dropped);
    return found != Found::children || (request.options & static_cast<u32>(uapi::wnohang)) != 0;
  };
  if (sched::wait_interruptible(me.group->child_changed, look) == sched::WaitResult::interrupted)
    return restart::sys;
  if (found == Found::none) return Errno::echild;
  return answer;
}

}  // namespace auk::proc
