// Tasks and groups: threads and processes (decision D5).
//
// Data model: Task (a thread: a sched::Thread with a user half) -> Group (the process), counted
// apart; Pid outlives both. The tree lock orders everything between processes: children, groups of
// threads, process groups, sessions, exit states. What belongs to one thread and is changed only by
// it needs no lock.
// Life: new (being made) -> alive -> exiting -> zombie (group only; waits for its parent) -> dead.
// Locking: level proc_tree for the tree; level group for signals. Context: threads.
// Differences from Linux: a group is an object of its own, so a leader that ended first needs no
// zombie thread.
#pragma once
#include "generated/uapi/resource.hpp"
#include "ident/cred.hpp"
#include "ident/pid.hpp"
#include "io/fd_table.hpp"
#include "machine/isa/registers.hpp"
#include "proc/cpu_time.hpp"
#include "proc/held_futexes.hpp"
#include "proc/io_counts.hpp"
#include "proc/namespaces.hpp"
#include "proc/posix_timer.hpp"
#include "proc/real_timer.hpp"
#include "proc/rseq.hpp"
#include "proc/signal.hpp"
#include "sched/thread.hpp"
#include "sched/wait.hpp"
#include "vfs/lookup.hpp"
#include "vm/space.hpp"

namespace auk::proc {

struct Session;

/// What controls a session; a terminal of a higher floor.
class Terminal : public RefCounted<Terminal> {
 public:
  static void destroy(Terminal* t) { t->dispose(); }
  /// The leader of a session gives it up, or has gone; the session does not name it any more. No
  /// lock is held.
  virtual void session_ended(const Session& s, bool at_exit) = 0;
  /// vhangup(2): whoever has it open sees its end, and the session loses it. No lock is held.
  virtual void end_for_all() = 0;
  virtual u64 device() const = 0;
  /// The process group in the foreground, by the number it is named after; null if there is none.
  /// The tree lock is held.
  virtual const ident::Pid* foreground() const = 0;

 protected:
  Terminal() = default;
  ~Terminal() = default;
  virtual void dispose() = 0;
};

/// A session: process groups under one terminal. Lives while a process is in it.
struct Session final : RefCounted<Session> {
  Ref<ident::Pid> pid;
  // The tree lock guards these.
  Ref<Terminal> terminal;
  /// What was in the foreground of a terminal that is gone: it ends with the leader.
  Ref<ident::Pid> old_foreground;
  static void destroy(Session* s);
};

struct ProcessGroup;

struct Limit {
  u64 soft = uapi::rlim_infinity, hard = uapi::rlim_infinity;
};
using Limits = std::array<Limit, uapi::rlim_nlimits>;

enum class Life : u8 { alive, exiting, zombie, dead };

class Group;

/// A process, in the list of the thread whose child it is.
struct Child {
  ListNode sibling_node;
};

/// Where handlers run that ask for a stack of their own: sigaltstack(2).
struct AltStack {
  static constexpr u32 on_stack = 1, disabled = 2, auto_disarm = 0x80000000;
  u64 start = 0, size = 0;
  u32 flags = disabled;

  /// A stack that disarms itself is never in use as far as anybody can see.
  bool holds(u64 sp) const {
    return (flags & auto_disarm) == 0 && size != 0 && sp > start && sp - start <= size;
  }
  uapi::stack_t shown(u64 sp) const {
    const u32 state = size == 0 ? disabled : holds(sp) ? on_stack : 0;
    uapi::stack_t s{};
    s.ss_sp = start;
    s.ss_size = size;
    s.ss_flags = static_cast<i32>(state | (flags & auto_disarm));
    return s;
  }
};

class Task final : public sched::Thread, public sched::ThreadMain {
  Ref<ident::Cred> cred_;
  void dispose() override { mem::destroy(this); }

