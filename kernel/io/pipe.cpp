#include "io/pipe.hpp"

#include <algorithm>
#include <bit>

#include "base/math.hpp"
#include "base/text.hpp"
#include "core/clock.hpp"
#include "core/sysctl.hpp"
#include "generated/uapi/ioctl.hpp"
#include "sched/lock.hpp"

namespace auk::io {

enum class Side : u32 { read = 1, write = 2 };
using Sides = Flags<Side>;

class Pipe final : public RefCounted<Pipe> {
 public:
  static constexpr u32 usual_pages = 16, least_pages = 2;

 private:
  struct Ring {
    std::array<byte*, usual_pages> few{};
    std::span<byte*> pages = few;  ///< owned, if they are others; a power of two or less than few
    u64 head = 0, tail = 0;        ///< byte counters
    u32 readers = 0, writers = 0;
  };
  core::Guarded<core::level::pipe, Ring, sched::SleepLock> ring_;
  Atomic<u64> head_{0}, tail_{0};  ///< copies, for waiting without the lock
  Atomic<u32> readers_{0}, writers_{0};
  Atomic<u32> reader_opens_{0}, writer_opens_{0};
  sched::WaitQueue readable_, writable_;
  Atomic<u64> capacity_{usual_pages * page_size};
  u64 inode_;
  const u32 uid_, gid_;
  Ref<ident::User> payer_;  ///< the ring's lock guards it; null: its pages are not counted
  LockSpace lock_space_;

  static byte*& page_of(Ring& r, u64 at) { return r.pages[at / page_size & (r.pages.size() - 1)]; }
  static void free_pages(Ring& r) {
    for (byte*& p : r.pages) mem::free(std::exchange(p, nullptr));
  }
  /// Both without the lock: a reader that empties the ring moves them one after the other.
  u64 used() const {
    const u64 head = head_.load_seq_cst(), tail = tail_.load_seq_cst();
    return head > tail ? head - tail : 0;
  }
  u64 room() const {
    const u64 head = head_.load_seq_cst(), tail = align_down(tail_.load_seq_cst(), page_size);
    const u64 taken = head > tail ? head - tail : 0, all = capacity();
    return all > taken ? all - taken : 0;
  }
  static void use(Ring& r, std::span<byte*> pages);
  static Result<void> charge(ident::User& payer, u64 pages, bool may_exceed_limits);

 public:
  explicit Pipe(u64 inode, u32 uid = 0, u32 gid = 0) : inode_(inode), uid_(uid), gid_(gid) {}
  ~Pipe() {
    Ring& r = ring_.alone();
    free_pages(r);
    if (payer_) (void)payer_->pipe_pages.fetch_sub_relaxed(r.pages.size());
    if (r.pages.data() != r.few.data()) mem::free(static_cast<void*>(r.pages.data()));
  }
  static void destroy(Pipe* p) { mem::destroy(p); }

  u64 inode() const { return inode_; }
  u32 uid() const { return uid_; }
  u32 gid() const { return gid_; }
  u64 capacity() const { return capacity_.load_seq_cst(); }
  /// For a fresh pipe.
  Result<void> set_maker(const PipeMaker& who);
  Result<u64> resize(u32 size, const PipeMaker& who);
  LockSpace& lock_space() { return lock_space_; }
  Result<usize> read(IoBuf& buf, bool nonblocking);
  Result<usize> write(IoBuf& buf, bool nonblocking);
  /// Gives how many opens of the other side this one has missed: once opens() tells another number,
  /// both sides have been open together. Decided under one lock with the opening itself: the other
  /// side may come, write and be gone before this thread looks again.
  u32 open(Sides sides);
  void close(Sides sides);
  Result<void> wait_for_opener(Sides mine, u32 missed);
  u32 opens(Side s) const {
    return (s == Side::write ? writer_opens_ : reader_opens_).load_seq_cst();
  }
  bool has_readers() const { return readers_.load_seq_cst() != 0; }
  bool has_writers() const { return writers_.load_seq_cst() != 0; }
  PollEvents poll(PollTable* table, Sides sides, u32 missed);
  u64 bytes_waiting() const { return used(); }
};

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
  r->pages = std::span(r->few).first(pages);
  capacity_.store_seq_cst(pages * page_size);
  return {};
}

