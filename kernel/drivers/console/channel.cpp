#include "drivers/console/channel.hpp"

#include <algorithm>
#include <array>

#include "core/log.hpp"
#include "mem/address.hpp"
#include "mem/slab.hpp"
#include "sched/wait.hpp"

namespace auk::drivers::console {

using bus::virtio::Segment;

namespace {
constexpr u32 in_buffers = 16, in_size = page_size;
// Linux takes no more of a write at once, and sends it in one piece.
constexpr u32 out_buffers = 16, out_size = 32 * kib;
}  // namespace

Result<mem::Box<Channel::Buffer>> Channel::Buffer::create(usize size) {
  mem::Box<Buffer> b = TRY(mem::Box<Buffer>::make(ALLOC_SITE));
  b->bytes = static_cast<byte*>(TRY(mem::allocate(ALLOC_SITE, size)));
  return b;
}

Result<void> Channel::connect(bus::virtio::Device& d) {
  mem::Box<bus::virtio::QueueMemory> in = TRY(d.make_queue(in_index_, in_buffers));
  mem::Box<bus::virtio::QueueMemory> out = TRY(d.make_queue(in_index_ + 1, out_buffers));
  auto s = state_.lock();
  std::swap(s->in, in);
  std::swap(s->out, out);
  return {};
}

Result<void> Channel::plug() {
  // The device has those of a port that was here before.
  const bool is_first = !state_.lock()->has_buffers;
  for (u32 i = 0; is_first && i < in_buffers; ++i) {
    Result<mem::Box<Buffer>> fresh = Buffer::create(in_size);
    if (!fresh.ok()) {
      if (i == 0) return fresh.error();
      // With fewer it is slower.
      break;
    }
    auto s = state_.lock();
    s->has_buffers = true;
    give_to_device(*s, *fresh.take().release());
  }
  auto s = state_.lock();
  is_plugged_.store_release(true);
  (void)take_input(*s);
  return {};
}

void Channel::unplug() {
  {
    auto s = state_.lock();
    is_plugged_.store_release(false);
    s->host_is_open = false;
    s->open = 0;
    drop_input(*s);
  }
  wake_all();
}

void Channel::wake_all() {
  readers_.wake_all();
  writers_.wake_all();
}

void Channel::fail() {
  state_.lock()->is_broken = true;
  wake_all();
}

void Channel::set_host_open(bool open) {
  state_.lock()->host_is_open = open;
  wake_all();
}

void Channel::announced(u32 open) {
  state_.lock()->announced = open;
  // Whoever knows queues may take a notice at any time.
  transport_.notify(in_index_);
  writers_.wake_all();
}

u32 Channel::opened() { return state_.lock()->open; }

void Channel::give_to_device(State& s, Buffer& b) {
  b.begin = b.end = 0;
  const std::array room{Segment{mem::to_phys(b.bytes), in_size}};
  if (!s.input().add({}, room, &b).ok()) return mem::destroy(&b);
  if (s.input().publish()) transport_.notify(in_index_);
}

void Channel::drop_input(State& s) {
  while (Buffer* const b = s.first) {
    s.first = b->next;
    give_to_device(s, *b);
  }
  s.last = nullptr;
}

/// Both do no more at once than the queue holds, however fast the device is: it may be one that
/// uses what it gets at once. True if there may be more.
bool Channel::take_input(State& s) {
  Buffer* unwanted = nullptr;
  for (u32 left = s.in->size(); left > 0; --left) {
    const auto used = s.input().take();
    if (!used) break;
    auto* const b = static_cast<Buffer*>(used->token);
    b->end = used->written;
    if (b->end == 0 || s.open == 0) {
      b->next = std::exchange(unwanted, b);
      continue;
    }
    b->next = nullptr;
    (s.last == nullptr ? s.first : s.last->next) = b;
    s.last = b;
  }
  while (unwanted != nullptr) {
    Buffer* const b = std::exchange(unwanted, unwanted->next);
    give_to_device(s, *b);
  }
  return s.input().want_interrupt();
}

bool Channel::take_output(State& s) {
  for (u32 left = s.out->size(); left > 0; --left) {
    const auto used = s.output().take();
    if (!used) break;
    mem::destroy(static_cast<Buffer*>(used->token));
  }
  return s.output().want_interrupt();
}

bool Channel::service() {
  bool more = false, broke = false;
  {
    auto s = state_.lock();
    if (s->is_broken) return false;
    more = take_input(*s);
    more = take_output(*s) || more;
    broke = s->input().is_broken() || s->output().is_broken();
    s->is_broken = broke;
  }
  if (broke)
    core::log_err("virtio_console: queue {} or the next: the device is not to be trusted",
                  in_index_);
  wake_all();
  return more && !broke;
}

Result<u32> Channel::open() {
  auto s = state_.lock();
  if (!is_plugged()) return Errno::enxio;
  if (s->is_broken) return Errno::enodev;
  if (s->open != 0) return Errno::ebusy;
  // What came for nobody is not for us.
  (void)take_input(*s);
  // 0 is nobody's.
  if (++s->opens == 0) ++s->opens;
  s->open = s->opens;
  return s->opens;
}

void Channel::close(u32 open) {
  auto s = state_.lock();
  if (s->open != open) return;
  s->open = 0;
  drop_input(*s);
}

/// EAGAIN: there is nothing.
Result<usize> Channel::read_waiting(u32 open, io::IoBuf& buf) {
  // One reader at a time: what it leaves of a buffer comes first for the next one.
  auto alone = reading_.lock();
  mem::Box<Buffer> b;
  {
    auto s = state_.lock();
    if (s->open != open || s->is_broken) return Errno::enodev;
    if (s->first == nullptr && s->host_is_open) return Errno::eagain;
    if (s->first == nullptr) return usize{0};
    b = mem::Box<Buffer>::adopt(s->first);
    s->first = b->next;
    if (s->first == nullptr) s->last = nullptr;
  }
  const usize n = std::min<u64>(b->end - b->begin, buf.left());
  const usize moved = buf.put({b->bytes + b->begin, n});
  b->begin += static_cast<u32>(moved);
  {
    auto s = state_.lock();
    if (b->begin == b->end || s->open != open) {
      give_to_device(*s, *b.release());
    } else {
      b->next = s->first;
      if (s->last == nullptr) s->last = b.get();
      s->first = b.release();
    }
  }
  // Who looked meanwhile saw less than there is.
  readers_.wake_all();
  return moved == 0 && n != 0 ? Errno::efault : Result<usize>(moved);
}

Result<usize> Channel::read(u32 open, io::IoBuf& buf, bool nonblocking) {
  for (;;) {
    Result<usize> got = read_waiting(open, buf);
    if (got.ok() || got.error() != Errno::eagain || nonblocking) return got;
    const auto is_ready = [&] {
      auto s = state_.lock();
      return s->first != nullptr || !s->host_is_open || s->is_broken || s->open != open;
    };
    if (sched::wait_interruptible(readers_, is_ready) == sched::WaitResult::interrupted)
      return restart::sys;
  }
}

/// A place for one buffer, which send() uses or gives back. EAGAIN: there is none, or
/// nobody is at the other end.
Result<void> Channel::reserve(u32 open, bool nonblocking) {
  bool has_place = false, is_lost = false;
  const auto is_over = [&] {
    auto s = state_.lock();
    is_lost = s->open != open || s->is_broken;
    has_place = !is_lost && s->is_ready_for_output();
    if (has_place) ++s->reserved;
    return is_lost || has_place;
  };
  if (!is_over()) {
    if (nonblocking) return Errno::eagain;
    if (sched::wait_interruptible(writers_, is_over) == sched::WaitResult::interrupted)
      return restart::sys;
  }
  return is_lost ? Errno::enodev : Result<void>();
}

/// Uses the place that was reserved, or with an empty buffer gives it back.
Result<usize> Channel::send(u32 open, mem::Box<Buffer> b) {
  const usize size = b->end;
  bool is_sent = false;
  {
    auto s = state_.lock();
    --s->reserved;
    const std::array bytes{Segment{mem::to_phys(b->bytes), b->end}};
    if (size != 0 && s->open == open && !s->is_broken && s->output().add(bytes, {}, b.get()).ok()) {
      // The device's from now on.
      (void)b.release();
      is_sent = true;
      if (s->output().publish()) transport_.notify(in_index_ + 1);
    }
  }
  if (is_sent) return size;
  writers_.wake_all();
  return size == 0 ? Errno::efault : Errno::enodev;
}

Result<usize> Channel::write(u32 open, io::IoBuf& buf, bool nonblocking) {
  const usize total = std::min<u64>(buf.left(), out_size);
  if (total == 0) return usize{0};
  mem::Box<Buffer> b = TRY(Buffer::create(total));
  TRY(reserve(open, nonblocking));
  // All of it or nothing.
  b->end = buf.get({b->bytes, total}) == total ? static_cast<u32>(total) : 0;
  return send(open, std::move(b));
}

io::PollEvents Channel::poll(u32 open, io::PollTable* table) {
  using io::PollEvent;
  if (table != nullptr) {
    table->watch(readers_);
    table->watch(writers_);
  }
  auto s = state_.lock();
  if (s->open != open || s->is_broken) return PollEvent::hang_up;
  io::PollEvents e;
  if (s->first != nullptr || !s->host_is_open) e = e | PollEvent::in | PollEvent::read_normal;
  if (s->is_ready_for_output()) e |= PollEvent::out;
  if (!s->host_is_open) e |= PollEvent::hang_up;
  return e;
}

}  // namespace auk::drivers::console
