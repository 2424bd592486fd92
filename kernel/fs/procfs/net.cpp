// /proc/PID/net: what there is of the network, the same for all processes. See proc_pid_net(5).
#include "fs/procfs/process.hpp"
#include "net/device.hpp"
#include "net/netlink/port.hpp"

namespace auk::fs::procfs {
namespace {

/// A line for each device.
class DevNode final : public TextNode {
  static void put_counters(const net::LinkStats& s, mem::Text& out) {
    out.print(" {:7} {:7} {:4} {:4} {:4} {:5} {:10} {:9}", s.rx_bytes, s.rx_packets, s.rx_errors,
              s.rx_dropped + s.rx_missed_errors, s.rx_fifo_errors,
              s.rx_length_errors + s.rx_over_errors + s.rx_crc_errors + s.rx_frame_errors,
              s.rx_compressed, s.multicast);
    out.print(" {:8} {:7} {:4} {:4} {:4} {:5} {:7} {:10}\n", s.tx_bytes, s.tx_packets, s.tx_errors,
              s.tx_dropped, s.tx_fifo_errors, s.collisions,
              s.tx_carrier_errors + s.tx_aborted_errors + s.tx_window_errors +
                  s.tx_heartbeat_errors,
              s.tx_compressed);
  }
  static void put_head(mem::Text& out) {
    out.put("Inter-|   Receive                                                |  Transmit\n");
    out.put(" face |bytes    packets errs drop fifo frame compressed multicast|");
    out.put("bytes    packets errs drop fifo colls carrier compressed\n");
  }

 public:
  constexpr DevNode() : TextNode("dev", 0444) {}
  bool can_splice_from(const Subject&) const override { return true; }
  /// Key 0 is the head, others are indices.
  Result<bool> write_record(const Subject&, u64& key, mem::Text& out) const override {
    if (key == 0) {
      put_head(out);
      key = 1;
      return true;
    }
    auto all = net::devices.lock();
    const net::NetDevice* const d = all->from_index(static_cast<u32>(key));
    if (d == nullptr) return false;
    out.print("{:>6}:", d->name());
    put_counters(d->stats(), out);
    key = u64{d->index()} + 1;
    return true;
  }
};
constexpr DevNode dev_node;

/// A line for each bound socket, and for the kernel's ends.
class NetlinkNode final : public TextNode {
 public:
  constexpr NetlinkNode() : TextNode("netlink", 0444) {}
  bool can_splice_from(const Subject&) const override { return true; }
  /// Key 0 is the head.
  Result<bool> write_record(const Subject&, u64& key, mem::Text& out) const override {
    if (key == 0) {
      out.put("sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    "
              "Inode\n");
      key = 1;
      return true;
    }
    const std::optional<net::netlink::PortReport> p = net::netlink::next_port(key);
    if (!p) return false;
    // No addresses of the kernel for programs.
    out.print("{:016x} {:<3} {:<10} {:08x} {:<8} {:<8} {:<5} {:<8} {:<8} {:<8}\n", 0, p->protocol,
              p->number, p->groups, p->received, 0, u32{p->is_dumping}, 2, p->drops, p->inode);
    return true;
  }
};
constexpr NetlinkNode netlink_node;

constinit const Node* const dev_pointer = &dev_node;
constinit const Node* const netlink_pointer = &netlink_node;

class NetDirectory final : public Directory {
  Nodes nodes() const override {
    static constexpr std::array<const Node* const*, 2> list{&dev_pointer, &netlink_pointer};
    return list;
  }

 public:
  constexpr NetDirectory() : Directory("net", 0555) {}
};
constexpr NetDirectory net_directory;

}  // namespace

constinit const Node* const net_node = &net_directory;

}  // namespace auk::fs::procfs