/// The bytes that wait stay where they are: their pages move to their new places.
void Pipe::use(Ring& r, std::span<byte*> pages) {
  for (u64 at = align_down(r.tail, page_size); at < r.head; at += page_size)
    pages[at / page_size & (pages.size() - 1)] = std::exchange(page_of(r, at), nullptr);
  // One that a write could not fill.
  free_pages(r);
  if (r.pages.data() != r.few.data()) mem::free(static_cast<void*>(r.pages.data()));
  r.few = {};
  r.pages = pages;
}

Result<u64> Pipe::resize(u32 size, const PipeMaker& who) {
  const std::optional<u64> bytes = rounded(size);
  if (!bytes) return Errno::einval;
  const u64 count = *bytes / page_size;
  const auto may_have = [&](u64 before) {
    return *bytes <= before || *bytes <= most_bytes.load_relaxed() || who.may_exceed_size;
  };
  if (!may_have(capacity())) return Errno::eperm;
  auto* const slots = static_cast<byte**>(TRY(mem::allocate(ALLOC_SITE, count * sizeof(byte*))));
  std::fill_n(slots, count, nullptr);
  const auto change = [&]() -> Result<void> {
    auto r = ring_.lock();
    const u64 before = r->pages.size();
    if (!may_have(before * page_size)) return Errno::eperm;
    if (align_up(r->head, page_size) - align_down(r->tail, page_size) > *bytes) return Errno::ebusy;
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
    return {};
  };
  if (const Result<void> changed = change(); !changed.ok()) {
    mem::free(static_cast<void*>(slots));
    return changed.error();
  }
  writable_.wake_all();
  return *bytes;
}

Result<usize> Pipe::read(IoBuf& buf, bool nonblocking) {
  if (buf.left() == 0) return usize{0};
  for (;;) {
    {
      auto r = ring_.lock();
      usize done = 0;
      while (r->tail < r->head && buf.left() > 0) {
        byte*& page = page_of(*r, r->tail);
        const usize inside = r->tail % page_size;
        const usize n = std::min<u64>(r->head - r->tail, page_size - inside);
        const usize moved = buf.put({page + inside, n});
        if (moved == 0) break;
        r->tail += moved;
        done += moved;
        if (r->tail % page_size == 0 || r->tail == r->head) {
          // Nothing is left in this page; the next write starts another one.
          mem::free(page);
          page = nullptr;
          if (r->tail == r->head) r->tail = r->head = align_up(r->head, page_size);
        }
        if (moved < n) break;
      }
      tail_.store_seq_cst(r->tail);
      head_.store_seq_cst(r->head);
      if (done > 0) {
        writable_.wake_all();
        return done;
      }
      if (r->tail < r->head) return Errno::efault;
      if (r->writers == 0) return usize{0};
    }
    if (nonblocking) return Errno::eagain;
    const auto is_ready = [&] { return used() > 0 || writers_.load_seq_cst() == 0; };
    if (sched::wait_interruptible(readable_, is_ready) == sched::WaitResult::interrupted)
      return restart::sys;
  }
}

