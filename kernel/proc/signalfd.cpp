#include "proc/signalfd.hpp"

#include "io/anon_file.hpp"
#include "proc/task.hpp"

namespace auk::proc {
namespace {

constexpr io::FileKind kind_of_signalfd{"[signalfd]"};

/// Which of siginfo's layouts it has, as siginfo's head comment in Linux's <asm/siginfo.h> says.
enum class Layout : u8 { kill, timer, poll, fault, child, rt, sys };
Layout layout_of(const uapi::siginfo& i) {
  if (i.code == uapi::si_timer) return Layout::timer;
  if (i.code == uapi::si_sigio) return Layout::poll;
  if (i.code < 0) return Layout::rt;
  if (i.code == uapi::si_user || i.code >= uapi::si_kernel) return Layout::kill;
  switch (i.signo) {
    case uapi::sigill:
    case uapi::sigfpe:
    case uapi::sigsegv:
    case uapi::sigbus:
    case uapi::sigtrap: return Layout::fault;
    case uapi::sigchld: return Layout::child;
    case uapi::sigsys: return Layout::sys;
    default: return Layout::poll;
  }
}

uapi::signalfd_siginfo shown(const uapi::siginfo& i) {
  uapi::signalfd_siginfo s{};
  s.ssi_signo = static_cast<u32>(i.signo);
  s.ssi_errno = i.error;
  s.ssi_code = i.code;
  const auto& f = i.fields;
  const auto sender = [&](i32 pid, u32 uid) {
    s.ssi_pid = static_cast<u32>(pid);
    s.ssi_uid = uid;
  };
  const auto value = [&](u64 v) {
    s.ssi_ptr = v;
    s.ssi_int = static_cast<i32>(v);
  };
  switch (layout_of(i)) {
    case Layout::kill: sender(f.kill.pid, f.kill.uid); break;
    case Layout::timer:
      s.ssi_tid = static_cast<u32>(f.timer.tid);
      s.ssi_overrun = static_cast<u32>(f.timer.overrun);
      value(f.timer.value.sival_ptr);
      break;
    case Layout::poll:
      s.ssi_band = static_cast<u32>(f.poll.band);
      s.ssi_fd = f.poll.fd;
      break;
    case Layout::fault: s.ssi_addr = f.fault.addr; break;
    case Layout::child:
      sender(f.child.pid, f.child.uid);
      s.ssi_status = f.child.status;
      s.ssi_utime = static_cast<u64>(f.child.utime);
      s.ssi_stime = static_cast<u64>(f.child.stime);
      break;
    case Layout::rt:
      sender(f.rt.pid, f.rt.uid);
      value(f.rt.value.sival_ptr);
      break;
    case Layout::sys:
      s.ssi_call_addr = f.sys.call_addr;
      s.ssi_syscall = f.sys.syscall;
      s.ssi_arch = f.sys.arch;
      break;
  }
  return s;
}

class SignalFile final : public io::AnonFile {
  Atomic<SignalSet> wanted_;
  void dispose() override { destroy_late(this); }

  /// Takes one of the caller's signals. EAGAIN, ENOMEM, restart::sys.
  Result<void> take(Task& me, bool may_wait, uapi::siginfo& info) {
    if (take_pending(me, wanted_.load_seq_cst(), info)) return {};
    if (!may_wait) return Errno::eagain;
    const Ref<io::SharedQueue> queue = TRY(me.group->handlers->watched());
    const auto is_there = [&] { return take_pending(me, wanted_.load_seq_cst(), info); };
    if (sched::wait_interruptible(queue->queue, is_there) == sched::WaitResult::interrupted)
      return restart::sys;
    return {};
  }

 public:
  SignalFile(u32 flags, SignalSet wanted) : AnonFile(flags), wanted_(wanted) {}
  ~SignalFile() = default;
  const io::FileKind* kind() const override { return &kind_of_signalfd; }
  void set_wanted(SignalSet s) { wanted_.store_seq_cst(s); }

  Result<usize> read(io::IoBuf& buf) override {
    constexpr usize size = sizeof(uapi::signalfd_siginfo);
    if (buf.left() < size) return Errno::einval;
    Task& me = current();
    usize done = 0;
    while (buf.left() >= size) {
      uapi::siginfo info{};
      const Result<void> taken = take(me, done == 0 && may_wait(buf), info);
      if (!taken.ok()) return done > 0 ? Result<usize>(done) : taken.error();
      const uapi::signalfd_siginfo s = shown(info);
      if (buf.put(object_bytes(s)) != size) return done > 0 ? Result<usize>(done) : Errno::efault;
      done += size;
    }
    return done;
  }

  io::WaysOf ways_of_reading() const override { return io::WaysOf::no_wait; }
  io::PollEvents poll(io::PollTable* table) override {
    Task& me = current();
    if (table != nullptr) {
      if (Result<Ref<io::SharedQueue>> queue = me.group->handlers->watched(); queue.ok())
        table->watch(queue.take());
      else
        table->run_out_of_memory();
    }
    if ((pending_signals(me) & wanted_.load_seq_cst()) == 0) return {};
    return io::PollEvent::in;
  }
};

}  // namespace

Result<Ref<io::File>> make_signalfd(Task& me, SignalSet wanted, u32 flags) {
  constexpr u32 read_write = 2;
  // From now on the queue is there, and nothing that waits in this process can fail.
  TRY(me.group->handlers->watched());
  return Ref<io::File>(
      TRY(mem::make_ref<SignalFile>(ALLOC_SITE, flags | read_write, wanted & ~unmaskable)));
}

Result<void> set_signalfd(Task& me, io::File& f, SignalSet wanted) {
  if (f.kind() != &kind_of_signalfd) return Errno::einval;
  static_cast<SignalFile&>(f).set_wanted(wanted & ~unmaskable);
  me.group->handlers->wake_watchers();
  return {};
}

}  // namespace auk::proc
