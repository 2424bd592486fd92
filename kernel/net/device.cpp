#include "net/device.hpp"

#include <algorithm>

#include "core/init_graph.hpp"
#include "generated/uapi/netdevice.hpp"

namespace auk::net {
namespace {

/// Those that SIOCSIFFLAGS sets as they are.
constexpr u32 free_flags = uapi::iff_debug | uapi::iff_notrailers | uapi::iff_noarp |
                           uapi::iff_dynamic | uapi::iff_multicast | uapi::iff_portsel |
                           uapi::iff_automedia;
/// Those that are counted for each who wants them; programs together are one.
constexpr u32 counted_flags = uapi::iff_promisc | uapi::iff_allmulti;
constexpr u8 address_was_set = 3;  // NET_ADDR_SET

constinit dev::Subsystem net_class("net", dev::Subsystem::Kind::device_class);
constinit LinkWatcher* watcher = nullptr;

}  // namespace

constinit core::Guarded<core::level::rtnl, Devices, sched::SleepLock> devices;

void set_link_watcher(LinkWatcher& w) { watcher = &w; }

bool Link::is_up() const { return (flags & uapi::iff_up) != 0; }

u32 Link::shown_flags() const {
  return is_up() ? flags | uapi::iff_running | uapi::iff_lower_up : flags;
}

u8 Link::operstate() const { return is_up() ? uapi::if_oper_unknown : uapi::if_oper_down; }

NetDevice::NetDevice(u16 hardware_type, const Link& first)
    : Device(net_class, device_files),
      type(hardware_type) {
  values_.alone().link = first;
}

void NetDevice::put_event(mem::Text& out) const {
  out.print("INTERFACE={}\nIFINDEX={}\n", name(), index_);
}

Link NetDevice::link() const {
  auto& values = const_cast<NetDevice*>(this)->values_;  // NOLINT: a look, but it takes the lock
  auto v = values.lock();
  return v->link;
}

void NetDevice::put_alias(mem::Text& out) const {
  std::array<char, 256> alias;
  u32 size = 0;
  {
    auto& values = const_cast<NetDevice*>(this)->values_;  // NOLINT: as above
    auto v = values.lock();
    alias = v->alias;
    size = v->alias_size;
  }
  out.put({alias.data(), size});
}

void NetDevice::tell(Devices&, u32 changed) {
  if (watcher != nullptr) watcher->changed(*this, changed);
}
void NetDevice::tell_state(Devices& all) {
  if (link().is_up()) tell(all);
}

void NetDevice::set_flags(Devices& all, u32 flags) {
  constexpr u32 wanted = free_flags | counted_flags | uapi::iff_up;
  u32 changed = 0;
  {
    auto v = values_.lock();
    const u32 fresh = (v->link.flags & ~wanted) | (flags & wanted);
    changed = v->link.flags ^ fresh;
    v->link.flags = fresh;
    if (v->link.is_up()) v->link.was_up = true;
  }
  if (changed != 0) tell(all, changed);
}

Result<void> NetDevice::set_mtu(Devices& all, u32 mtu) {
  if (static_cast<i32>(mtu) < 0) return Errno::einval;
  u32 before = 0;
  {
    auto v = values_.lock();
    before = std::exchange(v->link.mtu, mtu);
  }
  if (before != mtu) tell(all);
  return {};
}

Result<void> NetDevice::set_tx_queue_len(Devices& all, u64 length) {
  constexpr u64 most = 0x7fff;
  if (length > most) return Errno::erange;
  u32 before = 0;
  {
    auto v = values_.lock();
    before = std::exchange(v->link.tx_queue_len, static_cast<u32>(length));
  }
  if (before != length) tell(all);
  return {};
}

Result<void> NetDevice::set_address(Devices& all, const HardwareAddress& a) {
  {
    auto v = values_.lock();
    // The one that it has need not be one that it could get.
    if (a != v->link.address && (a.is_zero() || a.is_multicast())) return Errno::eaddrnotavail;
    v->link.address = a;
    v->link.addr_assign_type = address_was_set;
  }
  tell(all);
  return {};
}

void NetDevice::set_broadcast(Devices& all, const HardwareAddress& a) {
  {
    auto v = values_.lock();
    v->link.broadcast = a;
  }
  tell(all);
}

Result<void> NetDevice::set_alias(Devices&, std::string_view alias) {
  auto v = values_.lock();
  if (alias.size() >= v->alias.size()) return Errno::einval;
  std::ranges::copy(alias, v->alias.begin());
  v->alias_size = static_cast<u32>(alias.size());
  return {};
}

void NetDevice::set_group(Devices&, u32 group) {
  auto v = values_.lock();
  v->link.group = group;
}

bool NetDevice::set_link_mode(Devices&, u8 mode) {
  auto v = values_.lock();
  return std::exchange(v->link.link_mode, mode) != mode;
}

// --- All of them --------------------------------------------------------------------------------

Result<void> Devices::add(std::string_view name, Ref<NetDevice> device) {
  if (find(name) != nullptr) return Errno::eexist;
  device->index_ = last_index_ + 1;
  TRY(device->attach(name));
  const Result<void> counted = add_statistics(*device);
  if (!counted.ok()) {
    device->detach();
    return counted;
  }
  last_index_ = device->index_;
  NetDevice& d = *device.release();
  all_.push_back(d);
  d.tell(*this, ~u32{0});
  return {};
}

NetDevice* Devices::from_index(u32 index) {
  for (NetDevice& d : all_)
    if (d.index() >= index) return &d;
  return nullptr;
}

NetDevice* Devices::find(u32 index) {
  NetDevice* const d = from_index(index);
  return d != nullptr && d->index() == index ? d : nullptr;
}

NetDevice* Devices::find(std::string_view name) {
  for (NetDevice& d : all_)
    if (d.name() == name) return &d;
  return nullptr;
}

static void setup() { net_class.setup(); }
INIT_TASK(net_class, "devices", "net_class", setup);

}  // namespace auk::net
