#include <algorithm>

#include "base/text.hpp"
#include "core/sysctl.hpp"
#include "io/priv/pipe.hpp"

namespace auk::io {

// --- Capacity -----------------------------------------------------------------------------------

namespace {

/// fs.pipe-max-size, as proc_sys_fs(5) has it: in bytes, a power of two of pages.
constinit Atomic<u64> most_bytes{1048576};
constinit Atomic<i64> soft_limit{16384}, hard_limit{0};  ///< pages of a user's; 0: none
constexpr i64 any_number = 0x7fffffff;
constinit core::NumberSysctl soft_variable("fs/pipe-user-pages-soft", soft_limit, 0, any_number);
constinit core::NumberSysctl hard_variable("fs/pipe-user-pages-hard", hard_limit, 0, any_number);
SYSCTL(soft_variable);
SYSCTL(hard_variable);

/// What a pipe has that is to hold so many bytes.
constexpr std::optional<u64> rounded(u64 size) {
  constexpr u64 most = u64{1} << 31;
  if (size > most) return std::nullopt;
  return std::bit_ceil(std::max<u64>(size, page_size));
}

class SizeSysctl final : public core::Sysctl {
 public:
  constexpr SizeSysctl() : Sysctl("fs/pipe-max-size", true) {}
  void show(Writer& out) const override { format_to(out, "{}", most_bytes.load_relaxed()); }
  Result<void> store(std::string_view text) override {
    const std::optional<u64> n = parse_u64(text);
    const std::optional<u64> size = n ? rounded(*n) : std::nullopt;
    if (!size) return Errno::einval;
    most_bytes.store_relaxed(*size);
    return {};
  }
};
constinit SizeSysctl size_variable;
SYSCTL(size_variable);

bool exceeds(u64 pages, const Atomic<i64>& limit) {
  const i64 l = limit.load_relaxed();
  return l != 0 && pages > static_cast<u64>(l);
}

}  // namespace

/// Has a user pay for so many pages. EPERM: those of the user are too many.
Result<void> Pipe::charge(ident::User& payer, u64 pages, bool may_exceed_limits) {
  Atomic<u64>& count = payer.pipe_pages;
  const u64 all = count.fetch_add_relaxed(pages) + pages;
  if (may_exceed_limits || (!exceeds(all, soft_limit) && !exceeds(all, hard_limit))) return {};
  (void)count.fetch_sub_relaxed(pages);
  return Errno::eperm;
}

Result<void> Pipe::set_maker(const PipeMaker& who) {
  u64 pages = usual_pages;
  if (!who.may_exceed_size) pages = std::min(pages, most_bytes.load_relaxed() / page_size);
  Atomic<u64>& count = who.user->pipe_pages;
  u64 all = count.fetch_add_relaxed(pages) + pages;
  if (exceeds(all, soft_limit) && !who.may_exceed_limits) {
    // A user who has many may still have small ones.
    const u64 fewer = std::min<u64>(pages, least_pages);
    all = count.fetch_sub_relaxed(pages - fewer) - (pages - fewer);
    pages = fewer;
  }
  if (exceeds(all, hard_limit) && !who.may_exceed_limits) {
    (void)count.fetch_sub_relaxed(pages);
    return Errno::enfile;
  }
  auto r = ring_.lock();
  payer_ = who.user;
  r->slots = std::span(r->few).first(pages);
  capacity_.store_seq_cst(pages * page_size);
  publish(*r);
  return {};
}

/// The slots that are in use move to their new places.
void Pipe::use(Ring& r, std::span<PipeSlot> slots) {
  for (u64 at = r.tail; at < r.head; ++at) slots[at & (slots.size() - 1)] = r.slot(at);
  if (r.slots.data() != r.few.data()) mem::free(static_cast<void*>(r.slots.data()));
  r.slots = slots;
}

Result<u64> Pipe::resize(u32 size, const PipeMaker& who) {
  const std::optional<u64> bytes = rounded(size);
  if (!bytes) return Errno::einval;
  const u64 count = *bytes / page_size;
  const auto may_have = [&](u64 before) {
    return *bytes <= before || *bytes <= most_bytes.load_relaxed() || who.may_exceed_size;
  };
  if (!may_have(capacity())) return Errno::eperm;
  auto* const slots =
      static_cast<PipeSlot*>(TRY(mem::allocate(ALLOC_SITE, count * sizeof(PipeSlot))));
  std::uninitialized_default_construct_n(slots, count);
  const auto change = [&]() -> Result<void> {
    auto r = ring_.lock();
    const u64 before = r->slots.size();
    if (!may_have(before * page_size)) return Errno::eperm;
    if (r->used() + r->reserved > count) return Errno::ebusy;
    const u64 counted = payer_ ? before : 0;
    if (count > counted) {
      const Ref<ident::User> payer = payer_ ? payer_ : who.user;
      TRY(charge(*payer, count - counted, who.may_exceed_limits || count <= before));
      payer_ = payer;
    } else {
      (void)payer_->pipe_pages.fetch_sub_relaxed(counted - count);
    }
    use(*r, {slots, count});
    capacity_.store_seq_cst(*bytes);
    publish(*r);
    return {};
  };
  if (const Result<void> changed = change(); !changed.ok()) {
    mem::free(static_cast<void*>(slots));
    return changed.error();
  }
  writable_.wake_all();
  return *bytes;
}

// --- Bytes --------------------------------------------------------------------------------------

u32 Pipe::Ring::room_in_last() {
  // A page that is claimed may be on its way into another pipe.
  if (head == tail || is_claimed) return 0;
  const PipeSlot& last = slot(head - 1);
  return last.is_packet ? 0 : static_cast<u32>(page_size) - last.start - last.size;
}

void Pipe::Ring::push(const PipeSlot& s) {
  slot(head++) = s;
  bytes += s.size;
}

void Pipe::Ring::give_page(byte* page) {
  if (spare == nullptr)
    spare = page;
  else
    mem::free(page);
}

void Pipe::Ring::pop() {
  PipeSlot& s = slot(tail++);
  bytes -= s.size;
  if (s.page != nullptr) give_page(s.page);
  s = {};
}

void Pipe::Ring::drop(u32 size) {
  PipeSlot& s = slot(tail);
  if (size == s.size) return pop();
  s.start += size;
  s.size -= size;
  bytes -= size;
}

void Pipe::publish(Ring& r) {
  bytes_.store_seq_cst(r.bytes);
  room_.store_seq_cst(r.free() * page_size + r.room_in_last());
  is_claimed_.store_seq_cst(r.is_claimed);
}

void Pipe::free_pages(Ring& r) {
  while (r.used() > 0) r.pop();
  mem::free(std::exchange(r.spare, nullptr));
}

Pipe::~Pipe() { reset(ring_.alone()); }

Result<usize> Pipe::read(IoBuf& buf, bool may_wait) {
  if (buf.left() == 0) return usize{0};
  for (;;) {
    {
      auto r = ring_.lock();
      usize done = 0;
      bool is_end = r->is_claimed;
      while (!is_end && r->used() > 0 && buf.left() > 0) {
        PipeSlot& s = r->slot(r->tail);
        const usize n = std::min<u64>(s.size, buf.left());
        const usize moved = buf.put({s.page + s.start, n});
        if (moved == 0) break;
        done += moved;
        // What a reader leaves of a packet is lost.
        is_end = s.is_packet || moved < n;
        r->drop(s.is_packet ? s.size : static_cast<u32>(moved));
      }
      publish(*r);
      if (done > 0) {
        writable_.wake_all();
        return done;
      }
      if (!r->is_claimed && r->used() > 0) return Errno::efault;
      if (!r->is_claimed && r->writers == 0) return usize{0};
    }
    if (!may_wait) return Errno::eagain;
    TRY(wait_readable());
  }
}

/// As much of the buffer as there is room for.
Pipe::Filled Pipe::fill(Ring& r, IoBuf& buf, bool packets) {
  while (buf.left() > 0) {
    PipeSlot fresh{.is_packet = packets};
    PipeSlot* to = !packets && r.room_in_last() > 0 ? &r.slot(r.head - 1) : nullptr;
    if (to == nullptr) {
      if (r.free() == 0) return Filled::no_room;
      fresh.page = std::exchange(r.spare, nullptr);
      if (fresh.page == nullptr) {
        Result<void*> page = mem::allocate(ALLOC_SITE, page_size);
        if (!page.ok()) return Filled::no_memory;
        fresh.page = static_cast<byte*>(page.take());
      }
    }
    PipeSlot& s = to != nullptr ? *to : fresh;
    const u32 end = s.start + s.size;
    const usize n = std::min<u64>(buf.left(), page_size - end);
    const usize moved = buf.get({s.page + end, n});
    s.size += static_cast<u32>(moved);
    if (to != nullptr)
      r.bytes += moved;
    else if (moved > 0)
      r.push(fresh);
    else
      r.give_page(fresh.page);
    if (moved < n) return Filled::fault;
  }
  return Filled::all;
}

Result<usize> Pipe::write(IoBuf& buf, Writing how) {
  const u64 total = buf.left();
  if (total == 0) return usize{0};
  for (;;) {
    {
      auto r = ring_.lock();
      const auto done = [&] { return total - buf.left(); };
      const auto answer = [&](Errno e) { return done() > 0 ? Result<usize>(done()) : e; };
      if (r->readers == 0) {
        buf.set_broken();
        return answer(Errno::epipe);
      }
      // All or nothing up to PIPE_BUF.
      const u64 room = r->free() * page_size + (how.in_packets ? 0 : r->room_in_last());
      const u64 before = buf.left();
      Filled filled = Filled::no_room;
      if (total > pipe_buf || room >= total) filled = fill(*r, buf, how.in_packets);
      publish(*r);
      if (buf.left() < before) readable_.wake_all();
      if (filled == Filled::all || (how.may_be_short && done() > 0)) return done();
      if (filled == Filled::fault) return answer(Errno::efault);
      if (filled == Filled::no_memory) return answer(Errno::enomem);
      if (!how.may_wait) return answer(Errno::eagain);
    }
    const u64 wanted = total <= pipe_buf ? total : 1;
    const Result<void> waited = wait_writable(how.in_packets ? page_size : wanted);
    if (!waited.ok())
      return buf.left() < total ? Result<usize>(total - buf.left()) : waited.error();
  }
}

// --- Without the lock ---------------------------------------------------------------------------

Result<void> Pipe::wait_readable() {
  const auto is_ready = [&] { return is_readable(); };
  if (sched::wait_interruptible(readable_, is_ready) == sched::WaitResult::interrupted)
    return restart::sys;
  return {};
}

Result<void> Pipe::wait_writable(u64 bytes) {
  const auto is_ready = [&] { return has_room(bytes); };
  if (sched::wait_interruptible(writable_, is_ready) == sched::WaitResult::interrupted)
    return restart::sys;
  return {};
}

u32 Pipe::reserve(u32 most) {
  auto r = ring_.lock();
  const auto n = static_cast<u32>(std::min<u64>(most, r->free()));
  r->reserved += n;
  publish(*r);
  return n;
}

void Pipe::put(const PipeSlot& filled) {
  {
    auto r = ring_.lock();
    --r->reserved;
    r->push(filled);
    publish(*r);
  }
  readable_.wake_all();
}

void Pipe::give_back(u32 reserved) {
  if (reserved == 0) return;
  {
    auto r = ring_.lock();
    r->reserved -= reserved;
    publish(*r);
  }
  writable_.wake_all();
}

u32 Pipe::claim(std::span<PipeSlot> out) {
  auto r = ring_.lock();
  if (r->is_claimed) return 0;
  const auto n = static_cast<u32>(std::min<u64>(out.size(), r->used()));
  for (u32 i = 0; i < n; ++i) out[i] = r->slot(r->tail + i);
  r->is_claimed = n > 0;
  publish(*r);
  return n;
}

void Pipe::consume(u64 bytes) {
  {
    auto r = ring_.lock();
    while (bytes > 0) {
      const auto n = static_cast<u32>(std::min<u64>(bytes, r->slot(r->tail).size));
      r->drop(n);
      bytes -= n;
    }
    publish(*r);
  }
  writable_.wake_all();
}

void Pipe::take_slot() {
  {
    auto r = ring_.lock();
    r->slot(r->tail).page = nullptr;
    r->pop();
    publish(*r);
  }
  writable_.wake_all();
}

void Pipe::release() {
  {
    auto r = ring_.lock();
    r->is_claimed = false;
    publish(*r);
  }
  readable_.wake_all();
  writable_.wake_all();
}

// --- Ends ---------------------------------------------------------------------------------------

u32 Pipe::open(Sides sides) {
  const Side other = sides.has(Side::read) ? Side::write : Side::read;
  u32 missed = 0;
  {
    auto r = ring_.lock();
    missed = opens(other);
    if ((other == Side::write ? r->writers : r->readers) > 0) --missed;
    if (sides.has(Side::read)) readers_.store_seq_cst(++r->readers);
    if (sides.has(Side::write)) writers_.store_seq_cst(++r->writers);
    if (sides.has(Side::read)) (void)reader_opens_.fetch_add_relaxed(1);
    if (sides.has(Side::write)) (void)writer_opens_.fetch_add_relaxed(1);
  }
  readable_.wake_all();
  writable_.wake_all();
  return missed;
}

/// What nobody read is gone with the last one who could have; a named pipe is as new.
void Pipe::reset(Ring& r) {
  free_pages(r);
  if (payer_) (void)payer_->pipe_pages.fetch_sub_relaxed(r.slots.size());
  payer_ = {};
  r.head = r.tail = 0;
  use(r, r.few);
  capacity_.store_seq_cst(usual_pages * page_size);
}

void Pipe::close(Sides sides) {
  {
    auto r = ring_.lock();
    if (sides.has(Side::read)) readers_.store_seq_cst(--r->readers);
    if (sides.has(Side::write)) writers_.store_seq_cst(--r->writers);
    if (r->readers + r->writers == 0) reset(*r);
    publish(*r);
  }
  readable_.wake_all();
  writable_.wake_all();
}

Result<void> Pipe::wait_for_opener(Sides mine, u32 missed) {
  const Side other = mine.has(Side::read) ? Side::write : Side::read;
  sched::WaitQueue& queue = mine.has(Side::read) ? readable_ : writable_;
  const auto came = [&] { return opens(other) != missed; };
  if (sched::wait_interruptible(queue, came) == sched::WaitResult::interrupted) return restart::sys;
  return {};
}

PollEvents Pipe::poll(PollTable* table, Sides sides, u32 missed) {
  PollEvents e;
  if (sides.has(Side::write)) {
    if (table != nullptr) table->watch(writable_);
    if (room_.load_seq_cst() >= page_size) e = PollEvents(PollEvent::out) | PollEvent::write_normal;
    if (!has_readers()) e |= PollEvent::error;
  }
  if (sides.has(Side::read)) {
    if (table != nullptr) table->watch(readable_);
    if (bytes_waiting() > 0 && !is_claimed_.load_seq_cst())
      e = e | PollEvent::in | PollEvent::read_normal;
    if (!has_writers() && opens(Side::write) != missed) e |= PollEvent::hang_up;
  }
  return e;
}

}  // namespace auk::io