 public:
  Ref<ident::Pid> pid;
  Ref<Group> group;
  ListNode group_node;
  /// The thread's own; others ask space_of(). Changed by set_space().
  Ref<vm::AddressSpace> space;
  // The thread's own as well; others inspect() them. Changed by replace().
  Ref<io::FdTable> files;
  Ref<vfs::FsContext> fs;
  Ref<NamespaceSet> namespaces;
  machine::UserState user;
  // Signals: guarded by the group's lock.
  Pending pending;
  SignalSet blocked = 0;
  SignalSet awaited = 0;     ///< by sigwaitinfo(2): neither ignored nor acted on
  bool may_stop = false;     ///< it has taken a stop signal, and no SIGCONT came since
  SignalSet saved_mask = 0;  ///< comes back when work::restore_mask is set
  AltStack alt_stack;
  UserAddr clear_child_tid;
  UserAddr robust_list;
  core::Guarded<core::level::futex_pi, FutexUse, core::SpinPreemptOff> futex_use;
  RseqArea rseq;
  bool no_new_privs = false;
  UserAddr set_child_tid;
  Atomic<u32> parent_death_signal{0};  ///< PR_SET_PDEATHSIG
  Atomic<u16> io_priority{0};          ///< ioprio_set(2); inherited
  // The tree lock guards these.
  List<Child, &Child::sibling_node> children;
  bool is_leaving = false;  ///< passes its children on, and takes no new ones
  /// PR_MCE_KILL: when the thread learns of memory that broke. The thread's own, or the default.
  struct BrokenMemory {
    bool is_own = false, is_early = false;
  };
  BrokenMemory broken_memory;
  /// personality(2), and what it will be for the program that is being loaded.
  u32 personality = 0, next_personality = 0;
  /// How much later than asked sleeps of this thread may end, PR_SET_TIMERSLACK; inherited as the
  /// default of the threads it makes.
  u64 timer_slack_ns = 50'000;
  u64 default_timer_slack_ns = 50'000;
  /// What restart_syscall(2) goes on with.
  struct Restart {
    enum class Kind : u8 { none, sleep, poll, futex, cpu_sleep };
    Kind kind = Kind::none;
    u64 deadline_ns = 0;
    std::array<u64, 5> arguments{};
  };
  Restart restart_block;
  /// A parent in vfork(2) sleeps until the child has a space of its own.
  sched::WaitQueue vfork_queue;
  Ref<Task> vfork_parent;
  Atomic<bool> vfork_over{false};
  struct FirstProgram* first_program = nullptr;
  Atomic<u64> faults{0};  ///< that were mended
  IoCounts io_counts;
  CpuSamples samples;
  CpuTimers cpu_timers;
  const u64 start_ns = core::clock_ns();
  /// For others who look at credentials and space.
  core::Guarded<core::level::cred, int, core::SpinIrqOff> cred_lock;
  /// For `files`, `fs` and `namespaces`. Not under the tree lock: what they hold has locks of its
  /// own, which interrupts may break into.
  core::Guarded<core::level::cred, int, core::SpinPreemptOff> places_lock;

  Task();
  ~Task();
  /// ENOMEM. Registers are still to be filled.
  static Result<Ref<Task>> create(Ref<Group> group, Ref<ident::Cred> cred);

  machine::Registers& registers() {
    return *reinterpret_cast<machine::Registers*>(stack_top().value - sizeof(machine::Registers));
  }
  /// As the thread sees it itself.
  u32 tid() const { return pid ? pid->own_number() : 0; }
  /// Where its numbers are its own: whom it sees, and as what.
  ident::PidNamespace& pid_space() const;
  /// For its real user; a process without threads takes its last one's over. The tree lock guards
  /// it.
  ident::ThreadCharge charge;
  /// Its user had more threads than its limit when it took the user's id: execve(2), EAGAIN.
  bool exceeds_threads = false;
  /// The user of these has more threads than the process's limit lets it have.
  bool has_too_many_threads(const ident::Cred& c);
  /// The thread's own; others ask cred_of().
  const ident::Cred& cred() const { return *cred_; }
  Ref<ident::Cred> cred_ref() {
    auto lock = cred_lock.lock();
    return cred_;
  }
  void set_cred(Ref<ident::Cred> c);
  /// Null for a thread that is past its end.
  Ref<vm::AddressSpace> space_of() {
    auto lock = cred_lock.lock();
    return space;
  }
  /// ESRCH if the thread is past its end.
  Result<Ref<NamespaceSet>> namespace_set() {
    return inspect(&Task::namespaces, [](NamespaceSet& n) -> Result<Ref<NamespaceSet>> {
      return Ref<NamespaceSet>(n);
    });
  }
  Result<Ref<vfs::MountNamespace>> mount_space() { return TRY(namespace_set())->mounts; }
  /// f(T&), a Result, for somebody else's thread, without a reference: who shares a table counts
  /// its users. ESRCH if the thread is past its end. f runs under the lock.
  template <class T, class F> std::invoke_result_t<F, T&> inspect(Ref<T> Task::* what, F f) {
    auto lock = places_lock.lock();
    T* const it = (this->*what).get();
    if (it == nullptr) return Errno::esrch;
    return f(*it);
  }
  /// The thread itself. What stood there goes without a lock.
  template <class T> void replace(Ref<T> Task::* what, Ref<T> fresh) {
    {
      auto lock = places_lock.lock();
      std::swap(this->*what, fresh);
    }
    fresh = {};
  }
  /// Also what is loaded on the thread's CPU. Returns the one before. The thread itself.
  Ref<vm::AddressSpace> set_space(Ref<vm::AddressSpace> s);
  /// The vector registers of the program, to be read or changed in memory; they are loaded again on
  /// the way back. The thread itself.
  void save_vectors();
  vfs::Asker asker() { return {*fs, *cred_, namespaces->mounts.get()}; }

