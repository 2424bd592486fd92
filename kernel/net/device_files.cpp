// /sys/class/net/NAME: see Linux Documentation/ABI/testing/sysfs-class-net.
#include "base/text.hpp"
#include "ident/cred.hpp"
#include "net/device.hpp"
#include "net/socket.hpp"

namespace auk::net {
namespace {

using dev::Attribute;
using dev::Object;

constexpr u32 read_only = 0444, writable = 0644;

const NetDevice& device_of(const Object& o) { return static_cast<const NetDevice&>(o); }

template <auto put> using FileOf = dev::Shown<NetDevice, put>;

/// EPERM.
Result<void> check_admin() {
  return actor().asker.cred.has(ident::Cap::net_admin) ? Result<void>() : Errno::eperm;
}

/// A line that never changes, or what stands in its place.
class ConstantFile final : public Attribute {
  std::string_view line_;
  Errno error_;

 public:
  constexpr ConstantFile(std::string_view name, std::string_view line, u32 rights = read_only)
      : Attribute(name, rights),
        line_(line),
        error_{} {}
  constexpr ConstantFile(std::string_view name, Errno error)
      : Attribute(name, read_only),
        error_(error) {}
  Result<void> show(const Object&, mem::Text& out) const override {
    if (error_ != Errno{}) return error_;
    out.print("{}\n", line_);
    return {};
  }
  Result<void> store(Object&, std::string_view) const override {
    TRY(check_admin());
    return Errno::eopnotsupp;
  }
};

/// What there is to say only of a device that is up.
class CarrierFile final : public Attribute {
  std::string_view line_;

 public:
  constexpr CarrierFile(std::string_view name, std::string_view line, u32 rights = read_only)
      : Attribute(name, rights),
        line_(line) {}
  Result<void> show(const Object& o, mem::Text& out) const override {
    if (!device_of(o).link().is_up()) return Errno::einval;
    out.print("{}\n", line_);
    return {};
  }
  Result<void> store(Object&, std::string_view) const override { return Errno::eopnotsupp; }
};

/// EINVAL.
Result<u64> parse(std::string_view text) {
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const std::optional<u64> n = parse_u64(text);
  if (!n) return Errno::einval;
  return *n;
}

/// A number of the device that can be set: how it is put, and how it is changed.
template <auto put, auto change> class NumberFile final : public Attribute {
 public:
  constexpr explicit NumberFile(std::string_view name) : Attribute(name, writable) {}
  Result<void> show(const Object& o, mem::Text& out) const override {
    put(device_of(o).link(), out);
    return {};
  }
  Result<void> store(Object& o, std::string_view text) const override {
    TRY(check_admin());
    const u64 n = TRY(parse(text));
    auto all = devices.lock();
    return change(static_cast<NetDevice&>(o), *all, n);
  }
};

class AliasFile final : public Attribute {
 public:
  constexpr AliasFile() : Attribute("ifalias", writable) {}
  Result<void> show(const Object& o, mem::Text& out) const override {
    device_of(o).put_alias(out);
    if (!out.text().empty()) out.put('\n');
    return {};
  }
  Result<void> store(Object& o, std::string_view text) const override {
    TRY(check_admin());
    if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    auto all = devices.lock();
    auto& d = static_cast<NetDevice&>(o);
    TRY(d.set_alias(*all, text));
    d.tell_state(*all);
    return {};
  }
};

void put_address(const HardwareAddress& a, mem::Text& out) {
  for (usize i = 0; i < a.bytes.size(); ++i)
    out.print("{}{:02x}", i > 0 ? ":" : "", u32{a.bytes[i]});
  out.put('\n');
}

std::string_view word_of(u8 operstate) {
  constexpr std::array<std::string_view, 7> words{"unknown", "notpresent", "down", "lowerlayerdown",
                                                  "testing", "dormant",    "up"};
  return words[operstate];
}

constexpr FileOf<[](const NetDevice& d, mem::Text& out) { out.print("{}\n", d.type); }>
    type("type");
constexpr FileOf<[](const NetDevice& d, mem::Text& out) { out.print("{}\n", d.index()); }>
    ifindex("ifindex");
constexpr FileOf<[](const NetDevice& d, mem::Text& out) { out.print("{}\n", d.index()); }>
    iflink("iflink");
constexpr FileOf<[](const NetDevice& d, mem::Text& out) {
  out.print("{}\n", u32{d.link().addr_assign_type});
}>
    addr_assign_type("addr_assign_type");
constexpr FileOf<[](const NetDevice& d, mem::Text& out) {
  out.print("{}\n", u32{d.link().link_mode});
}>
    link_mode("link_mode");
constexpr FileOf<[](const NetDevice& d, mem::Text& out) { put_address(d.link().address, out); }>
    address("address");
constexpr FileOf<[](const NetDevice& d, mem::Text& out) { put_address(d.link().broadcast, out); }>
    broadcast("broadcast");
constexpr FileOf<[](const NetDevice& d, mem::Text& out) {
  out.print("{}\n", word_of(d.link().operstate()));
}>
    operstate("operstate");

constexpr NumberFile<[](const Link& l, mem::Text& out) { out.print("{}\n", l.mtu); },
                     [](NetDevice& d, Devices& all, u64 n) {
                       return d.set_mtu(all, static_cast<u32>(n));
                     }>
    mtu("mtu");
constexpr NumberFile<[](const Link& l, mem::Text& out) { out.print("0x{:x}\n", l.flags); },
                     [](NetDevice& d, Devices& all, u64 n) -> Result<void> {
                       d.set_flags(all, static_cast<u32>(n));
                       return {};
                     }>
    flags("flags");
constexpr NumberFile<[](const Link& l, mem::Text& out) { out.print("{}\n", l.tx_queue_len); },
                     [](NetDevice& d, Devices& all, u64 n) { return d.set_tx_queue_len(all, n); }>
    tx_queue_len("tx_queue_len");
constexpr NumberFile<[](const Link& l, mem::Text& out) { out.print("{}\n", l.group); },
                     [](NetDevice& d, Devices& all, u64 n) -> Result<void> {
                       d.set_group(all, static_cast<u32>(n));
                       return {};
                     }>
    netdev_group("netdev_group");

// Linux tells by NET_NAME_PREDICTABLE that the kernel chose a name that stays.
constexpr ConstantFile name_assign_type("name_assign_type", "2");
constexpr ConstantFile addr_len("addr_len", "6");
constexpr ConstantFile dev_id("dev_id", "0x0");
constexpr ConstantFile dev_port("dev_port", "0");
constexpr ConstantFile carrier_changes("carrier_changes", "0");
constexpr ConstantFile carrier_up_count("carrier_up_count", "0");
constexpr ConstantFile carrier_down_count("carrier_down_count", "0");
constexpr ConstantFile speed("speed", Errno::einval);
constexpr ConstantFile duplex("duplex", Errno::einval);
constexpr ConstantFile phys_port_id("phys_port_id", Errno::eopnotsupp);
constexpr ConstantFile phys_port_name("phys_port_name", Errno::eopnotsupp);
constexpr ConstantFile phys_switch_id("phys_switch_id", Errno::eopnotsupp);
// Nobody below could take it down, and there is no queue that a thread of its own could empty.
constexpr ConstantFile proto_down("proto_down", "0", writable);
constexpr ConstantFile threaded("threaded", "0", writable);
constexpr CarrierFile carrier("carrier", "1", writable);
constexpr CarrierFile dormant("dormant", "0");
constexpr CarrierFile testing("testing", "0");
constexpr AliasFile ifalias;

constexpr std::array<const Attribute*, 30> files{&netdev_group,
                                                 &type,
                                                 &dev_id,
                                                 &dev_port,
                                                 &iflink,
                                                 &ifindex,
                                                 &name_assign_type,
                                                 &addr_assign_type,
                                                 &addr_len,
                                                 &link_mode,
                                                 &address,
                                                 &broadcast,
                                                 &speed,
                                                 &duplex,
                                                 &dormant,
                                                 &testing,
                                                 &operstate,
                                                 &carrier_changes,
                                                 &ifalias,
                                                 &carrier,
                                                 &mtu,
                                                 &flags,
                                                 &tx_queue_len,
                                                 &phys_port_id,
                                                 &phys_port_name,
                                                 &phys_switch_id,
                                                 &proto_down,
                                                 &carrier_up_count,
                                                 &carrier_down_count,
                                                 &threaded};

// --- statistics ---------------------------------------------------------------------------------

class StatisticsFile final : public Attribute {
  u64 LinkStats::* member_;

