#include "proc/accounting.hpp"

#include <algorithm>
#include <bit>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "core/log.hpp"
#include "core/sysctl.hpp"
#include "dev/number.hpp"
#include "generated/uapi/acct.hpp"
#include "proc/usage.hpp"
#include "uapi/acct.hpp"
#include "vfs/notify.hpp"
#include "vfs/operations.hpp"
#include "vfs/pin.hpp"

namespace auk::proc {

constinit Atomic<u32> account_count{0};

namespace {

/// Per cent of the file system's blocks that must be free to go on, and at which it pauses; and how
/// many seconds lie between two looks.
constinit Atomic<i32> resume_percent{4}, pause_percent{2}, seconds_between_looks{30};

class AccountSysctl final : public core::Sysctl {
  static constexpr std::array values{&resume_percent, &pause_percent, &seconds_between_looks};

 public:
  constexpr AccountSysctl() : Sysctl("kernel/acct", true) {}
  void show(Writer& out) const override {
    format_to(out, "{}\t{}\t{}", resume_percent.load_relaxed(), pause_percent.load_relaxed(),
              seconds_between_looks.load_relaxed());
  }
  /// Who names fewer leaves the others as they are.
  Result<void> store(std::string_view text) override {
    constexpr std::string_view space = " \t\n";
    std::array<i32, values.size()> fresh{};
    usize count = 0;
    while (count < fresh.size()) {
      text.remove_prefix(std::min(text.find_first_not_of(space), text.size()));
      if (text.empty()) break;
      const std::string_view word = text.substr(0, text.find_first_of(space));
      const std::optional<i64> n = parse_i64(word);
      if (!n || *n < INT32_MIN || *n > INT32_MAX) return Errno::einval;
      fresh[count++] = static_cast<i32>(*n);
      text.remove_prefix(word.size());
    }
    if (count == 0) return Errno::einval;
    for (usize i = 0; i < count; ++i) values[i]->store_relaxed(fresh[i]);
    return {};
  }
};
constinit AccountSysctl acct_variable;
SYSCTL(acct_variable);

/// comp_t: 13 bits, and how often they are to be multiplied by 8; rounded, and never too large.
constexpr u16 to_comp(u64 value) {
  constexpr u32 bits = 13, step = 3, most_steps = 7;
  constexpr u64 most = (u64{1} << bits) - 1;
  u32 steps = 0;
  bool rounds_up = false;
  for (; value > most; value >>= step, ++steps) rounds_up = (value >> (step - 1) & 1) != 0;
  if (rounds_up && ++value > most) {
    value >>= step;
    ++steps;
  }
  return steps > most_steps ? u16{0xffff} : static_cast<u16>(steps << bits | value);
}
static_assert(to_comp(0) == 0 && to_comp(8191) == 8191 && to_comp(8192) == (1 << 13 | 1024));
static_assert(to_comp(8195) == to_comp(8192) && to_comp(8196) == (1 << 13 | 1025));
static_assert(to_comp(65535) == (2 << 13 | 1024) && to_comp(~u64{0}) == 0xffff);

/// The bits of a float, whose fraction is cut off.
constexpr u32 to_float_bits(u64 value) {
  if (value == 0) return 0;
  constexpr u32 exponent_of_highest_bit = 127 + 63, fraction_bits = 23;
  const auto zeros = static_cast<u32>(std::countl_zero(value));
  const u64 fraction = value << zeros >> (63 - fraction_bits) & ((u64{1} << fraction_bits) - 1);
  return (exponent_of_highest_bit - zeros) << fraction_bits | static_cast<u32>(fraction);
}
static_assert(to_float_bits(1) == std::bit_cast<u32>(1.0F));
static_assert(to_float_bits(123456) == std::bit_cast<u32>(123456.0F));
static_assert(to_float_bits(u64{3} << 62) == 0x5f400000);

constexpr u64 second_ns = 1'000'000'000, ticks_per_second = uapi::ahz;
constexpr u64 to_ticks(u64 ns) { return ns / (second_ns / ticks_per_second); }

class Account final : public vfs::Pin {
  struct State {
    Ref<io::File> file;  ///< null: it is over
    bool is_active = false;
    u64 next_look_ns = 0;
  };
  core::Guarded<core::level::accounting, State, sched::SleepLock> state_;
  const Ref<ident::PidNamespace> space_;
  const Ref<ident::Cred> cred_;

  void dispose() override { mem::destroy(this); }
  static void look_at_space(State& s);
  uapi::acct_v3 make_record(Task& me) const;
  void record(State& s, Task& me) const;

