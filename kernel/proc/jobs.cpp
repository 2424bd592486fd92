#include "proc/jobs.hpp"

#include <algorithm>

#include "generated/uapi/landlock.hpp"
#include "proc/family.hpp"

namespace auk::proc {
namespace {

/// The process of a number; 0 is the caller's.
Result<Ref<Group>> resolve(Task& me, u32 pid) {
  if (pid == 0) return me.group;
  return find_group(pid);
}

/// May `me` move the process? The tree lock is held.
Result<void> may_move(Task& me, Group& g) {
  Group& mine = *me.group;
  if (g.parent == &mine) {
    if (g.process_group->session != mine.process_group->session) return Errno::eperm;
    if (g.has_execed) return Errno::eacces;
  } else if (&g != &mine) {
    return Errno::esrch;
  }
  return g.process_group->session->pid == g.pid ? Errno::eperm : Result<void>();
}

/// Several processes at once, collected under the tree lock and signalled without it.
class Crowd {
  static constexpr usize step = 32;
  Ref<Group>* groups_ = nullptr;
  usize count_ = 0, room_ = 0;

 public:
  Crowd() = default;
  ~Crowd() {
    for (usize i = 0; i < count_; ++i) groups_[i].~Ref();
    mem::free(groups_);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  /// Room for `n`, before the lock is taken. ENOMEM.
  Result<void> reserve(usize n) {
    ASSERT(count_ == 0);
    if (n <= room_) return {};
    mem::free(groups_);
    room_ = 0;
    n += step;
    groups_ = static_cast<Ref<Group>*>(TRY(mem::allocate(ALLOC_SITE, n * sizeof(Ref<Group>))));
    room_ = n;
    return {};
  }
  bool is_full() const { return count_ == room_; }
  void add(Group& g) { ::new (groups_ + count_++) Ref<Group>(g); }
  std::span<Ref<Group>> all() const { return {groups_, count_}; }
};

/// Members born as number `from` or later, and the number of the next birth. EAGAIN: more of them
/// than there is room for.
Result<void> collect_members(ident::Pid& pid, u64& from, Crowd& out) {
  auto t = tree.lock();
  auto* const g = static_cast<ProcessGroup*>(pid.process_group);
  if (g == nullptr) return Errno::esrch;
  for (Group& member : g->members) {
    if (member.birth < from) continue;
    if (out.is_full()) return Errno::eagain;
    out.add(member);
  }
  from = t->births + 1;
  return {};
}

Result<mem::Box<Crowd>> members_of(ident::Pid& pid, u64& from) {
  for (usize wanted = 32;; wanted *= 2) {
    mem::Box<Crowd> crowd = TRY(mem::Box<Crowd>::make(ALLOC_SITE));
    TRY(crowd->reserve(wanted));
    const Result<void> r = collect_members(pid, from, *crowd);
    if (r.ok()) return crowd;
    if (r.error() != Errno::eagain) return r.error();
  }
}

/// Who forks faster than signals reach it does not want to end.
constexpr u32 most_rounds = 100;

/// Calls f(Group&) for every member, and for those that members make before they were met, so that
/// no job escapes by forking. ESRCH, ENOMEM.
template <class F> Result<void> each_member(ident::Pid& pid, F f) {
  u64 from = 0;
  for (u32 round = 0; round < most_rounds; ++round) {
    Result<mem::Box<Crowd>> members = members_of(pid, from);
    if (!members.ok()) return round == 0 ? members.error() : Result<void>();
    const mem::Box<Crowd> crowd = members.take();
    if (crowd->all().empty()) break;
    for (Ref<Group>& g : crowd->all()) f(*g);
  }
  return {};
}

/// Any thread of a process that still has one, for the permission check.
Ref<Task> some_task(Group& g) {
  auto t = tree.lock();
  Task* const first = g.tasks.front();
  return first == nullptr ? Ref<Task>() : Ref<Task>(*first);
}

bool may_signal_ended(const ident::Cred& mine, Group& g) {
  const u32 uid = uid_of(g);
  const bool may = mine.has(ident::Cap::kill) || mine.euid == uid || mine.uid == uid;
  return may &&
         !(mine.domain && mine.domain->keeps_from(g.domain.get(), uapi::landlock_scope_signal));
}

Result<void> send_checked(Task& me, Group& g, u32 signal, const uapi::siginfo& info) {
  const Ref<Task> target = some_task(g);
  // A zombie takes signals and does nothing with them.
  if (!target) return may_signal_ended(me.cred(), g) ? Result<void>() : Errno::eperm;
  TRY(may_signal(me, *target, signal));
  return signal == 0 ? Result<void>() : send_to_group(g, info);
}

/// What sending to several comes to: one who may and can be reached is enough.
class Outcome {
  bool any_ = false;
  Errno error_ = Errno::esrch;