 public:
  constexpr StatisticsFile(std::string_view name, u64 LinkStats::* member)
      : Attribute(name, read_only),
        member_(member) {}
  /// Of the directory's device.
  Result<void> show(const Object& o, mem::Text& out) const override {
    out.print("{}\n", device_of(*o.directory()).stats().*member_);
    return {};
  }
};

constexpr std::array<StatisticsFile, 24> counters{{
    {"rx_packets", &LinkStats::rx_packets},
    {"tx_packets", &LinkStats::tx_packets},
    {"rx_bytes", &LinkStats::rx_bytes},
    {"tx_bytes", &LinkStats::tx_bytes},
    {"rx_errors", &LinkStats::rx_errors},
    {"tx_errors", &LinkStats::tx_errors},
    {"rx_dropped", &LinkStats::rx_dropped},
    {"tx_dropped", &LinkStats::tx_dropped},
    {"multicast", &LinkStats::multicast},
    {"collisions", &LinkStats::collisions},
    {"rx_length_errors", &LinkStats::rx_length_errors},
    {"rx_over_errors", &LinkStats::rx_over_errors},
    {"rx_crc_errors", &LinkStats::rx_crc_errors},
    {"rx_frame_errors", &LinkStats::rx_frame_errors},
    {"rx_fifo_errors", &LinkStats::rx_fifo_errors},
    {"rx_missed_errors", &LinkStats::rx_missed_errors},
    {"tx_aborted_errors", &LinkStats::tx_aborted_errors},
    {"tx_carrier_errors", &LinkStats::tx_carrier_errors},
    {"tx_fifo_errors", &LinkStats::tx_fifo_errors},
    {"tx_heartbeat_errors", &LinkStats::tx_heartbeat_errors},
    {"tx_window_errors", &LinkStats::tx_window_errors},
    {"rx_compressed", &LinkStats::rx_compressed},
    {"tx_compressed", &LinkStats::tx_compressed},
    {"rx_nohandler", &LinkStats::rx_nohandler},
}};

constexpr auto pointers_to_counters() {
  std::array<const Attribute*, counters.size()> all{};
  for (usize i = 0; i < counters.size(); ++i) all[i] = &counters[i];
  return all;
}
constexpr auto counter_files = pointers_to_counters();

}  // namespace

constinit const dev::Attributes device_files = files;

Result<void> add_statistics(NetDevice& d) {
  const Ref<dev::Place> place =
      TRY(mem::make_ref<dev::Place>(ALLOC_SITE, dev::Attributes(counter_files)));
  return d.add("statistics", *place);
}

}  // namespace auk::net
