#include "proc/family.hpp"

#include "generated/uapi/wait.hpp"
#include "proc/jobs.hpp"
#include "proc/usage.hpp"

namespace auk::proc {
namespace {

constexpr u32 signal_mask = 0x7f, core_bit = 0x80;

u32 exit_value(u32 status) {
  return (status & signal_mask) == 0 ? status >> 8 & 0xff : status & signal_mask;
}

/// As its parent is to see it.
uapi::siginfo child_signal(Group& child, u32 signal, i32 code, u32 value) {
  uapi::siginfo info{};
  info.signo = static_cast<i32>(signal);
  info.code = code;
  info.fields.child.pid = static_cast<i32>(child.pid->number_in(child.parent->pid->space()));
  info.fields.child.uid = uid_of(child);
  info.fields.child.status = static_cast<i32>(value);
  constexpr u64 tick_ns = 10'000'000;
  const CpuTime t = usage_at_end(child).time;
  info.fields.child.utime = static_cast<i64>(t.user_ns / tick_ns);
  info.fields.child.stime = static_cast<i64>(t.system_ns / tick_ns);
  return info;
}

Task* staying_thread(Group& g) {
  for (Task& t : g.tasks)
    if (!t.is_leaving) return &t;
  return nullptr;
}

/// Null when nobody is left who could: the first process ends.
Task* new_parent(const Tree& tree, Task& me) {
  if (Task* const t = staying_thread(*me.group)) return t;
  const ident::PidNamespace& space = me.pid_space();
  for (Group* g = me.group->parent; g != nullptr && &g->pid->space() == &space; g = g->parent)
    if (g->is_subreaper)
      if (Task* const t = staying_thread(*g)) return t;
  // Orphans stay in their namespace, unless the last one goes that could have them.
  for (const ident::PidNamespace* s = &space; s != nullptr; s = s->parent.get())
    if (s->first_process != nullptr)
      if (Task* const t = staying_thread(*static_cast<Group*>(s->first_process))) return t;
  return staying_thread(*tree.init);
}

bool is_stopped(Group& g) { return g.signals.lock()->is_stopped; }

/// `g` loses a parent that could continue its job. False: there was no need to look far.
bool look_for_jobs(const Group& g, const Group& parent, const Group* without, Dropped& out) {
  ProcessGroup& job = *g.process_group;
  if (!parent.process_group || parent.process_group.get() == &job ||
      parent.process_group->session != job.session)
    return false;
  if (!is_orphaned(job, without)) return true;
  for (Group& member : job.members)
    if (is_stopped(member)) {
      out.left_alone = job.pid;
      break;
    }
  return true;
}

/// Signals that threads of a child wanted when its parent ends.
bool tell_of_parents_end(Task& me, Group& child, Sending& sending) {
  bool any = false;
  for (Task& t : child.tasks) {
    const u32 signal = t.parent_death_signal.load_relaxed();
    if (signal == 0 || !may_signal_locked(me, t, signal).ok()) continue;
    (void)sending.send_locked(child, nullptr, user_signal(signal, me, uapi::si_user));
    any = true;
  }
  return any;
}

}  // namespace

u32 uid_of(Group& g) {
  Task* const t = g.tasks.front();
  if (t == nullptr) return g.uid;
  auto lock = t->cred_lock.lock();
  return t->cred().uid;
}

i32 exit_kind(u32 status) {
  if ((status & signal_mask) == 0) return uapi::cld_exited;
  return (status & core_bit) != 0 ? uapi::cld_dumped : uapi::cld_killed;
}

void hang_up(const Dropped& d) {
  if (!d.left_alone) return;
  signal_process_group(*d.left_alone, kernel_signal(uapi::sighup));
  signal_process_group(*d.left_alone, kernel_signal(uapi::sigcont));
}

void release_group(Group& g, Dropped& out) {
  g.life = Life::dead;
  if (g.parent != nullptr) {
    g.leave_parent();
    // Who still holds the process may outlive its parent.
    g.parent = nullptr;
  }
  out.process_group = join_process_group(g, {});
  out.pid = g.pid;
  out.charge = std::move(g.charge);
  g.pid->group = nullptr;
  if (g.is_first()) g.pid->space().first_process = nullptr;
  g.pid->note_end(ident::End::all);
  if (g.pid->is_unused()) ident::free_pid_number(*g.pid);
  // The tree's own reference.
  out.group = Ref<Group>::adopt(&g);
}

void tell_of_end(Group& g, Sending& sending, Dropped& out) {
  Group& parent = *g.parent;
  const Action action = parent.handlers->get(uapi::sigchld);
  const bool is_ignored = action.handler == handler_ignore;
  const bool unwanted = g.exit_signal == uapi::sigchld &&
                        (is_ignored || (action.flags & static_cast<u64>(uapi::sa_nocldwait)) != 0);
  // clone(2) takes any number. One whose parent has become another program is not asked for more
  // than that one expects.
  const u32 signal = g.exit_signal != 0 && g.parent_execs != parent.execs
                         ? static_cast<u32>(uapi::sigchld)
                         : g.exit_signal;
  if (signal != 0 && signal <= signal_count && !(unwanted && is_ignored))
    (void)sending.send_locked(
        parent, nullptr, child_signal(g, signal, exit_kind(g.exit_code), exit_value(g.exit_code)));
  if (unwanted) release_group(g, out);
  parent.child_changed.wake_all();
}

void look_for_jobs_left_by(const Group& g, Dropped& out) {
  if (g.parent != nullptr) (void)look_for_jobs(g, *g.parent, &g, out);
}

bool pass_children_on(const Tree& t, Task& me, Sending& sending, Dropped& out) {
  me.is_leaving = true;
  if (me.children.empty()) return true;
  Task* const heir = new_parent(t, me);
  if (heir == nullptr) return true;
  constexpr u32 most = 64;
  for (u32 n = 0; n < most && !me.children.empty(); ++n) {
    Group& child = Group::of(*me.children.front());
    child.leave_parent();
    child.join_parent(*heir);
    bool is_enough = tell_of_parents_end(me, child, sending);
    if (heir->group != me.group) {
      child.exit_signal = uapi::sigchld;
      if (look_for_jobs(child, *me.group, nullptr, out)) is_enough = true;
      if (child.life == Life::zombie) {
        tell_of_end(child, sending, out);
        is_enough = true;
      }
    }
    if (is_enough) break;
  }
  return false;
}

void tell_of_stop(Group& g, i32 code, u32 signal, Sending& sending) {
  if (g.parent == nullptr) return;
  Group& parent = *g.parent;
  const Action action = parent.handlers->get(uapi::sigchld);
  if (action.handler != handler_ignore &&
      (action.flags & static_cast<u64>(uapi::sa_nocldstop)) == 0)
    (void)sending.send_locked(parent, nullptr, child_signal(g, uapi::sigchld, code, signal));
  parent.child_changed.wake_all();
}

}  // namespace auk::proc
