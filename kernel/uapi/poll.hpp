// poll(2) and epoll(7).
// Linux: <asm/poll.h>, <linux/eventpoll.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct pollfd {
  std::int32_t fd;
  std::int16_t events;
  std::int16_t revents;
};
static_assert(sizeof(pollfd) == 8);
static_assert(std::has_unique_object_representations_v<pollfd>);

// Packed so that 32-bit and 64-bit programs of this ISA agree; others leave four bytes between.
struct [[gnu::packed]] epoll_event {
  std::uint32_t events;
  std::uint64_t data;
};
static_assert(sizeof(epoll_event) == 12);
static_assert(std::has_unique_object_representations_v<epoll_event>);

struct epoll_params {
  std::uint32_t busy_poll_usecs;
  std::uint16_t busy_poll_budget;
  std::uint8_t prefer_busy_poll;
  std::uint8_t pad;  //= __pad
};
static_assert(std::has_unique_object_representations_v<epoll_params>);

}  // namespace uapi