  // The thread's body.
  void run() override;
  void discard() override {}
};

/// What happened to threads.
struct Events {
  u64 faults = 0, sleeps = 0, preemptions = 0;
  Events& operator+=(const Events& o) {
    faults += o.faults;
    sleeps += o.sleeps;
    preemptions += o.preemptions;
    return *this;
  }
};
struct Usage {
  CpuTime time;
  Events events;
  u64 peak_pages = 0;
};
Usage operator+(const Usage& a, const Usage& b);

class Group final : public RefCounted<Group>, public Child {
 public:
  Ref<ident::Pid> pid;
  // The tree lock guards these.
  Group* parent = nullptr;
  Task* parent_thread = nullptr;  ///< whose list it is in
  List<Task, &Task::group_node> tasks;
  u32 live_tasks = 0;
  Atomic<u32> unfinished_tasks{0};  ///< threads that have not begun to end
  Events dead_events;               ///< of threads that ended
  IoTotals dead_io;                 ///< of those, and of children that were waited for
  ident::ThreadCharge charge;
  Life life = Life::alive;
  u32 exit_code = 0;    ///< as wait(2) shows it
  u32 exit_signal = 0;  ///< to the parent
  u64 birth = 0;        ///< in the order of births
  u32 execs = 0;        ///< programs it has begun, and of those of the parent when it was born
  u32 parent_execs = 0;
  Ref<ProcessGroup> process_group;
  ListNode member_node;       ///< of the process group
  u32 uid = 0;                ///< of the last thread that ended
  Ref<ident::Domain> domain;  ///< likewise
  bool is_subreaper = false;
  i16 oom_score_adj = 0;  ///< -1000: never killed for its memory; 1000: first
  bool has_execed = false;
  bool stop_reported = true, continue_reported = true;
  Atomic<bool> continue_untold{false};  ///< SIGCHLD for it is still to be sent, by who went on
  u32 stop_signal = 0;
  Usage children_usage;
  // For the record of its end, which the last thread makes when all have begun to end.
  u32 leader_status = 0;             ///< what its first thread ended with
  u64 last_pages = 0;                ///< the size of the address space that the last one had
  Atomic<bool> was_signaled{false};  ///< a thread ended for a signal's sake
  std::array<char, Task::name_size> last_name{};  ///< of the last thread, when that has gone
  const u64 start_ns = core::clock_ns();

  // The group's lock guards these.
  struct Signals {
    Pending pending;
    bool is_exiting = false;  ///< group exit has begun; exit_status is decided
    u32 exit_status = 0;
    bool is_stopped = false;
    Task* exec_by = nullptr;  ///< the one thread that stays
  };
  core::Guarded<core::level::group, Signals, core::SpinIrqOff> signals;
  Ref<Handlers> handlers;
  core::Guarded<core::level::cred, Limits, core::SpinIrqOff> limits;

