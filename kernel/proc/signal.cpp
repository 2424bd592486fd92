#include "proc/signal.hpp"

#include <bit>

#include "generated/uapi/landlock.hpp"
#include "generated/uapi/wait.hpp"
#include "proc/exit.hpp"
#include "proc/family.hpp"
#include "proc/jobs.hpp"
#include "proc/task.hpp"

namespace auk::proc {
namespace {

constexpr u32 first_real_time = 32;
constexpr SignalSet ignored_by_default =
    set_of(uapi::sigchld) | set_of(uapi::sigurg) | set_of(uapi::sigwinch) | set_of(uapi::sigcont);
constexpr SignalSet dumping = set_of(uapi::sigquit) | set_of(uapi::sigill) | set_of(uapi::sigtrap) |
                              set_of(uapi::sigabrt) | set_of(uapi::sigfpe) | set_of(uapi::sigsegv) |
                              set_of(uapi::sigbus) | set_of(uapi::sigsys) | set_of(uapi::sigxcpu) |
                              set_of(uapi::sigxfsz);

constinit mem::Cache queue_cache("sigqueue", (sizeof(QueuedSignal) + 15) / 16 * 16);

bool is_ignored(const Action& a, u32 signal) {
  if (a.handler == handler_ignore) return true;
  return a.handler == handler_default && default_action(signal) == DefaultAction::ignore;
}

/// The first process of the system takes only what it has handlers for, and that of a namespace
/// the same from those who live there.
bool is_protected(const Group& g) { return g.is_first(); }

/// A signal of a program that the process cannot see, or of the kernel.
bool comes_from_above(const Group& g, const uapi::siginfo& info) {
  const ident::PidNamespace& space = g.pid->space();
  if (space.level == 0) return false;
  if (info.code == uapi::si_kernel) return true;
  // What programs send; the other numbers are the kernel's.
  if (info.code > 0 || info.code == uapi::si_timer || info.code == uapi::si_sigio) return false;
  const sched::Thread& sender = sched::current();
  return sender.is_user() && current().pid->number_in(space) == 0;
}

/// What nothing but SIGKILL and SIGSTOP may do to a protected process, and they only from above.
bool is_imposed(const Group& g, const uapi::siginfo& info) {
  return (info.signo == uapi::sigkill || info.signo == uapi::sigstop) && comes_from_above(g, info);
}

/// Takes the pending bits of `which` away, with what was queued for them.
void forget(Pending& p, SignalSet which, List<QueuedSignal, &QueuedSignal::node>& gone) {
  p.bits &= ~which;
  for (QueuedSignal* q = p.queue.front(); q != nullptr;) {
    QueuedSignal* const next = p.queue.next(*q);
    if ((which & set_of(static_cast<u32>(q->info.signo))) != 0) {
      p.queue.remove(*q);
      gone.push_back(*q);
    }
    q = next;
  }
}

void free_queued(QueuedSignal* q) {
  q->~QueuedSignal();
  queue_cache.free(q);
}

void free_all(List<QueuedSignal, &QueuedSignal::node>& list) {
  while (QueuedSignal* q = list.pop_front()) {
    if (q->source != nullptr)
      Ref<SignalSource>::adopt(q->source)->dropped();
    else
      free_queued(q);
  }
}

/// What was queued for a signal that has been taken; null if nothing was.
void finish(QueuedSignal* used, uapi::siginfo& info) {
  if (used == nullptr) return;
  if (used->source != nullptr)
    Ref<SignalSource>::adopt(used->source)->taken(info);
  else
    free_queued(used);
}

/// Queues; the group's lock is held. `fresh` is used up if it is needed.
void add(Pending& p, const uapi::siginfo& info, QueuedSignal*& fresh) {
  const auto signal = static_cast<u32>(info.signo);
  const bool has_place = fresh != nullptr && fresh->source != nullptr;
  const bool legacy = signal < first_real_time;
  if (has_place ? fresh->node.is_linked() : legacy && (p.bits & set_of(signal)) != 0) return;
  p.bits |= set_of(signal);
  if (fresh == nullptr) return;
  if (has_place)
    (void)Ref<SignalSource>(*fresh->source).release();
  else
    fresh->info = info;
  p.queue.push_back(*std::exchange(fresh, nullptr));
}

/// A thread that may take a signal of the group: the leader first. The tree lock is held.
Task* choose_thread(Group& g, u32 signal) {
  for (Task& t : g.tasks)
    if ((t.blocked & set_of(signal)) == 0 && !t.is_leaving) return &t;
  return nullptr;
}

/// The signal ends the group: every thread must see it, whatever it waits for.
bool is_fatal(Group& g, u32 signal, const Action& a) {
  if (signal == uapi::sigkill) return true;
  if (a.handler != handler_default || is_protected(g)) return false;
  const DefaultAction d = default_action(signal);
  return d == DefaultAction::terminate || d == DefaultAction::core;
}

/// Lets stopped threads go on. The tree lock is held.
void resume_group(Group& g, bool report) {
  bool was_stopped = false;
  {
    auto s = g.signals.lock();
    was_stopped = std::exchange(s->is_stopped, false);
  }
  if (!report) g.forget_stops();
  if (!was_stopped) return;
  g.resumed.wake_all();
  if (!report || g.parent == nullptr) return;
  g.continue_untold.store_release(true);
  g.continue_reported = false;
  g.stop_reported = true;
  g.parent->child_changed.wake_all();
}

}  // namespace

Sending::Sending() {
  if (Result<void*> memory = queue_cache.allocate(ALLOC_SITE); memory.ok())
    fresh_ = ::new (memory.take()) QueuedSignal;
}

Sending::~Sending() {
  if (fresh_ != nullptr && fresh_->source == nullptr) free_queued(fresh_);
  free_all(gone_);
}

/// What the kernel and kill(2) send of the old signals is queued in any case; only threads send the
/// rest, so the limit is not asked for in interrupts.
void Sending::charge_to(Group& g, const Ref<ident::User>& user, const uapi::siginfo& info) {
  // A thread that is past its end has no user, and takes no signal.
  if (fresh_ == nullptr || fresh_->source != nullptr || !user) return;
  fresh_->charge = ident::SignalCharge(user);
  const bool always = static_cast<u32>(info.signo) < first_real_time && info.code >= 0;
  if (!always && fresh_->charge.exceeds(g.limit(uapi::rlimit_sigpending)))
    gone_.push_back(*std::exchange(fresh_, nullptr));
}

Sent Sending::send_locked(Group& g, Task* only, const uapi::siginfo& info) {
  const auto signal = static_cast<u32>(info.signo);
  const Action action = g.handlers->get(signal);
  if (signal == uapi::sigcont) {
    auto s = g.signals.lock();
    forget(s->pending, stop_signals, gone_);
    for (Task& task : g.tasks) {
      forget(task.pending, stop_signals, gone_);
      task.may_stop = false;
    }
  }
  if (signal == uapi::sigcont || signal == uapi::sigkill) resume_group(g, signal == uapi::sigcont);
  Task* const target = only != nullptr ? only : choose_thread(g, signal);
  bool blocked = true, is_awaited = false;
  {
    auto s = g.signals.lock();
    if ((stop_signals & set_of(signal)) != 0) {
      forget(s->pending, set_of(uapi::sigcont), gone_);
      for (Task& task : g.tasks) forget(task.pending, set_of(uapi::sigcont), gone_);
    }
    blocked = target == nullptr || (target->blocked & set_of(signal)) != 0;
    is_awaited = target != nullptr && (target->awaited & set_of(signal)) != 0;
    const bool is_wanted = blocked || is_awaited;
    const bool dropped = s->is_exiting || (!is_wanted && is_ignored(action, signal)) ||
                         (is_protected(g) && action.handler == handler_default &&
                          (signal == uapi::sigkill || !is_wanted) && !is_imposed(g, info));
    if (dropped) return Sent::dropped;
    if (const Task* const payer = target != nullptr ? target : g.tasks.front(); payer != nullptr)
      charge_to(g, payer->charge.user(), info);
    if (fresh_ == nullptr && signal >= first_real_time && info.code != uapi::si_user &&
        info.code != uapi::si_kernel)
      return Sent::no_room;
    Pending& to = only != nullptr ? only->pending : s->pending;
    if (info.code <= 0 && comes_from_above(g, info)) {
      // Who cannot be seen has no number.
      uapi::siginfo seen = info;
      seen.fields.kill.pid = 0;
      add(to, seen, fresh_);
    } else {
      add(to, info, fresh_);
    }
  }
  g.handlers->wake_watchers();
  if (blocked) return Sent::pending;
  if (is_awaited || !is_fatal(g, signal, action)) {
    sched::notify(*target, core::work::signal);
    return Sent::pending;
  }
  for (Task& task : g.tasks)
    sched::notify(task, core::work::signal |
                            (&task == target || signal == uapi::sigkill ? core::work::fatal : 0));
  return Sent::pending;
}

Sent send_from(SignalSource& source, Group& g, const ident::Pid* only) {
  Sending sending(source);
  auto t = tree.lock();
  auto* const task = only == nullptr ? nullptr : static_cast<Task*>(only->task);
  if (only != nullptr && (task == nullptr || task->group.get() != &g)) return Sent::nobody_there;
  return sending.send_locked(g, task, source.queued.info);
}

namespace {

Result<void> send(Group& g, Task* only, const uapi::siginfo& info) {
  Sending sending;
  auto t = tree.lock();
  return sending.send_locked(g, only, info) == Sent::no_room ? Errno::eagain : Result<void>();
}

/// The lowest wanted signal of a set of pending ones, with its siginfo.
bool take_from(Pending& p, SignalSet wanted, uapi::siginfo& info, QueuedSignal*& used) {
  SignalSet bits = p.bits & wanted;
  if (bits == 0) return false;
  if ((bits & synchronous) != 0) bits &= synchronous;
  const u32 signal = static_cast<u32>(std::countr_zero(bits)) + 1;
  bool more = false;
  for (QueuedSignal& q : p.queue) {
    if (static_cast<u32>(q.info.signo) != signal) continue;
    if (used != nullptr) {
      more = true;
      break;
    }
    used = &q;
  }
  if (used != nullptr) {
    info = used->info;
    p.queue.remove(*used);
  } else {
    info = uapi::siginfo{};
    info.signo = static_cast<i32>(signal);
  }
  if (!more) p.bits &= ~set_of(signal);
  return true;
}

}  // namespace

DefaultAction default_action(u32 signal) {
  const SignalSet bit = set_of(signal);
  if (signal == uapi::sigcont) return DefaultAction::ignore;
  if ((ignored_by_default & bit) != 0) return DefaultAction::ignore;
  if ((stop_signals & bit) != 0) return DefaultAction::stop;
  return (dumping & bit) != 0 ? DefaultAction::core : DefaultAction::terminate;
}

void Pending::clear() {
  bits = 0;
  free_all(queue);
}

Result<Ref<Handlers>> Handlers::copy() {
  Ref<Handlers> twin = TRY(mem::make_ref<Handlers>(ALLOC_SITE));
  twin->actions.alone() = *actions.lock();
  return twin;
}

Result<Ref<io::SharedQueue>> Handlers::watched() {
  io::SharedQueue* there = watched_.load_acquire();
  if (there == nullptr) {
    Ref<io::SharedQueue> fresh = TRY(mem::make_ref<io::SharedQueue>(ALLOC_SITE));
    if (watched_.cas_acq_rel(there, fresh.get())) there = fresh.release();
  }
  return Ref<io::SharedQueue>(*there);
}

void Handlers::reset_caught() {
  auto a = actions.lock();
  for (Action& action : *a) {
    const u64 handler = action.handler == handler_ignore ? handler_ignore : handler_default;
    action = Action{};
    action.handler = handler;
  }
}

uapi::siginfo kernel_signal(u32 signal) {
  uapi::siginfo info{};
  info.signo = static_cast<i32>(signal);
  info.code = uapi::si_kernel;
  return info;
}

uapi::siginfo user_signal(u32 signal, const Task& sender, i32 code) {
  uapi::siginfo info{};
  info.signo = static_cast<i32>(signal);
  info.code = code;
  info.fields.kill.pid = static_cast<i32>(sender.group->number());
  info.fields.kill.uid = sender.cred().uid;
  return info;
}

Result<void> send_to_task(Task& t, const uapi::siginfo& info) { return send(*t.group, &t, info); }
Result<void> send_to_group(Group& g, const uapi::siginfo& info) { return send(g, nullptr, info); }

void force_signal(Task& me, const uapi::siginfo& info) {
  const auto signal = static_cast<u32>(info.signo);
  {
    auto s = me.group->signals.lock();
    auto a = me.group->handlers->actions.lock();
    Action& action = (*a)[signal - 1];
    const bool blocked = (me.blocked & set_of(signal)) != 0;
    if (blocked || action.handler == handler_ignore) {
      // Nobody would hear it: then it kills.
      action.handler = handler_default;
      me.blocked &= ~set_of(signal);
    }
    me.pending.bits |= set_of(signal);
  }
  // The siginfo, if there is memory for it; the bit alone is enough to act.
  if (Result<void*> memory = queue_cache.allocate(ALLOC_SITE); memory.ok()) {
    auto* const fresh = ::new (memory.take()) QueuedSignal;
    fresh->info = info;
    auto s = me.group->signals.lock();
    me.pending.queue.push_front(*fresh);
  }
  (void)me.work_bits.fetch_or_acq_rel(core::work::signal);
}

namespace {

bool is_same_or_may_kill(const Task& sender, Task& target) {
  if (sender.group == target.group) return true;
  const ident::Cred& mine = sender.cred();
  if (mine.has(ident::Cap::kill)) return true;
  auto lock = target.cred_lock.lock();
  const ident::Cred& theirs = target.cred();
  return mine.euid == theirs.suid || mine.euid == theirs.uid || mine.uid == theirs.suid ||
         mine.uid == theirs.uid;
}

bool is_in_session_of(const Task& sender, const Task& target) {
  const ProcessGroup* const mine = sender.group->process_group.get();
  const ProcessGroup* const other = target.group->process_group.get();
  return mine != nullptr && other != nullptr && mine->session == other->session;
}

/// Threads of one process are never kept from each other.
bool is_in_reach(const Task& sender, Task& target) {
  const ident::Domain* const domain = sender.cred().domain.get();
  if (domain == nullptr || sender.group == target.group) return true;
  auto lock = target.cred_lock.lock();
  return !domain->keeps_from(target.cred().domain.get(), uapi::landlock_scope_signal);
}

}  // namespace

Result<void> may_signal(const Task& sender, Task& target, u32 signal) {
  if (signal == uapi::sigcont) {
    auto t = tree.lock();
    return may_signal_locked(sender, target, signal);
  }
  return is_same_or_may_kill(sender, target) && is_in_reach(sender, target) ? Result<void>()
                                                                            : Errno::eperm;
}

Result<void> may_signal_locked(const Task& sender, Task& target, u32 signal) {
  const bool may = is_same_or_may_kill(sender, target) ||
                   (signal == uapi::sigcont && is_in_session_of(sender, target));
  return may && is_in_reach(sender, target) ? Result<void>() : Errno::eperm;
}

namespace {

/// Does a signal wait for the thread that it does not block, or the end, or a stop?
bool has_signal(const Task& t, const Group::Signals& s) {
  return ((t.pending.bits | s.pending.bits) & ~t.blocked) != 0 || s.is_exiting || s.is_stopped ||
         (s.exec_by != nullptr && s.exec_by != &t);
}

}  // namespace

void recompute_work(Task& me) {
  // Who gives this thread work writes it under this lock and sets the bits later: bits that are
  // cleared under it are never those of work that nobody has seen.
  auto s = me.group->signals.lock();
  if (has_signal(me, *s))
    (void)me.work_bits.fetch_or_acq_rel(core::work::signal);
  else
    (void)me.work_bits.fetch_and_acq_rel(~(core::work::signal | core::work::fatal));
}

void set_blocked(Task& me, SignalSet mask) {
  {
    auto t = tree.lock();
    auto s = me.group->signals.lock();
    me.blocked = mask & ~unmaskable;
    // What this thread does not take any more, another one may.
    const SignalSet left = s->pending.bits & me.blocked;
    if (left != 0)
      for (Task& other : me.group->tasks)
        if (&other != &me && (left & ~other.blocked) != 0) sched::notify(other, core::work::signal);
  }
  recompute_work(me);
}

namespace {

void stop_here(Task& me, u32 signal) {
  Group& g = *me.group;
  Sending sending;
  auto t = tree.lock();
  // Nobody could continue it.
  if (signal != uapi::sigstop && is_orphaned(*g.process_group)) return;
  {
    auto s = g.signals.lock();
    // Continued before it had stopped.
    if (s->is_exiting || !me.may_stop) return;
    s->is_stopped = true;
  }
  g.stop_signal = signal;
  g.stop_reported = false;
  g.continue_reported = true;
  g.continue_untold.store_relaxed(false);
  for (Task& other : g.tasks)
    if (&other != &me) sched::notify(other, core::work::signal);
  tell_of_stop(g, uapi::cld_stopped, signal, sending);
}

/// One of the threads that go on tells the parent.
void tell_that_it_goes_on(Group& g) {
  Sending sending;
  auto t = tree.lock();
  if (g.continue_untold.exchange_acq_rel(false))
    tell_of_stop(g, uapi::cld_continued, uapi::sigcont, sending);
}

/// Sleeps while the group is stopped. Only SIGCONT and SIGKILL end it.
void sleep_stopped(Task& me) {
  Group& g = *me.group;
  const auto goes_on = [&] {
    auto s = g.signals.lock();
    return !s->is_stopped || s->is_exiting || s->exec_by != nullptr;
  };
  (void)sched::wait(g.resumed, goes_on);
}

}  // namespace

Action change_action(Task& me, u32 signal, const Action* fresh) {
  Group& g = *me.group;
  List<QueuedSignal, &QueuedSignal::node> gone;
  Action old;
  {
    auto t = tree.lock();
    auto s = g.signals.lock();
    {
      auto a = g.handlers->actions.lock();
      old = (*a)[signal - 1];
      if (fresh != nullptr) (*a)[signal - 1] = *fresh;
    }
    if (fresh != nullptr && is_ignored(*fresh, signal)) {
      forget(s->pending, set_of(signal), gone);
      for (Task& task : g.tasks) forget(task.pending, set_of(signal), gone);
    }
  }
  free_all(gone);
  return old;
}

SignalSet pending_signals(Task& me) {
  auto s = me.group->signals.lock();
  return me.pending.bits | s->pending.bits;
}

namespace {

/// Like take_pending(), but what has to be done behind it is left to the caller.
bool take_quietly(Task& me, SignalSet wanted, uapi::siginfo& out) {
  QueuedSignal* used = nullptr;
  bool is_own = false, is_shared = false;
  {
    auto s = me.group->signals.lock();
    is_own = take_from(me.pending, wanted, out, used);
    is_shared = !is_own && take_from(s->pending, wanted, out, used);
  }
  finish(used, out);
  if (is_shared && out.signo == uapi::sigalrm) me.group->real_timer.alarm_taken();
  return is_own || is_shared;
}

}  // namespace

bool take_pending(Task& me, SignalSet wanted, uapi::siginfo& out) {
  const bool found = take_quietly(me, wanted, out);
  if (found) recompute_work(me);
  return found;
}

Result<u32> wait_for_signal(Task& me, SignalSet wanted, u64 deadline_ns, uapi::siginfo& out) {
  const auto take = [&] { return take_quietly(me, wanted, out); };
  const auto await = [&](SignalSet which) {
    auto s = me.group->signals.lock();
    me.awaited = which;
  };
  // Unblocked while we wait, so that senders wake us; taken before anything else looks.
  const SignalSet mask = me.blocked;
  bool found = take();
  sched::WaitResult r = sched::WaitResult::timed_out;
  if (!found && deadline_ns != 0) {
    await(wanted & mask & ~unmaskable);
    set_blocked(me, mask & ~wanted);
    sched::WaitQueue nothing;
    r = sched::wait_interruptible(nothing, [] { return false; }, deadline_ns);
    // One that was not blocked before, and is the end, is not taken away from it.
    found = !me.has_work(sched::Interruptible::fatal) && take();
    set_blocked(me, mask);
    await(0);
  }
  recompute_work(me);
  if (found) return static_cast<u32>(out.signo);
  return r == sched::WaitResult::interrupted ? Errno::eintr : Errno::eagain;
}

void take_signal(Task& me, Taken& out) {
  Group& g = *me.group;
  for (;;) {
    if (g.continue_untold.load_acquire()) tell_that_it_goes_on(g);
    out.signal = 0;
    QueuedSignal* used = nullptr;
    u32 status = 0;
    bool exiting = false, stopped = false, is_own = false, is_shared = false;
    {
      auto s = g.signals.lock();
      exiting = s->is_exiting || (s->exec_by != nullptr && s->exec_by != &me);
      status = s->exit_status;
      stopped = s->is_stopped;
      if (!exiting && !stopped) {
        // Before a fault of its own: a thread whose memory went with its process has many.
        constexpr SignalSet kill = set_of(uapi::sigkill);
        is_shared = take_from(s->pending, kill, out.info, used);
        is_own = !is_shared && take_from(me.pending, ~me.blocked, out.info, used);
        is_shared = is_shared || (!is_own && take_from(s->pending, ~me.blocked, out.info, used));
      }
      me.may_stop =
          (is_own || is_shared) && (stop_signals & set_of(static_cast<u32>(out.info.signo))) != 0;
    }
    finish(used, out.info);
    const bool found = is_own || is_shared;
    if (is_shared && out.info.signo == uapi::sigalrm) g.real_timer.alarm_taken();
    if (exiting) {
      // As if it had been SIGKILL, whatever the process ends for.
      g.was_signaled.store_relaxed(true);
      exit_task(me, status);
    }
    if (stopped) {
      sleep_stopped(me);
      continue;
    }
    if (!found) break;
    const auto signal = static_cast<u32>(out.info.signo);
    {
      auto a = g.handlers->actions.lock();
      Action& action = (*a)[signal - 1];
      out.action = action;
      if (action.handler > handler_ignore && (action.flags & uapi::sa_resethand) != 0)
        action.handler = handler_default;
    }
    if (out.action.handler > handler_ignore) {
      out.signal = signal;
      break;
    }
    if (is_ignored(out.action, signal)) continue;
    if (is_protected(g) && signal != uapi::sigkill && signal != uapi::sigstop &&
        (synchronous & set_of(signal)) == 0)
      continue;
    if (default_action(signal) == DefaultAction::stop) {
      stop_here(me, signal);
      continue;
    }
    exit_group(me, signal);
  }
  recompute_work(me);
}

}  // namespace auk::proc
