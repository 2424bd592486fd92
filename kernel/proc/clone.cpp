#include "proc/clone.hpp"

#include "base/annotations.hpp"
#include "core/event_counts.hpp"
#include "core/log.hpp"
#include "core/panic.hpp"
#include "generated/uapi/sched.hpp"
#include "proc/exec.hpp"
#include "proc/exit.hpp"
#include "proc/pidfd.hpp"
#include "proc/usage.hpp"

namespace auk::proc {
namespace {

AUK_RO_AFTER_INIT constinit UserEntry* entry_part = nullptr;

bool has(u64 flags, u64 flag) { return (flags & flag) != 0; }

/// clone(2), "ERRORS": combinations that make no sense, in Linux's order.
Result<void> check_flags(Task& me, u64 flags) {
  if (has(flags, uapi::clone_newns) && has(flags, uapi::clone_fs)) return Errno::einval;
  if (has(flags, uapi::clone_thread) && !has(flags, uapi::clone_sighand)) return Errno::einval;
  if (has(flags, uapi::clone_sighand) && !has(flags, uapi::clone_vm)) return Errno::einval;
  // Its parent is not one of those that its end would end.
  if (has(flags, uapi::clone_parent) && me.group->is_first()) return Errno::einval;
  if (has(flags, uapi::clone_thread) &&
      (has(flags, uapi::clone_newpid) || me.namespaces->pids_of_children.get() != &me.pid_space()))
    return Errno::einval;
  constexpr u64 absent = uapi::clone_newcgroup | uapi::clone_newuts | uapi::clone_newipc |
                         uapi::clone_newuser | uapi::clone_newnet;
  // As Linux built without these kinds of namespaces.
  if (has(flags, absent)) return Errno::einval;
  if (has(flags, uapi::clone_pidfd) && has(flags, uapi::clone_detached)) return Errno::einval;
  return {};
}

Result<Ref<Group>> make_group(Task& me, const CloneArgs& args) {
  Ref<Group> g = TRY(mem::make_ref<Group>(ALLOC_SITE));
  g->exit_signal = args.exit_signal;
  g->limits.alone() = *me.group->limits.lock();
  {
    auto t = tree.lock();
    g->oom_score_adj = me.group->oom_score_adj;
    g->is_dumpable = me.group->is_dumpable;
  }
  g->cpu_limit = me.group->cpu_limit;
  g->realtime_limit = me.group->realtime_limit;
  if (has(args.flags, uapi::clone_sighand)) {
    g->handlers = me.group->handlers;
  } else {
    g->handlers = TRY(me.group->handlers->copy());
    if (has(args.flags, uapi::clone_clear_sighand)) g->handlers->reset_caught();
  }
  return g;
}

Result<void> prepare(Task& me, const CloneArgs& args, Task& child) {
  const u64 flags = args.flags;
  child.files = has(flags, uapi::clone_files) ? me.files : TRY(me.files->copy());
  child.space = has(flags, uapi::clone_vm) ? me.space : TRY(me.space->copy(memory_allowance(me)));
  child.translation = &child.space->translation();
  child.blocked = me.blocked;
  if (!has(flags, uapi::clone_vm) || has(flags, uapi::clone_vfork)) {
    child.alt_stack = me.alt_stack;
  }
  child.no_new_privs = me.no_new_privs;
  child.personality = me.personality;
  child.broken_memory = me.broken_memory;
  if (!has(flags, uapi::clone_vm)) {
    child.rseq = me.rseq;
    (void)child.work_bits.fetch_or_relaxed(core::work::rseq);
  }
  child.io_priority.store_relaxed(me.io_priority.load_relaxed());
  child.timer_slack_ns = child.default_timer_slack_ns = me.timer_slack_ns;
  TRY(sched::prepare_thread(child, me.name(), child, {.scheduling = me.scheduling().inherited()}));
  sched::inherit_affinity(child, me);
  machine::Registers& registers = child.registers();
  registers = me.registers();
  registers.set_result(0);
  registers.leave_syscall();
  if (args.stack.value != 0) registers.set_stack(args.stack.value);
  machine::copy_segments(child.user, me.user);
  if (has(flags, uapi::clone_settls)) {
    // The CPU refuses others, and not when it is convenient.
    if (args.tls >= core::user_end) return Errno::eperm;
    child.user.set_thread_pointer(args.tls);
  }
  me.save_vectors();
  machine::copy_vectors(child.user, me.user);
  return {};
}

/// Links the child into the tree. Fails only when a signal came that must be seen by both, and with
/// ENOMEM when its namespace has come to its end.
Result<void> commit(Task& me, Task& child, u64 flags) {
  auto t = tree.lock();
  Group& g = *child.group;
  if (has(flags, uapi::clone_thread)) {
    auto s = g.signals.lock();
    if (s->is_exiting || s->exec_by != nullptr) return restart::no_intr;
  } else {
    auto s = me.group->signals.lock();
    if (((me.pending.bits | s->pending.bits) & ~me.blocked) != 0 || s->is_exiting)
      return restart::no_intr;
  }
  ident::PidNamespace& numbers = child.pid->space();
  const bool is_first = child.pid->own_number() == 1;
  // The first one has ended, or has not come yet.
  if (numbers.is_closed() || (!is_first && numbers.first_process == nullptr)) return Errno::enomem;
  core::fork_count.add(1);
  child.pid->task = &child;
  g.tasks.push_back(child);
  ++g.live_tasks;
  (void)g.unfinished_tasks.fetch_add_relaxed(1);
  if (has(flags, uapi::clone_thread)) return {};
  g.pid = child.pid;
  g.pid->group = &g;
  if (is_first) numbers.first_process = &g;
  if (has(flags, uapi::clone_parent)) {
    g.exit_signal = me.group->exit_signal;
    g.join_parent(*me.group->parent_thread);
  } else {
    g.join_parent(me);
  }
  g.parent_execs = g.parent->execs;
  g.birth = ++t->births;
  // The tree's own reference.
  (void)Ref<Group>(g).release();
  (void)join_process_group(g, me.group->process_group);
  return {};
}

}  // namespace

void set_user_entry(UserEntry& e) { entry_part = &e; }
UserEntry& user_entry() { return *entry_part; }

Result<u32> clone(Task& me, const CloneArgs& args) {
  // Both would be written to one place; clone(2) has but one for them.
  if (has(args.flags, uapi::clone_pidfd) && has(args.flags, uapi::clone_parent_settid) &&
      args.pidfd == args.parent_tid)
    return Errno::einval;
  TRY(check_flags(me, args.flags));
  Ref<Group> group = has(args.flags, uapi::clone_thread) ? me.group : TRY(make_group(me, args));
  Ref<Task> child = TRY(Task::create(std::move(group), me.cred_ref()));
  const ident::Cred& cred = me.cred();
  if (me.has_too_many_threads(cred) && !cred.has(ident::Cap::sys_resource) &&
      !cred.has(ident::Cap::sys_admin))
    return Errno::eagain;
  if (thread_count() > most_threads.load_relaxed()) return Errno::eagain;
  me.exceeds_threads = false;
  // What it has of its parent's, before it has a number: that is of its namespace.
  child->fs = has(args.flags, uapi::clone_fs) ? me.fs : TRY(me.fs->copy());
  child->namespaces = TRY(copy_namespaces(me, *child->fs, args.flags));
  Ref<ident::Pid> pid = TRY(ident::allocate_pid(*child->namespaces->pids_of_children));
  const u32 number = pid->number_in(me.pid_space());
  const auto give_up = [&](Errno e) {
    sched::abandon_thread(*child);
    ident::free_pid_number(*pid);
    return e;
  };
  child->pid = pid;
  if (const Result<void> r = prepare(me, args, *child); !r.ok()) return give_up(r.error());
  ChildPidfd pidfd(me);
  if (has(args.flags, uapi::clone_pidfd)) {
    const bool is_thread = has(args.flags, uapi::clone_thread);
    if (const Result<void> r = pidfd.make(me, pid, is_thread, args.pidfd); !r.ok())
      return give_up(r.error());
  }
  if (has(args.flags, uapi::clone_parent_settid))
    (void)core::UserOut<u32>(args.parent_tid).store(number);
  if (has(args.flags, uapi::clone_child_cleartid)) child->clear_child_tid = args.child_tid;
  if (has(args.flags, uapi::clone_child_settid)) child->set_child_tid = args.child_tid;
  const bool vfork = has(args.flags, uapi::clone_vfork);
  if (vfork) child->vfork_parent = Ref<Task>(me);
  if (const Result<void> r = commit(me, *child, args.flags); !r.ok()) {
    child->vfork_parent = {};
    return give_up(r.error());
  }
  pidfd.install();
  sched::start_thread(*child);
  if (vfork) {
    const auto over = [&] { return child->vfork_over.load_acquire(); };
    (void)sched::wait(me.vfork_queue, over, sched::no_deadline, sched::Interruptible::fatal);
  }
  return number;
}

void Task::run() {
  if (set_child_tid.value != 0) (void)core::UserOut<u32>(set_child_tid).store(tid());
  if (first_program != nullptr) exec_first_program(*this);
  entry_part->enter_user_mode(*this);
}

Result<void> start_first_process(const FirstProgram& wanted, Ref<vfs::FsContext> fs,
                                 Ref<vfs::MountNamespace> mounts) {
  Ref<Group> g = TRY(mem::make_ref<Group>(ALLOC_SITE));
  g->handlers = TRY(mem::make_ref<Handlers>(ALLOC_SITE));
  Ref<Task> t = TRY(Task::create(g, TRY(ident::make_root_cred())));
  t->pid = TRY(ident::allocate_pid(ident::first_pids()));
  t->files = TRY(io::FdTable::create());
  t->fs = std::move(fs);
  t->namespaces = TRY(mem::make_ref<NamespaceSet>(ALLOC_SITE, std::move(mounts),
                                                  Ref<ident::PidNamespace>(ident::first_pids())));
  mem::Box<FirstProgram> program = TRY(mem::Box<FirstProgram>::make(ALLOC_SITE, wanted));
  TRY(sched::prepare_thread(*t, "swapper", *t, {}));
  t->registers() = machine::fresh_registers(0, 0);
  t->first_program = program.release();
  set_default_limits(g->limits.alone());
  Ref<Session> session = TRY(make_session(t->pid));
  Ref<ProcessGroup> process_group = TRY(make_process_group(t->pid, std::move(session)));
  {
    auto all = tree.lock();
    all->init = g.get();
    ident::first_pids().first_process = g.get();
    g->pid = t->pid;
    g->pid->task = t.get();
    g->pid->group = g.get();
    g->pid->process_group = process_group.get();
    g->pid->session = process_group->session.get();
    g->tasks.push_back(*t);
    g->live_tasks = 1;
    g->unfinished_tasks.store_relaxed(1);
    (void)Ref<Group>(*g).release();
    (void)join_process_group(*g, std::move(process_group));
  }
  sched::start_thread(*t);
  return {};
}

}  // namespace auk::proc
