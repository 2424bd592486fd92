#include "io/splice.hpp"

#include <algorithm>

#include "io/priv/pipe.hpp"
#include "mem/heap_bytes.hpp"

namespace auk::io {
namespace {

constexpr u32 most_slots = 16;  ///< at a time

using mem::HeapBytes;

/// Slots of a pipe that are to be filled.
class Reservation {
  Pipe& pipe_;
  u32 left_ = 0;

 public:
  explicit Reservation(Pipe& p) : pipe_(p) {}
  ~Reservation() { pipe_.give_back(left_); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  u32 left() const { return left_; }
  /// False: the pipe is full.
  bool try_take(u64 slots) {
    left_ = pipe_.reserve(static_cast<u32>(std::min<u64>(slots, most_slots)));
    return left_ > 0;
  }
  /// One at least. EPIPE, EAGAIN, restart::sys.
  Result<void> take(u64 slots, bool may_wait) {
    for (;;) {
      if (!pipe_.has_readers()) return Errno::epipe;
      if (try_take(slots)) return {};
      if (!may_wait) return Errno::eagain;
      TRY(pipe_.wait_writable());
    }
  }
  void put(const PipeSlot& s) {
    --left_;
    pipe_.put(s);
  }
  /// `page` is one that is to become the pipe's.
  void put(HeapBytes page, usize size, bool is_packet = false) {
    put({.page = page.release(), .size = static_cast<u32>(size), .is_packet = is_packet});
  }
};

/// The oldest bytes of a pipe, for one reader.
class Claim {
  Pipe& pipe_;
  std::array<PipeSlot, most_slots> slots_;
  u32 count_ = 0;

