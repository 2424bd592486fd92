#include "proc/task.hpp"

#include "core/sysctl.hpp"
#include "machine/isa/fpu.hpp"
#include "proc/usage.hpp"

namespace auk::proc {

constinit core::Guarded<core::level::proc_tree, Tree, core::SpinIrqOff> tree;

namespace {
// 64-byte alignment for the vector registers comes from the size class.
constexpr usize vector_alignment = 64;
constinit Atomic<u32> threads{0};
}  // namespace

constinit Atomic<i64> most_threads{0};
namespace {
// From Linux's fewest to what a futex can name.
constinit core::NumberSysctl most_threads_variable("kernel/threads-max", most_threads, 20,
                                                   0x3fffffff);
SYSCTL(most_threads_variable);
}  // namespace

u32 thread_count() { return threads.load_relaxed(); }

Task::Task() : Thread(true) { (void)threads.fetch_add_relaxed(1); }

Task::~Task() {
  (void)threads.fetch_sub_relaxed(1);
  pending.clear();
  mem::free(user.vectors);
}

Result<Ref<Task>> Task::create(Ref<Group> group, Ref<ident::Cred> cred) {
  Ref<Task> t = TRY(mem::make_ref<Task>(ALLOC_SITE));
  usize size = vector_alignment;
  while (size < machine::fpu::state_size()) size *= 2;
  t->user.vectors = TRY(mem::allocate(ALLOC_SITE, size));
  machine::init_vectors(t->user.vectors);
  (void)t->work_bits.fetch_or_relaxed(core::work::registers);
  t->charge = ident::ThreadCharge(cred->user);
  t->cred_ = std::move(cred);
  t->group = std::move(group);
  t->reserve_at_top(sizeof(machine::Registers));
  return t;
}

void Task::save_vectors() {
  const core::PreemptOff here;
  machine::save_vectors(user);
  (void)work_bits.fetch_or_relaxed(core::work::registers);
}

bool Task::has_too_many_threads(const ident::Cred& c) {
  // Root's are not limited.
  return c.uid != 0 && c.user->threads.load_relaxed() > group->limit(uapi::rlimit_nproc);
}

void Task::set_cred(Ref<ident::Cred> c) {
  if (c->user != charge.user()) {
    ident::ThreadCharge fresh(c->user);
    auto t = tree.lock();
    std::swap(charge, fresh);
  }
  // Linux's commit_creds(): who was somebody else may know what is not the user's.
  const ident::Cred& old = *cred_;
  if (old.euid != c->euid || old.egid != c->egid || old.fsuid != c->fsuid ||
      old.fsgid != c->fsgid || (c->permitted & ~old.permitted) != 0) {
    parent_death_signal.store_relaxed(0);
    auto t = tree.lock();
    group->is_dumpable = false;
  }
  auto lock = cred_lock.lock();
  std::swap(cred_, c);
}

Ref<vm::AddressSpace> Task::set_space(Ref<vm::AddressSpace> s) {
  {
    const core::IrqOff irq_off;
    translation = s ? &s->translation() : nullptr;
    mem::load_translation(translation);
  }
  auto lock = cred_lock.lock();
  std::swap(space, s);
  return s;
}

Group::~Group() { signals.alone().pending.clear(); }

void Session::destroy(Session* s) {
  {
    auto t = tree.lock();
    // One that never became its number's leaves the real one, and the number, alone.
    if (s->pid->session == s) {
      s->pid->session = nullptr;
      if (s->pid->is_unused()) ident::free_pid_number(*s->pid);
    }
  }
  mem::destroy(s);
}

void ProcessGroup::destroy(ProcessGroup* p) {
  {
    auto t = tree.lock();
    if (p->pid->process_group == p) {
      p->pid->process_group = nullptr;
      if (p->pid->is_unused()) ident::free_pid_number(*p->pid);
    }
  }
  mem::destroy(p);
}

Result<Ref<Session>> make_session(Ref<ident::Pid> pid) {
  Ref<Session> s = TRY(mem::make_ref<Session>(ALLOC_SITE));
  s->pid = std::move(pid);
  return s;
}

Result<Ref<ProcessGroup>> make_process_group(Ref<ident::Pid> pid, Ref<Session> session) {
  Ref<ProcessGroup> p = TRY(mem::make_ref<ProcessGroup>(ALLOC_SITE));
  p->pid = std::move(pid);
  p->session = std::move(session);
  return p;
}

Ref<ProcessGroup> join_process_group(Group& g, Ref<ProcessGroup> to) {
  if (g.process_group) g.process_group->members.remove(g);
  if (to) to->members.push_back(g);
  std::swap(g.process_group, to);
  return to;
}

Result<u64> install_file(Task& me, Ref<io::File> file, bool close_on_exec) {
  const int fd = TRY(me.files->reserve(0, me.group->limit(uapi::rlimit_nofile)));
  me.files->install(fd, std::move(file), close_on_exec);
  return static_cast<u64>(fd);
}

Result<Ref<ident::Pid>> find_pid(u32 number) { return current().pid_space().find(number); }

Result<Ref<Task>> task_behind(const ident::Pid& pid) {
  auto t = tree.lock();
  if (pid.task == nullptr) return Errno::esrch;
  return Ref<Task>(*static_cast<Task*>(pid.task));
}
Result<Ref<Group>> group_behind(const ident::Pid& pid) {
  auto t = tree.lock();
  if (pid.group == nullptr) return Errno::esrch;
  return Ref<Group>(*static_cast<Group*>(pid.group));
}

Result<Ref<Task>> find_task(u32 tid) { return task_behind(*TRY(find_pid(tid))); }

Result<Ref<Group>> find_group(u32 pid) { return group_behind(*TRY(find_pid(pid))); }

namespace {

template <class T>
Ref<T> next_of(ident::PidNamespace& space, u32& number, void* ident::Pid::* role) {
  for (; const Ref<ident::Pid> pid = space.next(number); ++number) {
    number = pid->number_in(space);
    auto t = tree.lock();
    if (void* const it = (*pid).*role; it != nullptr) return Ref<T>(*static_cast<T*>(it));
  }
  return {};
}

}  // namespace

Ref<Task> next_task(ident::PidNamespace& space, u32& number) {
  return next_of<Task>(space, number, &ident::Pid::task);
}
Ref<Group> next_group(ident::PidNamespace& space, u32& number) {
  return next_of<Group>(space, number, &ident::Pid::group);
}

u32 parent_number(Group& g) {
  auto t = tree.lock();
  return g.parent == nullptr ? 0 : g.parent->pid->number_in(g.pid->space());
}

}  // namespace auk::proc
