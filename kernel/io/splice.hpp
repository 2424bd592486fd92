// Moving bytes between pipes and files without a program's memory: see splice(2), tee(2),
// vmsplice(2).
//
// Data flow: bytes are copied once, into pages of the pipe or out of them; between two pipes whole
// pages change hands. No lock is held while a file is read or written: the pipe's slots are
// reserved, or its oldest bytes claimed (priv/pipe.hpp), until that is done, so nothing is lost
// when a file takes less, and readers see everything in order. Context: threads. Source: Linux's
// behaviour, where a pipe is locked for as long instead.
#pragma once
#include "io/file.hpp"

namespace auk::io {

/// How far and how; the caller has looked at the files' flags.
struct Splice {
  u64 size = 0;
  bool may_wait = true;
  u64 file_size_limit = ~u64{0};
};

// What was moved: less than asked for when there is no more, or no more room. The File with pipe()
// is one; `offset`, if there is one, counts instead of the file's position and moves.
// EAGAIN, restart::sys, EPIPE: nobody reads the pipe; the file's errors.
Result<u64> splice_in(File& from, u64* offset, File& pipe, const Splice& how);
Result<u64> splice_out(File& pipe, File& to, u64* offset, const Splice& how);
/// Two different pipes.
Result<u64> splice_pipes(File& from, File& to, const Splice& how);
/// The same, and the bytes stay where they are too.
Result<u64> tee(File& from, File& to, const Splice& how);
/// vmsplice(2) into a pipe: waits for some room only.
Result<u64> splice_memory(IoBuf& buf, File& pipe, bool may_wait);

}  // namespace auk::io