 public:
  explicit Account(Task& opener) : space_(opener.pid_space()), cred_(opener.cred_ref()) {}
  ~Account() = default;
  /// Takes the place of the one before, which is ended.
  void begin(Ref<io::File> file, const vfs::Mount& named_by);
  void let_go() override;
  /// False: it was over already.
  bool record_end(Task& me);
};

/// The tree lock is held.
Ref<Account> exchange(ident::PidNamespace& space, Account* fresh) {
  return Ref<Account>::adopt(static_cast<Account*>(std::exchange(space.account, fresh)));
}

Ref<Account> account_of(const ident::PidNamespace& space) {
  auto t = tree.lock();
  auto* const a = static_cast<Account*>(space.account);
  return a == nullptr ? Ref<Account>() : Ref<Account>(*a);
}

void Account::look_at_space(State& s) {
  const vfs::FsInfo i = vfs::inode_of(*s.file)->super().info();
  const auto share = [&](const Atomic<i32>& percent) {
    return i.blocks * static_cast<u64>(i64{percent.load_relaxed()}) / 100;
  };
  if (s.is_active && i.free_blocks <= share(pause_percent)) {
    s.is_active = false;
    core::log_info("Process accounting paused");
  } else if (!s.is_active && i.free_blocks >= share(resume_percent)) {
    s.is_active = true;
    core::log_info("Process accounting resumed");
  }
  const i32 seconds = std::max(seconds_between_looks.load_relaxed(), 0);
  s.next_look_ns = core::clock_ns() + static_cast<u64>(seconds) * second_ns;
}

/// What the process used, and how it ended, only if it does.
uapi::acct_v3 Account::make_record(Task& me) const {
  Group& g = *me.group;
  const bool is_ending = g.unfinished_tasks.load_relaxed() == 0;
  const Usage usage = is_ending ? usage_of(g) : Usage();
  uapi::acct_v3 r{};
  r.ac_version = 3;
  std::ranges::copy(me.name().substr(0, sizeof(r.ac_comm) - 1), r.ac_comm);
  const u64 ran = to_ticks(core::clock_ns() - g.start_ns);
  r.ac_etime_bits = to_float_bits(ran);
  const i64 begun =
      core::real_ns() / static_cast<i64>(second_ns) - static_cast<i64>(ran / ticks_per_second);
  r.ac_btime = static_cast<u32>(std::clamp<i64>(begun, 0, ~u32{0}));
  r.ac_uid = me.cred().uid;
  r.ac_gid = me.cred().gid;
  auto t = tree.lock();
  r.ac_pid = g.pid->number_in(*space_);
  if (g.parent != nullptr) r.ac_ppid = g.parent->pid->number_in(*space_);
  if (g.process_group)
    if (const Ref<Terminal>& terminal = g.process_group->session->terminal) {
      const u64 device = terminal->device();
      r.ac_tty = static_cast<u16>(dev::major_of(device) << 8 | dev::minor_of(device));
    }
  if (!is_ending) return r;
  u32 flags = 0;
  if (!g.has_execed) flags |= uapi::afork;
  if (g.was_signaled.load_relaxed()) flags |= uapi::axsig;
  r.ac_flag = static_cast<i8>(flags);
  r.ac_exitcode = g.leader_status;
  r.ac_utime = to_comp(to_ticks(usage.time.user_ns));
  r.ac_stime = to_comp(to_ticks(usage.time.system_ns));
  r.ac_mem = to_comp(g.last_pages * (page_size / kib));
  r.ac_minflt = to_comp(usage.events.faults);
  return r;
}

void Account::record(State& s, Task& me) const {
  const bool looks = core::clock_ns() >= s.next_look_ns;
  if (!looks && !s.is_active) return;
  // As it is before anything is done for the record.
  const uapi::acct_v3 r = make_record(me);
  if (looks) look_at_space(s);
  if (!s.is_active) return;
  // There is nobody who could be told that it failed.
  (void)vfs::drop_privileges(*cred_, *vfs::inode_of(*s.file));
  io::IoBuf buf = io::IoBuf::source(object_bytes(r));
  // A thread that is to die is given a page at a time.
  while (buf.left() > 0)
    if (!s.file->write(buf).ok()) return;
  vfs::notify::happened(*s.file, uapi::in_modify);
}

void Account::begin(Ref<io::File> file, const vfs::Mount& named_by) {
  Ref<Account> before;
  {
    auto s = state_.lock();
    s->file = std::move(file);
    (void)account_count.fetch_add_relaxed(1);
    vfs::add_pin(*this, named_by);
    auto t = tree.lock();
    before = exchange(*space_, Ref<Account>(*this).release());
  }
  if (before) before->let_go();
  if (named_by.super().is_read_only()) let_go();
}

void Account::let_go() {
  Ref<io::File> file;
  Ref<Account> me;
  auto s = state_.lock();
  if (!s->file) return;
  // Nobody in particular ends it where the last user of a mount was no program.
  if (sched::current().is_user()) record(*s, current());
  file = std::move(s->file);
  (void)account_count.fetch_sub_relaxed(1);
  vfs::remove_pin(*this);
  auto t = tree.lock();
  if (space_->account == this) me = exchange(*space_, nullptr);
}

bool Account::record_end(Task& me) {
  auto s = state_.lock();
  if (!s->file) return false;
  record(*s, me);
  return true;
}

}  // namespace

Result<void> begin_accounting(Task& me, Ref<io::File> file, const vfs::Mount& named_by) {
  TRY(mem::make_ref<Account>(ALLOC_SITE, me))->begin(std::move(file), named_by);
  return {};
}

void end_accounting(ident::PidNamespace& space) {
  if (const Ref<Account> a = account_of(space)) a->let_go();
}

void record_end(Task& me) {
  for (ident::PidNamespace* s = &me.pid_space(); s != nullptr; s = s->parent.get())
    // What was over has left the namespace meanwhile.
    while (const Ref<Account> a = account_of(*s))
      if (a->record_end(me)) break;
}

}  // namespace auk::proc
