// What attributes of links must look like: IFLA_*.
#pragma once
#include "net/netlink/attribute.hpp"

namespace auk::net::netlink {

using LinkAttributes = Attributes<uapi::ifla_max + 1>;
extern const LinkAttributes::Rules link_rules;

}  // namespace auk::net::netlink
