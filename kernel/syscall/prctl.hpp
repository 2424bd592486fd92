// Parts of prctl(2) that stand in files of their own.
#pragma once
#include <array>

#include "syscall/bind.hpp"

namespace auk::syscall {

/// The second to fifth argument of prctl(2).
using PrctlArguments = std::array<u64, 4>;

/// capability.cpp: PR_CAPBSET_*, PR_*_SECUREBITS, PR_*_KEEPCAPS, PR_CAP_AMBIENT.
Value prctl_capabilities(Task& me, int option, const PrctlArguments& a);

}  // namespace auk::syscall
