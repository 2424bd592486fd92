// Virtio devices, whatever they hang on, and the drivers that look for them. See Virtio 1.2.
//
// Purpose: a driver sees kind, features, configuration, queues and interrupts; whether they are
// registers in memory or behind PCI is a transport's business.
// Data model: a transport finds a device and offers it: it becomes a Device of /sys/bus/virtio, and
// the driver of its kind probes it, once, at boot. QueueMemory (a Queue and what it stands on) ->
// pages. Locking: the driver's; transports only touch registers. Context: probing in threads;
// notify() and interrupts any. Differences from Linux: no removal, no binding by hand; a device
// that breaks its queue is left alone from then on.
#pragma once
#include "bus/driver_list.hpp"
#include "bus/registers.hpp"
#include "bus/virtio/queue.hpp"
#include "dev/device.hpp"
#include "mem/box.hpp"

namespace auk::bus::virtio {

/// Virtio 1.2, section 5.
enum class Kind : u32 { none = 0, network = 1, block = 2, console = 3, entropy = 4 };

namespace feature {
inline constexpr u64 event_index = u64{1} << 29, version_1 = u64{1} << 32;
}

namespace status {
inline constexpr u8 acknowledge = 1, driver = 2, driver_ok = 4, features_ok = 8, failed = 0x80;
}

/// A Queue with its memory.
class QueueMemory {
  Pfn pages_;
  unsigned order_;
  Queue::Slot* slots_;
  u32 size_;
  Queue queue_;

 public:
  QueueMemory(Pfn pages, unsigned order, Queue::Slot* slots, u32 size, bool has_event_index);
  ~QueueMemory();
  QueueMemory(const QueueMemory&) = delete;
  QueueMemory& operator=(const QueueMemory&) = delete;
  /// ENOMEM.
  static Result<mem::Box<QueueMemory>> create(u32 size, bool has_event_index);
  Queue& queue() { return queue_; }
  u32 size() const { return size_; }
};

/// A driver's end of a device's interrupts.
class Listener {
 public:
  /// Some queue has been used. Context: hard interrupt.
  virtual void queues_used() = 0;
  /// Its configuration is another one now. Context: hard interrupt.
  virtual void config_changed() {}

 protected:
  constexpr Listener() = default;
  ~Listener() = default;
};

class Transport {
 protected:
  constexpr Transport() = default;
  ~Transport() = default;

 public:
  virtual Kind kind() const = 0;
  virtual u32 vendor() const = 0;
  virtual u8 status() const = 0;
  /// status::features_ok: false if the device does not do with what was accepted.
  virtual void set_status(u8 s) = 0;
  virtual u64 offered_features() = 0;
  virtual void accept_features(u64 features) = 0;
  /// True for devices from before Virtio 1.0, which know neither version_1 nor features_ok.
  virtual bool is_old() const { return false; }
  /// Interrupts go to the listener from now on, as far as the device is started. `device`: its
  /// name, which stays. The errors of irq::request().
  virtual Result<void> listen(Listener& l, std::string_view device) = 0;
  /// 0: there is no such queue.
  virtual u32 most_in_queue(u32 index) = 0;
  /// Before the device is started. The errors of asking for an interrupt.
  virtual Result<void> connect(u32 index, const Queue::Addresses& at, u32 size) = 0;
  virtual void notify(u32 index) = 0;
  /// The registers that its kind has of its own; none: size 0.
  virtual Registers config() const = 0;
  /// Changes with them; old devices do not say.
  virtual u32 config_generation() const = 0;
};

/// virtioN.
class Device final : public dev::Device {
  Transport& transport_;
  const u32 index_;
  u64 features_ = 0;

  void dispose() override { mem::destroy(this); }

 public:
  Device(Transport& t, u32 index);
  ~Device() = default;
  Transport& transport() const { return transport_; }
  /// N.
  u32 index() const { return index_; }
  u64 features() const { return features_; }

  /// Settles on those of `wanted` that it offers and, for all but old ones,
  /// version_1. ENODEV: it does not do with these.
  Result<void> negotiate(u64 wanted);
  void put_event(mem::Text& out) const override;
  bool has(u64 feature) const { return (features_ & feature) != 0; }
  /// A number of the configuration, of 1, 2 or 4 bytes, or several that belong together. EIO: it
  /// has no such, or does not come to rest.
  Result<void> read_config(u32 offset, std::span<byte> out) const;
  /// A queue of at most `wanted` descriptors, a power of two, that the device knows. ENODEV: there
  /// is no such; ENOMEM.
  Result<mem::Box<QueueMemory>> make_queue(u32 index, u32 wanted);
  /// All queues are made. The errors of irq::request().
  Result<void> start(Listener& l);
  /// It forgets its queues and is not used any more.
  void give_up();
};

/// Constant-initialised; registered from a task of the init graph that "virtio_drivers" provides.
class Driver {
  friend class DriverList<Driver>;
  Driver* next_ = nullptr;
  std::string_view name_;
  Kind kind_;

 public:
  /// `name`: as /sys/bus/virtio/drivers has it.
  constexpr Driver(std::string_view name, Kind kind) : name_(name), kind_(kind) {}
  const std::string_view& name() const { return name_; }
  Kind kind() const { return kind_; }
  /// The device stays for ever. An error is logged, and the device left alone; its queues and what
  /// they lead to may go then.
  virtual Result<void> probe(Device& d) = 0;

 protected:
  ~Driver() = default;
};
void register_driver(Driver& d);
/// A device was found: it is reset, and the driver of its kind gets it. `parent`: what it hangs on.
/// Both stay.
void offer(Transport& t, dev::Object& parent);

}  // namespace auk::bus::virtio
