#include "core/handover.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace auk::core {
namespace {

TEST(HandOver, memory_entries) {
  const auto h = std::make_unique<HandOver>();
  h->add_memory(PhysAddr(0x1000), 0, MemoryKind::usable);
  EXPECT_TRUE(h->memory().empty());
  h->add_memory(PhysAddr(0x1000), 0x1000, MemoryKind::usable);
  ASSERT_EQ(h->memory().size(), 1u);
  EXPECT_EQ(h->memory()[0].range, (PhysRange{PhysAddr(0x1000), PhysAddr(0x2000)}));
}

TEST(HandOver, ranges_end_where_addresses_end) {
  const auto h = std::make_unique<HandOver>();
  h->add_memory(PhysAddr(~u64{0} - 0xfff), 0x1000, MemoryKind::reserved);
  h->add_memory(PhysAddr(~u64{0} - 0xfff), ~u64{0}, MemoryKind::reserved);
  h->add_memory(PhysAddr(0), ~u64{0}, MemoryKind::reserved);
  for (const MemoryEntry& e : h->memory()) EXPECT_EQ(e.range.end.value, ~u64{0});
}

TEST(HandOver, counts_what_it_has_no_room_for) {
  const auto h = std::make_unique<HandOver>();
  for (usize i = 0; i < HandOver::max_entries + 7; ++i)
    h->add_memory(PhysAddr(i * 0x1000), 0x1000, MemoryKind::usable);
  EXPECT_EQ(h->memory().size(), HandOver::max_entries);
  EXPECT_EQ(h->memory_dropped, 7u);
}

TEST(HandOver, command_line_is_cut_and_says_so) {
  const auto h = std::make_unique<HandOver>();
  const std::string line(HandOver::max_command_line, 'a');
  h->set_command_line(line);
  EXPECT_EQ(h->command_line(), line);
  EXPECT_FALSE(h->command_line_cut);
  h->set_command_line(line + "b");
  EXPECT_EQ(h->command_line(), line);
  EXPECT_TRUE(h->command_line_cut);
  h->set_command_line("short");
  EXPECT_EQ(h->command_line(), "short");
  EXPECT_FALSE(h->command_line_cut);
}

}  // namespace
}  // namespace auk::core
