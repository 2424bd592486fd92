// Devices, and what they belong to: classes by what devices do, buses by what they hang on.
//
// Purpose: a driver adds a Device; with it come its directory below /sys/devices, the links that
// lead to it, and what devtmpfs makes a node of.
// Data model: Device -> Subsystem, which lives for ever. Links lead back: from the subsystem's list
// and from /sys/dev/{char,block}. Locking: that of Objects. Context: threads.
// Differences from Linux: no power directories.
// Source: Linux Documentation/ABI/testing/sysfs-uevent, sysfs-dev; Documentation/driver-api.
#pragma once
#include "dev/number.hpp"
#include "dev/object.hpp"

namespace auk::dev {

/// Constant-initialised by its owner, who registers it from a task of the init graph before there
/// is a device of it.
class Subsystem {
 public:
  enum class Kind : u8 {
    device_class,  ///< /sys/class/NAME lists its devices
    bus,           ///< /sys/bus/NAME/devices does
    system,        ///< likewise, and they stand in /sys/devices/system/NAME
  };

 private:
  std::string_view name_;
  Kind kind_;
  Attributes attributes_;
  Object* place_ = nullptr;
  Object* list_ = nullptr;
  Object* drivers_ = nullptr;
  Object* home_ = nullptr;

 public:
  /// `attributes`: files of /sys/devices/system/NAME.
  constexpr Subsystem(std::string_view name, Kind kind, Attributes attributes = {})
      : name_(name),
        kind_(kind),
        attributes_(attributes) {}
  std::string_view name() const { return name_; }
  /// `home`: where devices without a parent stand.
  void setup(Object* home = nullptr);
  /// /sys/class/NAME or /sys/bus/NAME. Null when there was no memory.
  Object* place() const { return place_; }
  /// What holds the links to its devices.
  Object* list() const { return list_; }
  /// /sys/bus/NAME/drivers/DRIVER, made when it is first asked for. ENOMEM.
  Result<Ref<Object>> driver_place(std::string_view driver);
  /// Where those stand that have no parent. ENOMEM.
  Result<Ref<Object>> home();
  /// /sys/devices/system/NAME.
  Object* system_place() const { return home_; }
  bool is_class() const { return kind_ == Kind::device_class; }
};

class Device : public Object {
  Subsystem& subsystem_;
  u64 number_;
  u32 mode_;
  Atomic<const std::string_view*> driver_{nullptr};

  Result<void> add_links(Object* parent);

 protected:
  ~Device() = default;

 public:
  /// `mode`: type and rights of its node in devtmpfs; 0 if it has no number.
  Device(Subsystem& subsystem, Attributes own, u64 number = 0, u32 mode = 0);
  u64 device_number() const { return number_; }
  u32 mode() const { return mode_; }
  /// Of a device on a bus: who drives it, for ever from now on. ENOMEM: nobody can see it.
  Result<void> set_driver(const std::string_view& name);
  /// Nothing: nobody drives it.
  std::string_view driver() const;
  /// Lines of its own in `uevent`, each with a newline.
  virtual void put_event(mem::Text&) const {}
  /// Without a parent it stands where its subsystem has such. EEXIST, ENOMEM.
  Result<void> attach(std::string_view name, Object* parent = nullptr);
  void detach();
};

/// /sys/devices. Null when there was no memory.
Object* devices_place();
/// Of devices that hang on nothing that could be asked for them.
Subsystem& platform_bus();

/// For ever. Null: there was no memory for it, which is logged.
void add_made_device(std::string_view name, Ref<Device> device, Object* parent);
template <class T>
void add_device(std::string_view name, Result<Ref<T>> made, Object* parent = nullptr) {
  add_made_device(name, made.ok() ? Ref<Device>(made.take()) : Ref<Device>(), parent);
}
/// A device that has nothing but a number.
void add_device(Subsystem& subsystem, std::string_view name, u64 number, u32 mode);

/// Hears of devices that have a node. Context: threads, without locks.
class NodeWatcher {
 public:
  virtual void added(const Device& d) = 0;
  virtual void removed(const Device& d) = 0;

 protected:
  ~NodeWatcher() = default;
};
/// The one there is, for ever; at boot.
void set_node_watcher(NodeWatcher& w);

/// Those that have a node, by age: the first one at a place or behind it. Null at the end.
Ref<Device> next_with_node(u64& place, bool is_block);

/// The numbers of events about devices so far.
u64 last_event();

}  // namespace auk::dev
