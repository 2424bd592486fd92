// Packets of netlink: any bytes end, or are messages whose attributes lie inside them; what is
// built from those is read as the same again, and never leaves the room it was given.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "memory.hpp"
#include "net/netlink/link_rules.hpp"

using namespace auk;
using namespace auk::net::netlink;

namespace {

void require(bool good) {
  if (!good) std::abort();
}

bool is_inside(Bytes part, Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

std::unique_ptr<byte[]> copy_of(Bytes bytes) {
  auto copy = std::make_unique<byte[]>(bytes.size());
  std::ranges::copy(bytes, copy.get());
  return copy;
}

/// Each attribute again, in a room of this size.
void check_builder(Bytes attributes, usize room) {
  const auto memory = std::make_unique<byte[]>(room);
  Builder out({memory.get(), room});
  out.begin(Header{}, {});
  AttributeReader reader(attributes);
  usize nest = 0;
  for (usize n = 0; const auto a = reader.next(); ++n) {
    // Those behind the first one stand in its nest.
    if (n == 1) nest = out.begin_nest(1 | nest_bit);
    out.put(a->type, a->value);
  }
  if (nest != 0) out.end_nest(nest);
  out.add_flags(1);
  if (!out.end()) return require(out.used() == 0);
  out.add_flags_to_first(2);
  require(out.used() <= room);
  const auto m = first_message({memory.get(), out.used()});
  require(m && m->header.nlmsg_len == out.used() && m->header.nlmsg_flags == 3);
  AttributeReader before(attributes), after(m->payload);
  const auto first = before.next();
  const auto again = after.next();
  require(first.has_value() == again.has_value());
  if (first) require(first->type == again->type && std::ranges::equal(first->value, again->value));
}

void check_attributes(Bytes attributes, Strictness how) {
  LinkAttributes a;
  ExtendedAck ack;
  constexpr u32 offset = 32;
  const Result<void> parsed = a.parse(attributes, offset, link_rules, how, ack);
  if (ack.bad_attribute)
    require(*ack.bad_attribute >= offset && *ack.bad_attribute - offset < attributes.size());
  if (!parsed.ok()) return require(!ack.message.empty());
  for (usize type = 0; type < link_rules.size(); ++type) {
    require(is_inside(a.value(type), attributes));
    require(a.has(type) || a.value(type).empty());
    const std::string_view text = a.text(type);
    require(text.size() <= a.value(type).size() && text.find('\0') == text.npos);
    (void)a.number<u32>(type);
  }
  require(!a.has(0) && (!a.has(uapi::ifla_mtu) || a.value(uapi::ifla_mtu).size() >= sizeof(u32)));
  AttributeReader nested(a.value(uapi::ifla_linkinfo));
  while (const auto n = nested.next()) require(is_inside(n->value, attributes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  fuzz::Input input(data, size);
  const auto choice = input.number<u16>();
  const Bytes bytes = input.rest();
  const auto copy = copy_of(bytes);
  Bytes rest(copy.get(), bytes.size());
  while (const auto m = first_message(rest)) {
    require(is_inside(m->payload, rest) && m->step >= sizeof(Header) && m->step <= rest.size());
    const Bytes attributes = m->payload.subspan(std::min<usize>(16, m->payload.size()));
    const auto exact = copy_of(attributes);
    const Bytes own(exact.get(), attributes.size());
    check_attributes(own, Strictness::liberal);
    check_attributes(own, Strictness::strict);
    check_builder(own, choice);
    rest = rest.subspan(m->step);
  }
  // Without a header, too: nearly every input would end at it.
  check_attributes({copy.get(), bytes.size()}, Strictness::liberal);
  check_builder({copy.get(), bytes.size()}, choice);
  return 0;
}
