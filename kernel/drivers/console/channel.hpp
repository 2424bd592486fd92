// The bytes of one port of a virtio console, to the host and back. See Virtio 1.2, section 5.3.6.
//
// Data model: Channel -> the two queues of its port, which the device knows from before it is
// started, for ever; ports come and go in front of it. Input waits in the buffers that the device
// wrote, in order; one that was read goes back to the device. Output is copied into buffers that
// the device has until it is done with them; the queue bounds their number. One file at a time has
// the channel: opens are numbered, and a file whose number is another one has lost its port. A
// device that lies about a queue breaks the channel: who waits is told.
// Locking: level driver for what interrupts touch, a sleeping lock for readers of one file.
// Context: interrupts for service(), threads otherwise.
// Differences from Linux: a write returns when the device has the bytes, not when it is done.
#pragma once
#include "bus/virtio/device.hpp"
#include "core/spin.hpp"
#include "io/file.hpp"
#include "io/poll.hpp"
#include "sched/lock.hpp"

namespace auk::drivers::console {

class Channel final {
  struct Buffer {
    Buffer* next = nullptr;
    byte* bytes = nullptr;  ///< owned
    u32 begin = 0, end = 0;

    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { mem::free(bytes); }
    /// ENOMEM.
    static Result<mem::Box<Buffer>> create(usize size);
  };
  struct State {
    mem::Box<bus::virtio::QueueMemory> in, out;
    Buffer *first = nullptr, *last = nullptr;  ///< input that waits
    u32 opens = 0, open = 0;                   ///< so many so far; which has it, 0: none
    u32 announced = 0;                         ///< the open one that the host knows of
    u32 reserved = 0;                          ///< descriptors of output, by who fills a buffer
    bool has_buffers = false, host_is_open = false, is_broken = false;

    bus::virtio::Queue& input() const { return in->queue(); }
    bus::virtio::Queue& output() const { return out->queue(); }
    bool is_ready_for_output() const {
      return host_is_open && announced == open && output().free_descriptors() > reserved;
    }
  };
  bus::virtio::Transport& transport_;
  const u32 in_index_;  ///< that of output is the next one
  core::Guarded<core::level::driver, State, core::SpinIrqOff> state_;
  Atomic<bool> is_plugged_{false};  ///< changed under the state's lock
  struct Nothing {};
  core::Guarded<core::level::socket, Nothing, sched::SleepLock> reading_;
  sched::WaitQueue readers_, writers_;

  void give_to_device(State& s, Buffer& b);
  void drop_input(State& s);
  bool take_input(State& s);
  bool take_output(State& s);
  Result<usize> read_waiting(u32 open, io::IoBuf& buf);
  Result<void> reserve(u32 open, bool nonblocking);
  Result<usize> send(u32 open, mem::Box<Buffer> b);
  void wake_all();

 public:
  Channel(bus::virtio::Transport& t, u32 in_index) : transport_(t), in_index_(in_index) {}
  ~Channel() = default;
  /// Before the device is started. ENODEV: it has no such queues; ENOMEM.
  Result<void> connect(bus::virtio::Device& d);

  /// There is a port. ENOMEM: it could never receive anything.
  Result<void> plug();
  /// It is gone, and who has it open has lost it.
  void unplug();
  void set_host_open(bool open);
  bool is_plugged() const { return is_plugged_.load_acquire(); }
  /// The device is not to be trusted: who waits is told.
  void fail();
  /// Which open file the host is to know of; 0: none.
  u32 opened();
  /// The host knows of it: bytes may go out. It is reminded that there is room for input, because
  /// QEMU looks for bytes of its own only when it is woken, and not when a port opens.
  void announced(u32 open);
  /// Something may have been used. True if there is more to do, for another time. Context: any.
  bool service();

  /// The number of this opening. EBUSY: somebody has it; ENXIO: there is no port; ENODEV: its
  /// device is not to be trusted.
  Result<u32> open();
  void close(u32 open);
  /// ENODEV: as above.
  Result<usize> read(u32 open, io::IoBuf& buf, bool nonblocking);
  Result<usize> write(u32 open, io::IoBuf& buf, bool nonblocking);
  io::PollEvents poll(u32 open, io::PollTable* table);
};

}  // namespace auk::drivers::console
