// Restartable sequences: the area a thread shares with the kernel, and a critical section.
// Linux: <linux/rseq.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct alignas(32) rseq_cs {
  std::uint32_t version;
  std::uint32_t flags;
  std::uint64_t start_ip;
  std::uint64_t post_commit_offset;
  std::uint64_t abort_ip;
};
static_assert(sizeof(rseq_cs) == 32);
static_assert(std::has_unique_object_representations_v<rseq_cs>);

struct alignas(32) rseq {
  std::uint32_t cpu_id_start;
  std::uint32_t cpu_id;
  std::uint64_t cs;  //= rseq_cs
  std::uint32_t flags;
  std::uint32_t node_id;
  std::uint32_t mm_cid;
  std::uint32_t pad;  //= -
};
static_assert(sizeof(rseq) == 32);
static_assert(std::has_unique_object_representations_v<rseq>);

}  // namespace uapi