  sched::WaitQueue child_changed;  ///< a child became a zombie, stopped, or went on
  sched::WaitQueue resumed;        ///< stopped threads sleep here
  sched::WaitQueue thread_gone;    ///< a thread that execs waits for the others
  Atomic<u64> dead_run_time_ns{0};
  Atomic<u64> peak_pages{0};  ///< of address spaces that were given up
  bool is_dumpable = true;    ///< PR_SET_DUMPABLE; the tree lock guards it
  RealTimer real_timer{*this};
  PosixTimers timers;
  CpuSamples samples;
  CpuTimers cpu_timers;
  ProcessCpuTimer virtual_timer{*this, CpuClock::program, uapi::sigvtalrm};
  ProcessCpuTimer profile_timer{*this, CpuClock::profile, uapi::sigprof};
  TimeLimit cpu_limit{1};  ///< RLIMIT_CPU, in seconds
  /// RLIMIT_RTTIME, in microseconds: how long a thread may run under a real-time policy without
  /// sleeping once.
  TimeLimit realtime_limit{1'000'000};

  Group() = default;
  ~Group();
  static void destroy(Group* g) { mem::destroy(g); }
  static Group& of(Child& c) { return static_cast<Group&>(c); }
  // With the tree lock.
  void join_parent(Task& t) {
    parent = t.group.get();
    parent_thread = &t;
    t.children.push_back(*this);
  }
  /// Nothing is to be told of stops any more: it ends.
  void forget_stops() {
    stop_reported = continue_reported = true;
    continue_untold.store_relaxed(false);
  }
  void leave_parent() { parent_thread->children.remove(*this); }
  /// As the process sees it itself.
  u32 number() const { return pid->own_number(); }
  /// The first process of its namespace, whose end ends all others there.
  bool is_first() const { return is_first_in(pid->space()); }
  bool is_first_in(const ident::PidNamespace& space) const { return space.first_process == this; }
  u64 limit(int which) { return (*limits.lock())[static_cast<usize>(which)].soft; }
};

/// The process's: a thread that execs may get another Pid.
inline ident::PidNamespace& Task::pid_space() const { return group->pid->space(); }

/// A process group: what one job of a shell is.
struct ProcessGroup final : RefCounted<ProcessGroup> {
  Ref<ident::Pid> pid;
  Ref<Session> session;
  List<Group, &Group::member_node> members;
  static void destroy(ProcessGroup* p);
};
/// Fresh ones, named after a process. ENOMEM.
Result<Ref<Session>> make_session(Ref<ident::Pid> pid);
Result<Ref<ProcessGroup>> make_process_group(Ref<ident::Pid> pid, Ref<Session> session);
/// Moves a process; what it leaves is returned, to be dropped without the tree lock, which is held.
Ref<ProcessGroup> join_process_group(Group& g, Ref<ProcessGroup> to);

struct Tree {
  Group* init = nullptr;
  u64 births = 0;
};
extern core::Guarded<core::level::proc_tree, Tree, core::SpinIrqOff> tree;

/// The running thread, which has a user half.
inline Task& current() { return static_cast<Task&>(sched::current()); }
/// A number for a file, within the process's limit. EMFILE, ENOMEM.
Result<u64> install_file(Task& me, Ref<io::File> file, bool close_on_exec);
/// Whom an identity stands for at the moment. ESRCH.
Result<Ref<Task>> task_behind(const ident::Pid& pid);
Result<Ref<Group>> group_behind(const ident::Pid& pid);
// Numbers are those of the caller's namespace.
/// ESRCH.
Result<Ref<ident::Pid>> find_pid(u32 number);
/// ESRCH. A thread by its number.
Result<Ref<Task>> find_task(u32 tid);
/// ESRCH. A process by the number of its leader.
Result<Ref<Group>> find_group(u32 pid);
/// The thread or process of a namespace with the smallest number from `number` on, which is set to
/// it, or none. Who goes through all of them holds no lock between two, and sees those that live
/// from beginning to end.
Ref<Task> next_task(ident::PidNamespace& space, u32& number);
Ref<Group> next_group(ident::PidNamespace& space, u32& number);
/// The parent's number as the process sees it; 0 if it does not.
u32 parent_number(Group& g);

}  // namespace auk::proc
