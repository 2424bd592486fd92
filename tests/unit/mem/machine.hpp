// The machine that the tests of mem run on: one for the process, small, with holes.
#pragma once
#include <cstdio>
#include <gtest/gtest.h>
#include <vector>

#include "mem/host/ram.hpp"
#include "mem/model.hpp"
#include "mem/pages.hpp"
#include "mem/slab.hpp"

namespace auk::test {

inline constexpr u32 cpus = 4;

/// Brings mem up at the first call. 223 MiB of RAM in four sections, some without their beginning
/// or end; afterwards every section is open, so that the number of pages stands still.
void start_machine();

/// Gives back what waits in the lists and magazines of all CPUs. Twice, because the descriptors of
/// slabs lie in slabs as well.
void drain_all_cpus();

/// Every page there is, one by one.
std::vector<Pfn> take_all_pages();
void give_all_pages(const std::vector<Pfn>& all);

/// Ends grace periods at once: for tests in which no reader runs beside.
void end_grace_periods();

/// Pages that are not free, with everything drained.
u64 pages_in_use();

/// A line for the status page: what this run has shown, if it has.
template <class... A> void prove(std::format_string<A...> text, A&&... args) {
  if (!testing::Test::HasFailure())
    std::printf("# proof: %s\n", std::format(text, std::forward<A>(args)...).c_str());
}

}  // namespace auk::test

/// The run has to end without a complaint; tells the seed if it does not.
#define EXPECT_MODEL_AGREES(run)                                                                   \
  EXPECT_EQ(::auk::test::complaint_of(run), "")                                                    \
      << "repeat it with AUK_TEST_SEED=" << ::auk::test::Random::seed()
