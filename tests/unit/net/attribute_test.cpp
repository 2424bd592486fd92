#include "net/netlink/attribute.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace auk::net::netlink {
namespace {

using Three = Attributes<4>;
constexpr Three::Rules three_rules{{
    {},
    {.kind = Rule::Kind::number, .size = 4, .least = 5, .most = 9},
    {.kind = Rule::Kind::text, .size = 3},
    {.kind = Rule::Kind::rejected},
}};

std::vector<byte> attribute(u16 type, std::vector<byte> value) {
  const auto size = static_cast<u16>(sizeof(AttributeHeader) + value.size());
  std::vector<byte> all{byte(size), byte(size >> 8), byte(type), byte(type >> 8)};
  all.insert(all.end(), value.begin(), value.end());
  all.resize(aligned(all.size()));
  return all;
}

std::vector<byte> operator+(std::vector<byte> a, const std::vector<byte>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Errno error_of(const std::vector<byte>& bytes, Strictness how, ExtendedAck& ack) {
  Three a;
  return a.parse(bytes, 100, three_rules, how, ack).error();
}
Errno error_of(const std::vector<byte>& bytes, Strictness how = Strictness::liberal) {
  ExtendedAck ack;
  return error_of(bytes, how, ack);
}

TEST(NetlinkMessage, ends_with_its_bytes) {
  std::vector<byte> bytes(24);
  EXPECT_FALSE(first_message(Bytes(bytes).first(15)));
  bytes[0] = 15;
  EXPECT_FALSE(first_message(bytes));
  bytes[0] = 25;
  EXPECT_FALSE(first_message(bytes));
  bytes[0] = 17;
  const auto m = first_message(bytes);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->payload.size(), 1U);
  EXPECT_EQ(m->step, 20U);
  EXPECT_EQ(first_message(Bytes(bytes).first(17))->step, 17U);
}

TEST(NetlinkAttributes, are_found_by_type) {
  const auto bytes = attribute(2, {'l', 'o', 0}) + attribute(1, {6, 0, 0, 0}) +
                     attribute(1 | nest_bit, {7, 0, 0, 0}) + attribute(77, {});
  Three a;
  ExtendedAck ack;
  ASSERT_TRUE(a.parse(bytes, 100, three_rules, Strictness::liberal, ack).ok());
  EXPECT_EQ(a.text(2), "lo");
  EXPECT_EQ(a.number<u32>(1), 7U);
  EXPECT_FALSE(a.has(3));
  EXPECT_EQ(a.number<u32>(3), 0U);
  EXPECT_TRUE(ack.message.empty());
}

TEST(NetlinkAttributes, keep_the_rules) {
  EXPECT_EQ(error_of(attribute(1, {6, 0, 0})), Errno::erange);
  EXPECT_EQ(error_of(attribute(1, {4, 0, 0, 0})), Errno::erange);
  EXPECT_EQ(error_of(attribute(1, {10, 0, 0, 0})), Errno::erange);
  EXPECT_EQ(error_of(attribute(1, {9, 0, 0, 0, 1})), Errno{});
  EXPECT_EQ(error_of(attribute(2, {})), Errno::erange);
  EXPECT_EQ(error_of(attribute(2, {'a', 'b', 'c', 0})), Errno{});
  EXPECT_EQ(error_of(attribute(2, {'a', 'b', 'c', 'd'})), Errno::erange);
  EXPECT_EQ(error_of(attribute(3, {1})), Errno::einval);
  ExtendedAck ack;
  EXPECT_EQ(error_of(attribute(2, {'a'}) + attribute(1, {}), Strictness::liberal, ack),
            Errno::erange);
  EXPECT_EQ(ack.bad_attribute, 108U);
}

TEST(NetlinkAttributes, unknown_ones_and_rests) {
  ExtendedAck ack;
  EXPECT_EQ(error_of(attribute(4, {}), Strictness::strict, ack), Errno::einval);
  EXPECT_EQ(ack.message, "Unknown attribute type");
  EXPECT_EQ(error_of({1, 2, 3}), Errno{});
  EXPECT_EQ(error_of({1, 2, 3}, Strictness::strict), Errno::einval);
  // Longer than what is there, or shorter than its own header.
  EXPECT_EQ(error_of({9, 0, 1, 0, 0, 0, 0, 0}, Strictness::strict), Errno::einval);
  EXPECT_EQ(error_of({3, 0, 1, 0}, Strictness::strict), Errno::einval);
}

TEST(NetlinkBuilder, puts_whole_messages_only) {
  std::array<byte, 64> room{};
  std::ranges::fill(room, byte{0xaa});
  Builder out(room);
  out.begin({.nlmsg_type = 5}, {});
  out.put_text(2, "lo");
  const usize nest = out.begin_nest(7);
  out.put_value(1, u32{6});
  out.end_nest(nest);
  ASSERT_TRUE(out.end());
  EXPECT_EQ(out.used(), 16U + 8 + 4 + 8);
  out.begin({.nlmsg_type = 6}, {});
  out.put(1, Bytes(room).first(20));
  EXPECT_FALSE(out.end());
  EXPECT_EQ(out.used(), 36U);
  const auto m = first_message(Bytes(room).first(out.used()));
  ASSERT_TRUE(m);
  AttributeReader reader(m->payload);
  const auto text = reader.next();
  ASSERT_TRUE(text);
  EXPECT_EQ(text->value.size(), 3U);
  EXPECT_EQ(room[16 + 7], 0);  // what aligns the next one
  const auto inner = reader.next();
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->type, 7);
  EXPECT_EQ(inner->value.size(), 8U);
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.has_rest());
}

}  // namespace
}  // namespace auk::net::netlink
