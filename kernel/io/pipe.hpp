// Pipes: see pipe(7).
//
// Data model: two Files share one Pipe: a ring of pages that exist while they hold bytes
// (priv/pipe.hpp). Locking: level pipe, a sleeping lock: user memory is copied with it held, as
// Linux does. Context: threads. Differences from Linux: bytes of neighbouring writes share pages
// always, not only small ones; what comes by splice(2) is copied once, so the file may change
// afterwards; a named pipe counts for no user until its capacity is changed.
#pragma once
#include "ident/user.hpp"
#include "io/file.hpp"

namespace auk::io {

inline constexpr usize pipe_buf = 4096;  ///< writes up to this are not torn

/// Who makes a pipe, or changes it.
struct PipeMaker {
  u32 uid = 0, gid = 0;
  Ref<ident::User> user;
  bool may_exceed_size = false;    ///< CAP_SYS_RESOURCE
  bool may_exceed_limits = false;  ///< or CAP_SYS_ADMIN
};

/// What can be opened as either end: what a named pipe keeps in its inode, and what /proc shows of
/// another one.
class Fifo : public RefCounted<Fifo> {
 public:
  static void destroy(Fifo* f) { f->dispose(); }
  /// See fifo(7): waits for the other side unless O_NONBLOCK says otherwise. ENXIO, ENOMEM,
  /// restart::sys.
  virtual Result<Ref<File>> open(u32 flags) = 0;

 protected:
  Fifo() = default;
  ~Fifo() = default;
  virtual void dispose() = 0;
};
Result<Ref<Fifo>> make_fifo();

struct PipeEnds {
  Ref<File> read, write;
};
/// `flags`: O_NONBLOCK, and O_DIRECT: each write is a packet. ENOMEM; ENFILE: the user has too
/// many.
Result<mem::Box<PipeEnds>> make_pipe(u32 flags, const PipeMaker& maker);

/// In bytes.
u64 capacity_of(const Pipe& p);
/// F_SETPIPE_SZ: the capacity that it has afterwards. EINVAL, ENOMEM; EBUSY: more bytes wait;
/// EPERM.
Result<u64> set_capacity(Pipe& p, u32 size, const PipeMaker& who);

}  // namespace auk::io