 public:
  void add(const Result<void>& r) {
    if (r.ok())
      any_ = true;
    else
      error_ = r.error();
  }
  Result<void> result() const { return any_ ? Result<void>() : error_; }
};

Result<void> send_to_members(Task& me, ident::Pid& group, u32 signal, const uapi::siginfo& info) {
  Outcome outcome;
  TRY(each_member(group, [&](Group& g) { outcome.add(send_checked(me, g, signal, info)); }));
  return outcome.result();
}

/// kill(2) with -1. Linux does not tell of those that the caller may not signal, and there is
/// always somebody: its kernel threads.
Result<void> send_to_all(Task& me, u32 signal, const uapi::siginfo& info) {
  ident::PidNamespace& space = me.pid_space();
  Errno error{};
  u64 from = 0;
  bool any = true;
  for (u32 round = 0; any && round < most_rounds; ++round) {
    u64 births = 0;
    {
      auto t = tree.lock();
      births = t->births;
    }
    any = false;
    for (u32 n = 1; const Ref<Group> g = next_group(space, n); ++n) {
      if (g->is_first_in(space) || g == me.group || g->birth < from) continue;
      any = true;
      const Result<void> r = send_checked(me, *g, signal, info);
      if (r.ok())
        error = {};
      else if (r.error() != Errno::eperm)
        error = r.error();
    }
    // Who was born behind our back must not escape the end of everything.
    if (signal != uapi::sigkill || me.has_work(sched::Interruptible::fatal)) break;
    from = births + 1;
  }
  return error == Errno{} ? Result<void>() : error;
}

}  // namespace

Result<void> set_process_group(Task& me, u32 pid, u32 group) {
  const Ref<Group> g = TRY(resolve(me, pid));
  const u32 own_number = g->pid->number_in(me.pid_space());
  const u32 number = group == 0 ? own_number : group;
  Ref<ProcessGroup> fresh;
  const bool own = number == own_number;
  // Made before the lock; given up if the group exists already.
  if (own) fresh = TRY(make_process_group(g->pid, {}));
  Ref<ident::Pid> named = own ? g->pid : Ref<ident::Pid>();
  if (!own) {
    Result<Ref<ident::Pid>> found = find_pid(number);
    if (!found.ok()) return Errno::eperm;
    named = found.take();
  }
  Ref<ProcessGroup> left;
  {
    auto t = tree.lock();
    TRY(may_move(me, *g));
    auto* const named_group = static_cast<ProcessGroup*>(named->process_group);
    // One that nobody is in any more is on its way to its end.
    Ref<ProcessGroup> there;
    if (named_group != nullptr && named_group->try_get())
      there = Ref<ProcessGroup>::adopt(named_group);
    if (!there && !own) return Errno::eperm;
    if (there) {
      if (there->session != me.group->process_group->session) {
        left = std::move(there);
        return Errno::eperm;
      }
      left = join_process_group(*g, std::move(there));
    } else {
      fresh->session = g->process_group->session;
      named->process_group = fresh.get();
      left = join_process_group(*g, fresh);
    }
  }
  return {};
}

Result<u32> start_session(Task& me) {
  Group& g = *me.group;
  Ref<Session> session = TRY(make_session(g.pid));
  Ref<ProcessGroup> fresh = TRY(make_process_group(g.pid, session));
  Ref<ProcessGroup> left;
  {
    auto t = tree.lock();
    if (g.pid->process_group != nullptr) return Errno::eperm;
    g.pid->process_group = fresh.get();
    g.pid->session = session.get();
    left = join_process_group(g, std::move(fresh));
  }
  return g.number();
}

Result<u32> process_group_of(Task& me, u32 pid) {
  const Ref<Group> g = TRY(resolve(me, pid));
  auto t = tree.lock();
  if (!g->process_group) return Errno::esrch;
  return g->process_group->pid->number_in(me.pid_space());
}

Result<u32> session_of(Task& me, u32 pid) {
  const Ref<Group> g = TRY(resolve(me, pid));
  auto t = tree.lock();
  if (!g->process_group) return Errno::esrch;
  return g->process_group->session->pid->number_in(me.pid_space());
}

Result<void> send_signal(Task& me, i32 pid, u32 signal, const uapi::siginfo& info) {
  if (signal > signal_count) return Errno::einval;
  if (pid > 0) return send_checked(me, *TRY(find_group(static_cast<u32>(pid))), signal, info);
  if (pid == -1) return send_to_all(me, signal, info);
  Ref<ident::Pid> group;
  if (pid == 0) {
    auto t = tree.lock();
    group = me.group->process_group->pid;
  } else {
    if (pid == INT32_MIN) return Errno::esrch;
    group = TRY(find_pid(static_cast<u32>(-pid)));
  }
  return send_to_members(me, *group, signal, info);
}

Result<void> send_signal_to(Task& me, ident::Pid& pid, Scope scope, u32 signal,
                            const uapi::siginfo& info) {
  if (signal > signal_count) return Errno::einval;
  if (scope == Scope::process_group) return send_to_members(me, pid, signal, info);
  Ref<Task> task;
  Ref<Group> group;
  {
    auto t = tree.lock();
    if (pid.task != nullptr) task = Ref<Task>(*static_cast<Task*>(pid.task));
    if (pid.group != nullptr) group = Ref<Group>(*static_cast<Group*>(pid.group));
  }
  if (!task && !group) return Errno::esrch;
  if (scope == Scope::process) return send_checked(me, task ? *task->group : *group, signal, info);
  // The first thread has ended, and its number stands for the process: nobody is reached.
  if (!task) return send_checked(me, *group, 0, info);
  TRY(may_signal(me, *task, signal));
  return signal == 0 ? Result<void>() : send_to_task(*task, info);
}

void signal_process_group(ident::Pid& group, const uapi::siginfo& info) {
  (void)each_member(group, [&](Group& g) { (void)send_to_group(g, info); });
}

Ref<Terminal> terminal_of(Task& me) {
  auto t = tree.lock();
  return me.group->process_group->session->terminal;
}

void leave_terminal(Group& leader) {
  Ref<Session> session;
  Ref<Terminal> terminal;
  {
    auto t = tree.lock();
    if (!leader.process_group) return;
    session = leader.process_group->session;
    if (session->pid != leader.pid) return;
    std::swap(terminal, session->terminal);
  }
  if (terminal) terminal->session_ended(*session, false);
}

bool is_orphaned(ProcessGroup& g, const Group* without) {
  for (Group& member : g.members) {
    const Group* const parent = member.parent;
    if (&member == without || member.life != Life::alive) continue;
    if (parent == nullptr || !parent->process_group) continue;
    // The first process, which does not know about jobs.
    if (parent->parent == nullptr) continue;
    if (parent->process_group.get() != &g && parent->process_group->session == g.session)
      return false;
  }
  return true;
}

}  // namespace auk::proc
