// What all calls share that move bytes between files and programs.
#pragma once
#include "generated/uapi/inotify.hpp"
#include "generated/uapi/resource.hpp"
#include "generated/uapi/signal.hpp"
#include "syscall/support.hpp"
#include "vfs/notify.hpp"

namespace auk::syscall {

/// A write failed: that nobody reads, or that the limit of sizes is reached, is also a signal.
inline void signal_failed_write(Task& me, const io::File& f, Errno e) {
  if (e == Errno::epipe && f.breaks_pipe()) signal_writer(me, uapi::sigpipe);
  if (e == Errno::efbig && me.group->limit(uapi::rlimit_fsize) != uapi::rlim_infinity)
    signal_writer(me, uapi::sigxfsz);
}

/// Writes by `how`, within the caller's limit.
template <class F> Value write_with(Task& me, io::File& f, io::IoBuf& buf, F how) {
  buf.limit_file_size(me.group->limit(uapi::rlimit_fsize));
  if (buf.left() > 0) TRY(prepare_change(me, f));
  Result<usize> r = how(buf);
  if (r.ok()) {
    if (buf.is_broken()) signal_writer(me, uapi::sigpipe);
    if (*r > 0) vfs::notify::happened(f, uapi::in_modify);
    return u64{*r};
  }
  signal_failed_write(me, f, r.error());
  return r.error();
}

// What the thread's counts learn of a call that was tried, whatever it answers.
inline Value counted_read(Task& me, Value v) {
  me.io_counts.note_read(v.ok() ? *v : 0);
  return v;
}
inline Value counted_write(Task& me, Value v) {
  me.io_counts.note_write(v.ok() ? *v : 0);
  return v;
}

/// What read(2) answers for `r`; watches of the file are told of the access.
inline Value finish_read(const io::File& f, Result<usize> r) {
  if (!r.ok()) return r.error();
  if (*r > 0) vfs::notify::happened(f, uapi::in_access);
  return u64{*r};
}

}  // namespace auk::syscall
