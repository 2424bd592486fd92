// The table of system calls; one for each machine.
#pragma once
#include <array>

#include "syscall/bind.hpp"

namespace auk::syscall {

inline constexpr usize table_size = 512;
using Table = std::array<Row, table_size>;
extern const Table table;

}  // namespace auk::syscall
