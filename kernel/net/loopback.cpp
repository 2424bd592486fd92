// lo: the device of a machine that talks to itself. There is no protocol yet that would send over
// it, so it can be looked at, brought up and taken down.
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "generated/uapi/netdevice.hpp"
#include "net/device.hpp"

namespace auk::net {
namespace {

class Loopback final : public NetDevice {
  static constexpr u32 packet_size = 65536;
  void dispose() override { mem::destroy(this); }

 public:
  Loopback()
      : NetDevice(uapi::arphrd_loopback, {.flags = uapi::iff_loopback, .mtu = packet_size}) {}
  ~Loopback() = default;
  LinkStats stats() const override { return {}; }
};

Result<void> add_loopback() {
  Ref<Loopback> lo = TRY(mem::make_ref<Loopback>(ALLOC_SITE));
  auto all = devices.lock();
  return all->add("lo", std::move(lo));
}

void setup() {
  if (!add_loopback().ok()) core::log_err("net: lo could not be added");
}
INIT_TASK(loopback, "net_class", "loopback", setup);

}  // namespace
}  // namespace auk::net