Result<usize> Pipe::write(IoBuf& buf, bool nonblocking) {
  const u64 total = buf.left();
  if (total == 0) return usize{0};
  usize done = 0;
  for (;;) {
    {
      auto r = ring_.lock();
      if (r->readers == 0) return done > 0 ? Result<usize>(done) : Errno::epipe;
      // All or nothing up to PIPE_BUF.
      const u64 room = capacity() - (r->head - align_down(r->tail, page_size));
      const bool whole = total <= pipe_buf && room < total;
      bool no_memory = false;
      while (!whole && buf.left() > 0 && r->head - align_down(r->tail, page_size) < capacity()) {
        byte*& page = page_of(*r, r->head);
        const usize inside = r->head % page_size;
        if (page == nullptr) {
          Result<void*> fresh = mem::allocate(ALLOC_SITE, page_size);
          no_memory = !fresh.ok();
          if (no_memory) break;
          page = static_cast<byte*>(fresh.take());
        }
        const usize n = std::min<u64>(buf.left(), page_size - inside);
        const usize moved = buf.get({page + inside, n});
        r->head += moved;
        done += moved;
        if (moved < n) {
          head_.store_seq_cst(r->head);
          readable_.wake_all();
          return done > 0 ? Result<usize>(done) : Errno::efault;
        }
      }
      head_.store_seq_cst(r->head);
      if (done > 0) readable_.wake_all();
      if (no_memory) return done > 0 ? Result<usize>(done) : Errno::enomem;
      if (buf.left() == 0) return done;
    }
    if (nonblocking) return done > 0 ? Result<usize>(done) : Errno::eagain;
    const u64 wanted = total <= pipe_buf ? total : 1;
    const auto is_ready = [&] { return room() >= wanted || readers_.load_seq_cst() == 0; };
    if (sched::wait_interruptible(writable_, is_ready) == sched::WaitResult::interrupted)
      return done > 0 ? Result<usize>(done) : restart::sys;
  }
}

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

void Pipe::close(Sides sides) {
  {
    auto r = ring_.lock();
    if (sides.has(Side::read)) readers_.store_seq_cst(--r->readers);
    if (sides.has(Side::write)) writers_.store_seq_cst(--r->writers);
    if (r->readers + r->writers == 0) {
      // What nobody read is gone with the last one who could have.
      free_pages(*r);
      r->tail = r->head = align_up(r->head, page_size);
      tail_.store_seq_cst(r->tail);
      head_.store_seq_cst(r->head);
    }
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
    if (room() >= pipe_buf) e = PollEvents(PollEvent::out) | PollEvent::write_normal;
    if (!has_readers()) e |= PollEvent::error;
  }
  if (sides.has(Side::read)) {
    if (table != nullptr) table->watch(readable_);
    if (used() > 0) e = e | PollEvent::in | PollEvent::read_normal;
    if (!has_writers() && opens(Side::write) != missed) e |= PollEvent::hang_up;
  }
  return e;
}

namespace {

constexpr FileKind kind_of_pipe{"pipe", true};
constinit Atomic<u64> next_inode{1};

enum class Naming : u8 {
  named,    ///< who opens one end waits for somebody at the other one
  unnamed,  ///< opened anew through /proc: there was somebody
};
Result<Ref<File>> open_pipe(const Ref<Pipe>& pipe, u32 flags, Naming naming);

class PipeFile final : public File {
  Ref<Pipe> pipe_;
  Sides sides_;
  u32 missed_;  ///< what Pipe::open() gave
  void dispose() override { destroy_late(this); }

 public:
  PipeFile(u32 flags, Ref<Pipe> pipe, Sides sides)
      : File(flags),
        pipe_(std::move(pipe)),
        sides_(sides),
        missed_(pipe_->open(sides)) {}
  ~PipeFile() { pipe_->close(sides_); }

  /// As if the other side had been opened once more.
  void forget_missed() { --missed_; }
  Result<void> wait_for_opener() { return pipe_->wait_for_opener(sides_, missed_); }

