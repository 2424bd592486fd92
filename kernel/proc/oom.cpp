#include "proc/oom.hpp"

#include <algorithm>
#include <optional>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/smp_call.hpp"
#include "mem/reclaim.hpp"
#include "proc/task.hpp"
#include "sched/lock.hpp"
#include "sched/rcu.hpp"
#include "vfs/kept.hpp"

namespace auk::proc::oom {
namespace {

constexpr i64 never = -1000;
constexpr u64 second_ns = 1'000'000'000;
constexpr u64 dentries_at_once = 1024;

/// The space of the process that is being killed, counted, until its memory is back.
struct Victim {
  vm::AddressSpace* space = nullptr;
};
constinit core::Guarded<core::level::oom, Victim, sched::SleepLock> victim;
constinit Atomic<u64> victims_chosen{0}, victims_done{0};
constinit sched::WaitQueue victim_chosen, victim_done;

class Drain final : public core::CrossCall {
 public:
  void run() override { mem::drain_caches(); }
};

u64 used_pages(vm::AddressSpace& s) { return s.resident_pages() + s.translation().table_pages(); }

/// Pages, with what oom_score_adj adds; none for those that are left alone.
std::optional<i64> points(Group& g, u64 spared) {
  auto t = tree.lock();
  if (g.oom_score_adj == never || g.life != Life::alive) return std::nullopt;
  for (Task& task : g.tasks) {
    auto lock = task.cred_lock.lock();
    if (!task.space || task.space->id() == spared || task.space->is_reaped()) continue;
    const i64 adjustment = g.oom_score_adj * static_cast<i64>(mem::managed_pages() / 1000);
    return static_cast<i64>(used_pages(*task.space)) + adjustment;
  }
  return std::nullopt;
}

/// How much a process's end would give back, or 0 for those that are left alone, as who runs in the
/// space of the number `spared`.
i64 badness(Group& g, u64 spared) {
  const std::optional<i64> p = points(g, spared);
  return p ? std::max<i64>(*p, 1) : 0;
}

/// The number of the space a process runs in, or 0.
u64 space_number(Group& g) {
  auto t = tree.lock();
  for (Task& task : g.tasks) {
    auto lock = task.cred_lock.lock();
    if (task.space) return task.space->id();
  }
  return 0;
}

/// The process whose end gives most back, or none. Init's is left alone, and who shares its space.
Ref<Group> choose() {
  const Ref<Group> init(*tree.lock()->init);
  const u64 spared = space_number(*init);
  Ref<Group> chosen;
  i64 most = 0;
  for (u32 n = 1; const Ref<Group> g = next_group(ident::first_pids(), n); ++n) {
    const i64 points = g == init ? 0 : badness(*g, spared);
    if (points <= most) continue;
    most = points;
    chosen = g;
  }
  return chosen;
}

/// It cannot come back from where it is going. Between a thread's taking SIGKILL and the end of the
/// group only the threads know.
bool is_ending(Group& g) {
  auto t = tree.lock();
  bool all_threads = true;
  for (Task& task : g.tasks)
    all_threads = all_threads && (task.work_bits.load_acquire() & core::work::fatal) != 0;
  auto s = g.signals.lock();
  return all_threads || s->is_exiting || (s->pending.bits & set_of(uapi::sigkill)) != 0;
}

/// The name and the space of a process.
struct Seen {
  std::array<char, core::ThreadCore::name_size> name{};
  Ref<vm::AddressSpace> space;
  u32 uid = 0;
};
Seen look_at(Group& g) {
  Seen seen;
  auto t = tree.lock();
  for (Task& task : g.tasks) {
    Ref<vm::AddressSpace> space = task.space_of();
    if (!space) continue;
    seen.name = task.name_;
    seen.uid = task.cred_ref()->uid;
    seen.space = std::move(space);
    break;
  }
  return seen;
}

/// Everybody who runs in the space of the victim dies with it.
void kill_all_in(const vm::AddressSpace& space) {
  for (u32 n = 1; const Ref<Group> g = next_group(ident::first_pids(), n); ++n)
    if (space_number(*g) == space.id()) (void)send_to_group(*g, kernel_signal(uapi::sigkill));
}

/// Kills somebody, unless somebody is dying already. False: there is nobody.
bool start_kill(unsigned order) {
  auto v = victim.lock();
  if (v->space != nullptr) return true;
  const Ref<Group> g = choose();
  if (!g) return false;
  Seen seen = look_at(*g);
  if (!seen.space) return true;  // it ended meanwhile
  const std::string_view all(seen.name.data(), seen.name.size());
  const std::string_view name = all.substr(0, all.find('\0'));
  core::log_warn("{} invoked oom-killer: order={}, oom_score_adj={}", current().name(), order,
                 current().group->oom_score_adj);
  constexpr u64 kib_per_page = page_size / kib;
  core::log_err("Out of memory: Killed process {} ({}) total-vm:{}kB, anon-rss:{}kB, "
                "file-rss:{}kB, shmem-rss:0kB, UID:{} pgtables:{}kB oom_score_adj:{}",
                g->pid->number(), name, seen.space->sizes().total * kib_per_page,
                seen.space->resident_anonymous_pages() * kib_per_page,
                (seen.space->resident_pages() - seen.space->resident_anonymous_pages()) *
                    kib_per_page,
                seen.uid, seen.space->translation().table_pages() * kib_per_page, g->oom_score_adj);
  (void)send_to_group(*g, kernel_signal(uapi::sigkill));
  kill_all_in(*seen.space);
  v->space = seen.space.release();
  (void)victims_chosen.fetch_add_acq_rel(1);
  victim_chosen.wake_all();
  return true;
}

class Reclaimer final : public mem::Reclaimer {
 public:
  bool make_room(unsigned order, u32 attempt) override {
    // Kernel threads do what makes room: they cannot wait for it.
    if (!sched::current().is_user()) {
      if (attempt > 0) return false;
      mem::drain_caches();
      return true;
    }
    if (sched::current().has_work(sched::Interruptible::fatal)) return false;
    if (vfs::shrink_kept_dentries(dentries_at_once) > 0 || attempt == 0) {
      give_back_caches();
      return true;
    }
    // Nobody dies for large pieces.
    constexpr unsigned most_order = 3;
    if (order > most_order) return false;
    // Enough is free, only not in one piece: nobody's death would help for sure.
    const mem::PageCounts pages = mem::count_pages();
    if (order > 0 && pages.free > 8 * (mem::reserved_pages() + (u64{1} << order))) return false;
    const u64 done = victims_done.load_seq_cst();
    if (!start_kill(order)) {
      core::log_warn("{}: out of memory and no killable processes", current().name());
      return false;
    }
    const auto is_done = [&] { return victims_done.load_seq_cst() != done; };
    // The allocation may be part of an interruptible wait.
    sched::Thread& me = sched::current();
    const sched::Interruptible before = me.sleep_class.load_relaxed();
    (void)sched::wait(victim_done, is_done, core::clock_ns() + second_ns,
                      sched::Interruptible::fatal);
    me.sleep_class.store_relaxed(before);
    return !sched::current().has_work(sched::Interruptible::fatal);
  }
};
constinit Reclaimer reclaimer;

/// Takes the victim's memory, and says when it is back.
class Reaper final : public sched::ThreadMain {
 public:
  void discard() override { mem::destroy(this); }
  void run() override {
    for (u64 handled = 0;; ++handled) {
      const auto is_called = [&] { return victims_chosen.load_seq_cst() != handled; };
      (void)sched::wait(victim_chosen, is_called);
      Ref<vm::AddressSpace> space;
      {
        auto v = victim.lock();
        space = Ref<vm::AddressSpace>(*v->space);
      }
      reap(*space);
      {
        auto v = victim.lock();
        (void)Ref<vm::AddressSpace>::adopt(std::exchange(v->space, nullptr));
      }
      space = {};
      (void)victims_done.fetch_add_acq_rel(1);
      victim_done.wake_all();
    }
  }

