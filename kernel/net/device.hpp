// Network devices: what there is, what is known of each, how that is changed. See netdevice(7).
//
// Data model: Devices (the one list, by index) -> NetDevice, which stands in /sys/class/net and is
// kept by the list. What may change of one is its Link; who wants a look gets a copy. A device's
// number is never given twice. A LinkWatcher hears of every change.
// Locking: `devices` (level rtnl, sleeping) is held by who looks for a device or changes one, so
// that changes and the news of them have one order: functions that change take the list as the
// proof. The values themselves are under a spinning lock (level net_device), for those who only
// look. Context: threads. Differences from Linux: devices keep their names; no queues directory.
#pragma once
#include "dev/device.hpp"
#include "sched/lock.hpp"
#include "uapi/netlink.hpp"

namespace auk::net {

class Devices;

/// An address of a device: that of Ethernet, or nothing but zeros of its size.
struct HardwareAddress {
  static constexpr usize size = 6;
  std::array<u8, size> bytes{};
  bool operator==(const HardwareAddress&) const = default;
  bool is_zero() const { return *this == HardwareAddress(); }
  bool is_multicast() const { return (bytes[0] & 1) != 0; }
};

using LinkStats = uapi::rtnl_link_stats64;

/// What the kernel knows of a device, by the names of Linux's net_device.
struct Link {
  u32 flags = 0;  ///< IFF_*; of IFF_PROMISC and IFF_ALLMULTI what programs asked for
  u32 mtu = 0;
  u32 tx_queue_len = 1000;
  u32 group = 0;
  u8 link_mode = 0;
  u8 addr_assign_type = 0;
  bool was_up = false;  ///< so that it has a qdisc
  HardwareAddress address, broadcast;

  bool is_up() const;
  /// As programs see them: with IFF_RUNNING and IFF_LOWER_UP.
  u32 shown_flags() const;
  /// IF_OPER_*.
  u8 operstate() const;
  std::string_view qdisc() const { return was_up ? "noqueue" : "noop"; }
};

class NetDevice : public dev::Device {
  friend class Devices;
  struct Values {
    Link link;
    std::array<char, 256> alias;
    u32 alias_size = 0;
  };
  core::Guarded<core::level::net_device, Values, core::SpinPreemptOff> values_;
  u32 index_ = 0;

  void put_event(mem::Text& out) const final;
  void tell(Devices& all, u32 changed = 0);

 public:
  ListNode node;  ///< in Devices

  /// ARPHRD_*.
  const u16 type;

  NetDevice(u16 hardware_type, const Link& first);
  u32 index() const { return index_; }
  Link link() const;
  void put_alias(mem::Text& out) const;
  virtual LinkStats stats() const = 0;

  // Changes that are news for the LinkWatcher at once, unless everything stays as it is.
  /// The bits of SIOCSIFFLAGS that can be set.
  void set_flags(Devices& all, u32 flags);
  /// EINVAL.
  Result<void> set_mtu(Devices& all, u32 mtu);
  /// ERANGE.
  Result<void> set_tx_queue_len(Devices& all, u64 length);
  /// EADDRNOTAVAIL: no address of a single station.
  Result<void> set_address(Devices& all, const HardwareAddress& a);
  void set_broadcast(Devices& all, const HardwareAddress& a);
  // Changes that are news only if the device is up, and when whoever made them says so.
  /// EINVAL: too long.
  Result<void> set_alias(Devices& all, std::string_view alias);
  void set_group(Devices& all, u32 group);
  /// False if it stays as it is.
  bool set_link_mode(Devices& all, u8 mode);
  void tell_state(Devices& all);

 protected:
  ~NetDevice() = default;
};

/// Hears of changes. Context: threads; `devices` is held.
class LinkWatcher {
 public:
  /// `changed`: bits of IFF_*.
  virtual void changed(NetDevice& d, u32 changed) = 0;

 protected:
  constexpr LinkWatcher() = default;
  ~LinkWatcher() = default;
};
/// The one there is, for ever; at boot.
void set_link_watcher(LinkWatcher& w);

class Devices {
  List<NetDevice, &NetDevice::node> all_;  ///< counted
  u32 last_index_ = 0;

 public:
  constexpr Devices() = default;
  /// With its directory in /sys. EEXIST, ENOMEM.
  Result<void> add(std::string_view name, Ref<NetDevice> device);
  /// The first one with this index or a higher one. Null at the end.
  NetDevice* from_index(u32 index);
  /// Null if there is none.
  NetDevice* find(u32 index);
  NetDevice* find(std::string_view name);
  /// Another number whenever the list has changed.
  u32 generation() const { return last_index_; }
};
extern core::Guarded<core::level::rtnl, Devices, sched::SleepLock> devices;

// device_files.cpp
/// Files of a device in /sys/class/net.
extern const dev::Attributes device_files;
/// The directory `statistics`. ENOMEM.
Result<void> add_statistics(NetDevice& d);

// device_ioctl.cpp
/// What every socket answers of network devices. ENOTTY for other commands, EFAULT, ENODEV, EPERM,
/// EINVAL, EOPNOTSUPP, ENOPKG.
Result<u64> device_ioctl(u32 command, UserAddr at);

}  // namespace auk::net