  Result<usize> read(IoBuf& buf) override { return pipe_->read(buf, is_nonblocking()); }
  Result<usize> write(IoBuf& buf) override { return pipe_->write(buf, is_nonblocking()); }
  const FileKind* kind() const override { return &kind_of_pipe; }
  bool can_poll() const override { return true; }
  PollEvents poll(PollTable* table) override { return pipe_->poll(table, sides_, missed_); }
  Result<u64> ioctl(u32 command, IoctlArg arg) override {
    if (command != uapi::fionread) return Errno::enotty;
    TRY(core::UserOut<u32>(arg.address()).store(static_cast<u32>(pipe_->bytes_waiting())));
    return u64{0};
  }
  Result<Ref<Fifo>> fifo() override;
  LockSpace* lock_space() override {
    return origin() != nullptr ? &origin()->lock_space() : &pipe_->lock_space();
  }
  u64 pipe_capacity() const override { return pipe_->capacity(); }
  Result<u64> set_pipe_capacity(u32 size, const PipeMaker& who) override {
    return pipe_->resize(size, who);
  }
  Result<void> stat(FileStat& s) override {
    constexpr u32 fifo = 0010600;
    if (origin() != nullptr) {
      origin()->stat(s);
      return {};
    }
    s = {};
    s.device = 13;
    s.inode = pipe_->inode();
    s.mode = fifo;
    s.links = 1;
    s.uid = pipe_->uid();
    s.gid = pipe_->gid();
    s.atime_ns = s.mtime_ns = s.ctime_ns = core::real_ns();
    return {};
  }
};

Result<Ref<File>> open_pipe(const Ref<Pipe>& pipe, u32 flags, Naming naming) {
  constexpr u32 access_mask = 3, write_only = 1, read_write = 2, nonblock = 04000;
  Sides sides = Side::read;
  if ((flags & access_mask) == write_only) sides = Side::write;
  if ((flags & access_mask) == read_write) sides |= Side::write;
  const bool nonblocking = (flags & nonblock) != 0;
  const bool one_side = (flags & access_mask) != read_write;
  const bool is_named = naming == Naming::named;
  if (is_named && sides == Sides(Side::write) && nonblocking && !pipe->has_readers())
    return Errno::enxio;
  Ref<PipeFile> f = TRY(mem::make_ref<PipeFile>(ALLOC_SITE, flags, pipe, sides));
  if (!is_named) f->forget_missed();
  if (is_named && one_side && !nonblocking) TRY(f->wait_for_opener());
  return Ref<File>(std::move(f));
}

}  // namespace

Result<mem::Box<PipeEnds>> make_pipe(u32 flags, const PipeMaker& maker) {
  Ref<Pipe> pipe =
      TRY(mem::make_ref<Pipe>(ALLOC_SITE, next_inode.fetch_add_relaxed(1), maker.uid, maker.gid));
  TRY(pipe->set_maker(maker));
  mem::Box<PipeEnds> ends = TRY(mem::Box<PipeEnds>::make(ALLOC_SITE));
  ends->read = TRY(mem::make_ref<PipeFile>(ALLOC_SITE, flags, pipe, Side::read));
  ends->write = TRY(mem::make_ref<PipeFile>(ALLOC_SITE, flags | 1, pipe, Side::write));
  return ends;
}

namespace {

class PipeOpener final : public Fifo {
  Ref<Pipe> pipe_;
  Naming naming_;
  void dispose() override { mem::destroy(this); }

 public:
  PipeOpener(Ref<Pipe> pipe, Naming naming) : pipe_(std::move(pipe)), naming_(naming) {}
  ~PipeOpener() = default;

  Result<Ref<File>> open(u32 flags) override { return open_pipe(pipe_, flags, naming_); }
};

Result<Ref<Fifo>> PipeFile::fifo() {
  return Ref<Fifo>(TRY(mem::make_ref<PipeOpener>(ALLOC_SITE, pipe_, Naming::unnamed)));
}

}  // namespace

Result<Ref<Fifo>> File::fifo() { return Ref<Fifo>(); }

Result<Ref<Fifo>> make_fifo() {
  Ref<Pipe> pipe = TRY(mem::make_ref<Pipe>(ALLOC_SITE, next_inode.fetch_add_relaxed(1)));
  return Ref<Fifo>(TRY(mem::make_ref<PipeOpener>(ALLOC_SITE, std::move(pipe), Naming::named)));
}

}  // namespace auk::io
