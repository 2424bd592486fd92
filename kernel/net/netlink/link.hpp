// Messages of rtnetlink(7) about links: how they are read and written.
//
// Locking: what takes Devices is called with the list locked (level rtnl). Context: threads.
// Differences from Linux: of what can be set, a name other than the device's own, an operational
// state, and limits of segmentation other than those that are answer EOPNOTSUPP; there is one
// network namespace, and no kind of device that could be made.
#pragma once
#include "net/device.hpp"
#include "net/netlink/link_rules.hpp"
#include "net/netlink/port.hpp"

namespace auk::net::netlink {

/// What lo's segments may be: nothing is sent yet that would be cut.
struct SegmentLimits {
  static constexpr u32 gso_max_segs = 65535, gso_max_size = 65536, gro_max_size = 65536,
                       tso_max_size = 524280, tso_max_segs = 65535;
};

/// An RTM_NEWLINK. False: there is no room for it. `changed`: bits of IFF_*.
bool write_link(Builder& out, const NetDevice& d, const Header& header, u32 changed);
/// A packet that is no longer than its message. ENOBUFS.
Result<Ref<Packet>> make_link_packet(const NetDevice& d, const Header& header, u32 changed);

/// The attributes behind the header of a request; too large to be handed back. EINVAL, ERANGE.
Result<void> parse_link(Request& r, Strictness how, LinkAttributes& a);
/// The device that an index or a name stands for; null: there is none. EINVAL: neither is there.
Result<NetDevice*> find_link(Devices& all, i32 index, const LinkAttributes& a);

/// RTM_GETLINK of one. EINVAL, ENODEV, EOPNOTSUPP, ENOBUFS.
Result<void> get_link(Request& r);
extern const DumpSource* const link_dump;

// --- link_change.cpp ----------------------------------------------------------------------------
/// RTM_SETLINK, RTM_NEWLINK, RTM_DELLINK. EINVAL, ENODEV, EOPNOTSUPP, EEXIST, and what changes of a
/// device fail with.
Result<void> set_link(Request& r);
Result<void> new_link(Request& r);
Result<void> delete_link(Request& r);

}  // namespace auk::net::netlink