 public:
  explicit Claim(Pipe& p) : pipe_(p) {}
  ~Claim() {
    if (count_ > 0) pipe_.release();
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  std::span<const PipeSlot> slots() const { return std::span(slots_).first(count_); }
  bool try_take() {
    count_ = pipe_.claim(slots_);
    return count_ > 0;
  }
  /// False at the end. EAGAIN, restart::sys.
  Result<bool> take(bool may_wait) {
    for (;;) {
      const bool may_be_end = !pipe_.has_writers();
      if (try_take()) return true;
      if (may_be_end && pipe_.bytes_waiting() == 0) return false;
      if (!may_wait) return Errno::eagain;
      TRY(pipe_.wait_readable());
    }
  }
};

u64 slots_for(u64 size) { return (size + page_size - 1) / page_size; }

Result<usize> read_some(File& from, u64* offset, IoBuf& buf) {
  Result<usize> n = offset != nullptr ? from.read_at(buf, *offset) : from.read(buf);
  if (n.ok() && offset != nullptr) *offset += *n;
  return n;
}

/// Page by page, as far as there is something.
Result<u64> read_pages(File& from, u64* offset, Reservation& slots, u64 size) {
  u64 done = 0;
  while (done < size && slots.left() > 0) {
    Result<HeapBytes> made = HeapBytes::make(ALLOC_SITE, page_size, mem::Fill::overwrite);
    if (!made.ok()) return done > 0 ? Result<u64>(done) : made.error();
    HeapBytes page = made.take();
    const usize n = std::min<u64>(size - done, page_size);
    IoBuf buf(page.bytes().first(n));
    Result<usize> got = read_some(from, offset, buf);
    if (!got.ok()) return done > 0 ? Result<u64>(done) : got.error();
    if (*got > 0) slots.put(std::move(page), *got);
    done += *got;
    if (*got < n) break;
  }
  return done;
}

/// By one read, which may be all there is just now, or a message.
Result<u64> read_once(File& from, Reservation& slots, u64 size, bool may_wait) {
  const usize most = std::min<u64>(size, slots.left() * page_size);
  const HeapBytes memory = TRY(HeapBytes::make(ALLOC_SITE, most, mem::Fill::overwrite));
  IoBuf buf(memory.bytes());
  buf.set_way({.may_wait = may_wait});
  const usize got = TRY(from.read(buf));
  for (usize done = 0; done < got;) {
    Result<HeapBytes> made = HeapBytes::make(ALLOC_SITE, page_size, mem::Fill::overwrite);
    // The rest of what was read is lost, as when a program has no memory for it.
    if (!made.ok()) return done > 0 ? Result<u64>(done) : made.error();
    HeapBytes page = made.take();
    const usize n = std::min(got - done, page_size);
    std::ranges::copy(memory.bytes().subspan(done, n), page.bytes().begin());
    slots.put(std::move(page), n);
    done += n;
  }
  return got;
}

/// What stands in the way of moving something.
enum class Missing : u8 { nothing, bytes, room };
/// One try: move(slot, size, slots) for what there is and fits. What was moved before an error
/// counts.
template <class F>
Missing try_move(Pipe& from, Pipe& to, u64 most, u64& moved, Result<void>& result, F move) {
  Claim claim(from);
  if (!claim.try_take()) return Missing::bytes;
  Reservation slots(to);
  if (!slots.try_take(claim.slots().size())) return Missing::room;
  for (const PipeSlot& s : claim.slots()) {
    if (slots.left() == 0 || moved == most) break;
    const usize n = std::min<u64>(s.size, most - moved);
    result = move(s, n, slots);
    if (!result.ok()) break;
    moved += n;
  }
  return Missing::nothing;
}

/// Until something has moved, or one of the pipes has ended.
template <class F> Result<u64> move_between(Pipe& from, Pipe& to, const Splice& how, F move) {
  for (;;) {
    if (!to.has_readers()) return Errno::epipe;
    const bool may_be_end = !from.has_writers();
    u64 moved = 0;
    Result<void> result;
    const Missing missing = try_move(from, to, how.size, moved, result, move);
    if (moved > 0) return moved;
    TRY(result);
    if (missing == Missing::bytes && may_be_end && from.bytes_waiting() == 0) return u64{0};
    if (!how.may_wait) return Errno::eagain;
    TRY(missing == Missing::room ? to.wait_writable() : from.wait_readable());
  }
}

/// A slot's first bytes, copied. ENOMEM.
Result<void> copy_slot(const PipeSlot& s, usize size, Reservation& slots) {
  HeapBytes page = TRY(HeapBytes::make(ALLOC_SITE, page_size, mem::Fill::overwrite));
  std::copy_n(s.page + s.start, size, page.bytes().begin());
  slots.put(std::move(page), size, s.is_packet);
  return {};
}

/// All that is claimed, by one write: a socket makes one message of it. ENOMEM, and the file's
/// errors.
Result<usize> write_together(std::span<const PipeSlot> slots, u64 most, File& to) {
  u64 size = 0;
  for (const PipeSlot& s : slots) size += s.size;
  size = std::min(size, most);
  const HeapBytes memory = TRY(HeapBytes::make(ALLOC_SITE, size, mem::Fill::overwrite));
  u64 filled = 0;
  for (const PipeSlot& s : slots) {
    const usize n = std::min<u64>(s.size, size - filled);
    std::copy_n(s.page + s.start, n, memory.bytes().subspan(filled).begin());
    filled += n;
  }
  IoBuf buf = IoBuf::source(memory.bytes());
  return to.write(buf);
}

}  // namespace

Result<u64> splice_in(File& from, u64* offset, File& pipe, const Splice& how) {
  Reservation slots(*pipe.pipe());
  TRY(slots.take(slots_for(how.size), how.may_wait));
  if (offset != nullptr || from.seek(0, 1).ok()) return read_pages(from, offset, slots, how.size);
  return read_once(from, slots, how.size, how.may_wait);
}

Result<u64> splice_out(File& pipe, File& to, u64* offset, const Splice& how) {
  Pipe& from = *pipe.pipe();
  const bool is_stream = offset == nullptr && !to.seek(0, 1).ok();
  u64 done = 0;
  while (done < how.size) {
    Claim claim(from);
    Result<bool> there = claim.take(how.may_wait && done == 0);
    if (!there.ok()) return done > 0 ? Result<u64>(done) : there.error();
    if (!*there) break;
    if (is_stream) {
      Result<usize> put = write_together(claim.slots(), how.size - done, to);
      if (!put.ok()) return done > 0 ? Result<u64>(done) : put.error();
      from.consume(*put);
      done += *put;
      if (*put == 0) break;
      continue;
    }
    for (const PipeSlot& s : claim.slots()) {
      if (done == how.size) break;
      const usize n = std::min<u64>(s.size, how.size - done);
      IoBuf buf = IoBuf::source({s.page + s.start, n});
      buf.limit_file_size(how.file_size_limit);
      Result<usize> put = offset != nullptr ? to.write_at(buf, *offset) : to.write(buf);
      if (!put.ok()) return done > 0 ? Result<u64>(done) : put.error();
      from.consume(*put);
      done += *put;
      if (offset != nullptr) *offset += *put;
      if (*put < n) return done;
    }
  }
  return done;
}

Result<u64> splice_pipes(File& from, File& to, const Splice& how) {
  Pipe& source = *from.pipe();
  return move_between(source, *to.pipe(), how,
                      [&](const PipeSlot& s, usize n, Reservation& slots) -> Result<void> {
                        if (n == s.size) {
                          source.take_slot();
                          slots.put(s);
                          return {};
                        }
                        TRY(copy_slot(s, n, slots));
                        source.consume(n);
                        return {};
                      });
}

Result<u64> tee(File& from, File& to, const Splice& how) {
  return move_between(
      *from.pipe(), *to.pipe(), how,
      [](const PipeSlot& s, usize n, Reservation& slots) { return copy_slot(s, n, slots); });
}

Result<u64> splice_memory(IoBuf& buf, File& pipe, bool may_wait) {
  Result<usize> n = pipe.pipe()->write(buf, {.may_wait = may_wait, .may_be_short = true});
  return n.ok() ? Result<u64>(*n) : n.error();
}

}  // namespace auk::io