 private:
  /// Areas that are changing just now are not to be had; their owner is dying, too.
  static void reap(vm::AddressSpace& space) {
    constexpr u32 tries = 10;
    for (u32 i = 0; i < tries; ++i) {
      if (space.reap()) return;
      sched::sleep_until(core::clock_ns() + second_ns / 10);
    }
    space.give_up_reaping();
  }
};

}  // namespace

Result<void> release_memory(Group& g) {
  const Ref<vm::AddressSpace> space = look_at(g).space;
  if (!space) return Errno::esrch;
  if (space->is_reaped()) return {};
  for (u32 n = 1; const Ref<Group> other = next_group(ident::first_pids(), n); ++n)
    if (space_number(*other) == space->id() && !is_ending(*other)) return Errno::einval;
  space->reap_in_time();
  return {};
}

u32 score(Group& g) {
  constexpr u64 nobody = 0;  // no space has this number
  const std::optional<i64> p = points(g, nobody);
  if (!p) return 0;
  const i64 thousandths = *p * 1000 / static_cast<i64>(mem::managed_pages());
  return static_cast<u32>(std::max<i64>((1000 + thousandths) * 2 / 3, 0));
}

void give_back_caches() {
  sched::drop_cached_stacks();
  sched::rcu_synchronize();
  sched::rcu_barrier();
  Drain drain;
  core::call_on_others(drain);
  const core::IrqOff irq_off;
  drain.run();
}

bool is_hopeless() {
  const mem::PageCounts pages = mem::count_pages();
  return pages.free + pages.cached <= mem::reserved_pages();
}

Result<void> setup() {
  mem::Box<Reaper> body = TRY(mem::Box<Reaper>::make(ALLOC_SITE));
  TRY(sched::spawn("oom_reaper", *body.release()));
  mem::set_reclaimer(reclaimer);
  return {};
}

}  // namespace auk::proc::oom
