// How much a thread read and wrote by system calls: proc_pid_io(5).
//
// Data model: a thread counts for itself, without locked instructions; others read. What threads
// counted that have ended, and children that were waited for, is added up in their process.
#pragma once
#include "base/atomic.hpp"

namespace auk::proc {

struct IoTotals {
  u64 bytes_read = 0, bytes_written = 0, reads = 0, writes = 0;
  IoTotals& operator+=(const IoTotals& o) {
    bytes_read += o.bytes_read;
    bytes_written += o.bytes_written;
    reads += o.reads;
    writes += o.writes;
    return *this;
  }
};

class IoCounts {
  Atomic<u64> bytes_read_{0}, bytes_written_{0}, reads_{0}, writes_{0};
  static void add(Atomic<u64>& to, u64 n) { to.store_relaxed(to.load_relaxed() + n); }

 public:
  // The thread itself: a call that got as far as the file, and what it moved.
  void note_read(u64 bytes) {
    add(bytes_read_, bytes);
    add(reads_, 1);
  }
  void note_write(u64 bytes) {
    add(bytes_written_, bytes);
    add(writes_, 1);
  }
  IoTotals totals() const {
    return {.bytes_read = bytes_read_.load_relaxed(),
            .bytes_written = bytes_written_.load_relaxed(),
            .reads = reads_.load_relaxed(),
            .writes = writes_.load_relaxed()};
  }
};

}  // namespace auk::proc
