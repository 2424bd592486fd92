// What programs read of the kernel's log, and write to it: syslog(2), /proc/kmsg, /dev/kmsg.
//
// Data model: core's ring of records. A Reader is a place in it. syslog(2) has one place for all
// who read with it, and one behind what was cleared. Locking: level report for syslog's places.
// Context: threads. A new record wakes readers from a softirq, since it may come from anywhere.
#pragma once
#include "core/log.hpp"
#include "core/user.hpp"
#include "io/poll.hpp"
#include "proc/task.hpp"

namespace auk::proc::kernel_log {

using Buffer = std::array<char, core::max_log_text>;

/// EPERM: reading all there is, as dmesg(1) does; or what only one may do, as klogd(8).
Result<void> may_read_all(Task& me);
Result<void> may_control(Task& me);

class Reader {
  u64 position_ = 0;
  u64 number_ = 0;
  bool is_numbered_ = false;

 public:
  u64 position() const { return position_; }
  void go_to(u64 position) {
    position_ = position;
    is_numbered_ = false;
  }
  /// The next record. Its number is one more than that of the one before, unless some were lost.
  bool next(Buffer& memory, core::LogRecord& out);
  /// The next one has been overwritten; then goes to the oldest that is there.
  bool has_lost();
};
/// There is a record at or behind a position.
bool has_more(u64 position);
/// Of what programs write without saying.
core::Level default_level();

/// Sleeps until there is something behind a place. EINTR's restart.
Result<void> wait_for_more(u64 position);
void watch(io::PollTable& table);
/// Where the last SYSLOG_ACTION_CLEAR was.
u64 cleared_position();

/// syslog(2) with SYSLOG_ACTION_READ. ERESTARTSYS, EFAULT, EAGAIN.
Result<usize> read_once(io::IoBuf& buf, bool nonblocking);
/// There is something for that. Takes no lock.
bool has_unread();
/// The call, but for SYSLOG_ACTION_READ. EINVAL, EPERM, EFAULT.
Result<u64> control(Task& me, int action, UserAddr buffer, int size);

}  // namespace auk::proc::kernel_log
