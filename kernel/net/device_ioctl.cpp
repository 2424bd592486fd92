// ioctl(2) of any socket about network devices. See netdevice(7).
#include <algorithm>
#include <cstring>

#include "generated/uapi/netdevice.hpp"
#include "generated/uapi/socket.hpp"
#include "net/device.hpp"
#include "net/socket.hpp"

namespace auk::net {
namespace {

constexpr u32 type_shift = 8, type_mask = 0xff, socket_type = 0x89;

/// struct ifreq: a name, and one of several things.
struct Request {
  std::array<char, uapi::ifnamsiz> name;
  std::array<byte, 24> value;

  template <class T> T load() const {
    T v;
    std::memcpy(&v, value.data(), sizeof(T));
    return v;
  }
  template <class T> void store(const T& v) { std::memcpy(value.data(), &v, sizeof(T)); }
};
static_assert(sizeof(Request) == 40);

/// struct sockaddr with an address of a device.
struct HardwareName {
  u16 type;
  HardwareAddress address;
};

/// struct ifconf.
struct Configuration {
  i32 size;
  u32 pad;
  u64 buffer;
};

/// What follows a colon was once the number of an alias.
std::string_view name_in(const Request& r) {
  const std::string_view all(r.name.data(), r.name.size() - 1);
  return all.substr(0, std::min(all.find('\0'), all.find(':')));
}

Result<NetDevice*> find_device(Devices& all, const Request& r) {
  NetDevice* const d = all.find(name_in(r));
  if (d == nullptr) return Errno::enodev;
  return d;
}

Result<void> put_name(Devices& all, Request& r) {
  NetDevice* const d = all.find(r.load<u32>());
  if (d == nullptr) return Errno::enodev;
  r.name = {};
  (void)d->name().copy(r.name.data(), r.name.size() - 1);
  return {};
}

/// False: no command that asks for something.
Result<bool> ask(u32 command, Request& r) {
  switch (command) {
    case uapi::siocgifname:
    case uapi::siocgifflags:
    case uapi::siocgifmetric:
    case uapi::siocgifmtu:
    case uapi::siocgifhwaddr:
    case uapi::siocgifslave:
    case uapi::siocgifmap:
    case uapi::siocgifindex:
    case uapi::siocgiftxqlen: break;
    default: return false;
  }
  auto all = devices.lock();
  if (command == uapi::siocgifname) {
    TRY(put_name(*all, r));
    return true;
  }
  const NetDevice& d = *TRY(find_device(*all, r));
  const Link link = d.link();
  switch (command) {
    case uapi::siocgifflags: r.store(static_cast<u16>(link.shown_flags())); break;
    case uapi::siocgifmetric: r.store(u32{0}); break;
    case uapi::siocgifmtu: r.store(link.mtu); break;
    case uapi::siocgifhwaddr: r.store(HardwareName{d.type, link.address}); break;
    case uapi::siocgifslave: return Errno::einval;
    case uapi::siocgifmap: r.value = {}; break;
    case uapi::siocgifindex: r.store(d.index()); break;
    default: r.store(link.tx_queue_len); break;
  }
  return true;
}

Result<void> set_address(Devices& all, NetDevice& d, const Request& r) {
  const auto a = r.load<HardwareName>();
  if (a.type != d.type) return Errno::einval;
  return d.set_address(all, a.address);
}

Result<void> set_broadcast(Devices& all, NetDevice& d, const Request& r) {
  const auto a = r.load<HardwareName>();
  if (a.type != d.type) return Errno::einval;
  d.set_broadcast(all, a.address);
  return {};
}

/// Of a device that is there, by somebody who may.
Result<void> change(Devices& all, NetDevice& d, u32 command, const Request& r) {
  switch (command) {
    case uapi::siocsifflags: d.set_flags(all, r.load<u16>()); return {};
    case uapi::siocsifmtu: return d.set_mtu(all, r.load<u32>());
    case uapi::siocsiftxqlen:
      if (r.load<i32>() < 0) return Errno::einval;
      return d.set_tx_queue_len(all, r.load<u32>());
    case uapi::siocsifhwaddr: return set_address(all, d, r);
    case uapi::siocsifhwbroadcast: return set_broadcast(all, d, r);
    case uapi::siocsifslave:
    case uapi::siocaddmulti:
    case uapi::siocdelmulti: return Errno::einval;
    default: return Errno::eopnotsupp;
  }
}

/// Only those who administer the network may.
constexpr bool is_guarded(u32 command) {
  switch (command) {
    case uapi::siocsifmap:
    case uapi::siocsiftxqlen:
    case uapi::siocsifflags:
    case uapi::siocsifmetric:
    case uapi::siocsifmtu:
    case uapi::siocsifhwaddr:
    case uapi::siocsifslave:
    case uapi::siocaddmulti:
    case uapi::siocdelmulti:
    case uapi::siocsifhwbroadcast:
    case uapi::siocsifname:
    case uapi::siocgmiiphy:
    case uapi::siocgmiireg:
    case uapi::siocsmiireg:
    case uapi::siocbondenslave:
    case uapi::siocbondrelease:
    case uapi::siocbondsethwaddr:
    case uapi::siocbondchangeactive:
    case uapi::siocshwtstamp: return true;
    default: return false;
  }
}

/// Those that no device here knows, whoever asks.
constexpr bool is_foreign(u32 command) {
  constexpr u32 private_commands = 16;
  switch (command) {
    case uapi::siocethtool:
    case uapi::siocwandev:
    case uapi::siocghwtstamp:
    case uapi::siocbondslaveinfoquery:
    case uapi::siocbondinfoquery: return true;
    default:
      return command >= uapi::siocdevprivate && command < uapi::siocdevprivate + private_commands;
  }
}

constexpr bool is_of_missing_protocol(u32 command) {
  switch (command) {
    case uapi::siocgifbr:
    case uapi::siocsifbr:
    case uapi::siocbraddbr:
    case uapi::siocbrdelbr:
    case uapi::siocbraddif:
    case uapi::siocbrdelif:
    case uapi::siocgifvlan:
    case uapi::siocsifvlan: return true;
    default: return false;
  }
}

/// The addresses of devices: none has one.
Result<u64> put_configuration(UserAddr at) {
  (void)TRY(core::UserIn<Configuration>(at).load());
  TRY(core::UserOut<i32>(at).store(0));
  return u64{0};
}

}  // namespace

Result<u64> device_ioctl(u32 command, UserAddr at) {
  if ((command >> type_shift & type_mask) != socket_type) return Errno::enotty;
  if (command == uapi::siocgifconf) return put_configuration(at);
  if (is_of_missing_protocol(command)) return Errno::enopkg;
  auto r = TRY(core::UserIn<Request>(at).load());
  if (TRY(ask(command, r))) {
    TRY(core::UserOut<Request>(at).store(r));
    return u64{0};
  }
  if (!is_guarded(command) && !is_foreign(command)) return Errno::enotty;
  if (is_guarded(command) && !actor().asker.cred.has(ident::Cap::net_admin)) return Errno::eperm;
  auto all = devices.lock();
  TRY(change(*all, *TRY(find_device(*all, r)), command, r));
  return u64{0};
}

}  // namespace auk::net
