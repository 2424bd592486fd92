// Signals: sets, actions, queues; sending and taking.
//
// Data model: a Task and its Group each have a Pending (bits and queued siginfos); the Group's lock
// guards both, and the masks. Handlers (shared by CLONE_SIGHAND) holds the actions.
// Sending: the bit and the siginfo are added, a thread that may take it is chosen and notified
// (work bit, decision D6). Taking happens on the way to user mode, in the thread itself.
// Locking: level group, then handlers. Context: sending any but NMI. Source: signal(7),
// sigaction(2), and process-lifecycle for wait and exit codes.
#pragma once
#include <array>

#include "base/list.hpp"
#include "base/own.hpp"
#include "core/spin.hpp"
#include "generated/uapi/signal.hpp"
#include "ident/pid.hpp"
#include "ident/user.hpp"
#include "io/poll.hpp"
#include "mem/box.hpp"
#include "uapi/isa/signal.hpp"

namespace auk::proc {

class Task;
class Group;

inline constexpr u32 signal_count = 64;
using SignalSet = u64;  ///< bit n-1 stands for signal n
constexpr SignalSet set_of(u32 signal) { return SignalSet{1} << (signal - 1); }
/// Cannot be blocked, caught or ignored.
inline constexpr SignalSet unmaskable = set_of(uapi::sigkill) | set_of(uapi::sigstop);
/// Caused by what the thread does; taken before others.
inline constexpr SignalSet synchronous = set_of(uapi::sigsegv) | set_of(uapi::sigbus) |
                                         set_of(uapi::sigill) | set_of(uapi::sigtrap) |
                                         set_of(uapi::sigfpe) | set_of(uapi::sigsys);
inline constexpr SignalSet stop_signals =
    set_of(uapi::sigstop) | set_of(uapi::sigtstp) | set_of(uapi::sigttin) | set_of(uapi::sigttou);

using Action = uapi::kernel_sigaction;
inline constexpr u64 handler_default = 0, handler_ignore = 1;

enum class DefaultAction : u8 { terminate, core, ignore, stop, resume };
DefaultAction default_action(u32 signal);

class Handlers final : public RefCounted<Handlers> {
  Atomic<io::SharedQueue*> watched_{nullptr};  ///< counted; made when it is first asked for

 public:
  using Actions = std::array<Action, signal_count>;
  core::Guarded<core::level::handlers, Actions, core::SpinIrqOff> actions;
  ~Handlers() { (void)Ref<io::SharedQueue>::adopt(watched_.load_relaxed()); }
  static void destroy(Handlers* h) { mem::destroy(h); }
  Result<Ref<Handlers>> copy();
  Action get(u32 signal) { return (*actions.lock())[signal - 1]; }
  /// What exec does: caught signals go back to the default.
  void reset_caught();
  /// The queue of those who wait for signals by signalfd(2). ENOMEM.
  Result<Ref<io::SharedQueue>> watched();
  /// A signal is pending.
  void wake_watchers() {
    if (io::SharedQueue* const q = watched_.load_seq_cst(); q != nullptr) q->queue.wake_all();
  }
};

class SignalSource;

struct QueuedSignal {
  uapi::siginfo info;
  ListNode node;
  SignalSource* source = nullptr;  ///< whose part this is; counted while it is queued
  ident::SignalCharge charge{};
};

/// Sends one signal again and again and has a place of its own in the queue: a timer.
class SignalSource : public RefCounted<SignalSource> {
 public:
  QueuedSignal queued{.info = {}, .node = {}, .source = this, .charge = {}};

  SignalSource(const SignalSource&) = delete;
  SignalSource& operator=(const SignalSource&) = delete;
  static void destroy(SignalSource* s) { s->dispose(); }
  /// The signal was taken; `info` is what the program will see. No lock is held.
  virtual void taken(uapi::siginfo& info) = 0;
  /// The signal was pending and vanished. Any context; no lock is held.
  virtual void dropped() = 0;

 protected:
  SignalSource() = default;
  ~SignalSource() = default;
  virtual void dispose() = 0;
};

struct Pending {
  SignalSet bits = 0;
  List<QueuedSignal, &QueuedSignal::node> queue;
  void clear();
};

uapi::siginfo kernel_signal(u32 signal);
uapi::siginfo user_signal(u32 signal, const Task& sender, i32 code);

/// To one thread, or to the group of a thread. Ignored signals vanish. ENOMEM and EAGAIN only for
/// queued real-time signals. The tree lock must not be held by senders to a group.
Result<void> send_to_task(Task& t, const uapi::siginfo& info);
Result<void> send_to_group(Group& g, const uapi::siginfo& info);
/// What a source has prepared in its place of the queue; it stays there once if it is pending
/// already. To the group, or only to the thread that has the number `only` at the moment.
enum class Sent : u8 { pending, dropped, nobody_there, no_room };
Sent send_from(SignalSource& source, Group& g, const ident::Pid* only);
/// The same for who holds the tree lock already: made before the lock is taken, ended behind it.
class Sending {
  QueuedSignal* fresh_ = nullptr;
  void charge_to(Group& g, const Ref<ident::User>& user, const uapi::siginfo& info);
  List<QueuedSignal, &QueuedSignal::node> gone_;

 public:
  Sending();
  explicit Sending(SignalSource& source) : fresh_(&source.queued) {}
  ~Sending();
  Sending(const Sending&) = delete;
  Sending& operator=(const Sending&) = delete;
  /// no_room: a real-time signal whose siginfo cannot be queued; nothing is pending then.
  Sent send_locked(Group& g, Task* only, const uapi::siginfo& info);
};

/// A fault: the signal cannot be blocked or ignored.
void force_signal(Task& me, const uapi::siginfo& info);
/// EPERM unless `sender` may send it, kill(2).
Result<void> may_signal(const Task& sender, Task& target, u32 signal);
Result<void> may_signal_locked(const Task& sender, Task& target, u32 signal);

/// What the return to user mode has to do.
struct Taken {
  u32 signal = 0;  ///< 0: nothing for a handler
  uapi::siginfo info;
  Action action;
  SignalSet mask_before = 0;  ///< goes into the frame
};
/// Takes signals until one wants a handler; acts on defaults (may not return). Current thread.
void take_signal(Task& me, Taken& out);
/// The mask of the current thread; unmaskable signals stay out of it.
void set_blocked(Task& me, SignalSet mask);
/// Replaces an action, unless `fresh` is null; what was waiting and is ignored now vanishes. The
/// one before.
Action change_action(Task& me, u32 signal, const Action* fresh);
/// The signals that wait for the thread or its process, blocked or not.
SignalSet pending_signals(Task& me);
/// sigwaitinfo(2): takes one of a set without running a handler. EAGAIN when the deadline has
/// passed, EINTR when another signal came.
Result<u32> wait_for_signal(Task& me, SignalSet wanted, u64 deadline_ns, uapi::siginfo& out);
/// Takes one of a set, whether blocked or not, if one is pending for the thread or its process.
bool take_pending(Task& me, SignalSet wanted, uapi::siginfo& out);
/// After changes: sets or clears the work bit of the current thread.
void recompute_work(Task& me);

}  // namespace auk::proc
