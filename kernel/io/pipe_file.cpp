// The open ends of pipes.
#include "core/clock.hpp"
#include "generated/uapi/ioctl.hpp"
#include "io/priv/pipe.hpp"

namespace auk::io {
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

  Pipe* pipe() override { return pipe_.get(); }
  Result<usize> read(IoBuf& buf) override { return pipe_->read(buf, may_wait(buf)); }
  Result<usize> write(IoBuf& buf) override {
    constexpr u32 direct = 040000;
    return pipe_->write(buf, {.may_wait = may_wait(buf), .in_packets = (flags() & direct) != 0});
  }
  WaysOf ways_of_reading() const override { return WaysOf::no_wait; }
  WaysOf ways_of_writing() const override { return WaysOf::no_wait; }
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
  if ((flags & access_mask) == access_mask) return Errno::einval;
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

u64 capacity_of(const Pipe& p) { return p.capacity(); }
Result<u64> set_capacity(Pipe& p, u32 size, const PipeMaker& who) { return p.resize(size, who); }

Result<mem::Box<PipeEnds>> make_pipe(u32 flags, const PipeMaker& maker) {
  Ref<Pipe> pipe =
      TRY(mem::make_ref<Pipe>(ALLOC_SITE, next_inode.fetch_add_relaxed(1), maker.uid, maker.gid));
  TRY(pipe->set_maker(maker));
  mem::Box<PipeEnds> ends = TRY(mem::Box<PipeEnds>::make(ALLOC_SITE));
  constexpr u32 non_block = 04000;
  ends->read = TRY(mem::make_ref<PipeFile>(ALLOC_SITE, flags & non_block, pipe, Side::read));
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
