// signalfd(2): signals that are read instead of handled.
//
// Data model: a file is a set of signals and nothing else: whoever reads or polls it sees its own
// pending ones. What it waits on is the queue of its process's Handlers, woken by every signal that
// is sent there. Locking: as signals. Context: threads.
#pragma once
#include "io/file.hpp"
#include "proc/signal.hpp"

namespace auk::proc {

/// `flags`: O_NONBLOCK. ENOMEM.
Result<Ref<io::File>> make_signalfd(Task& me, SignalSet wanted, u32 flags);
/// Gives a signalfd another set. EINVAL for other files.
Result<void> set_signalfd(Task& me, io::File& f, SignalSet wanted);

}  // namespace auk::proc
