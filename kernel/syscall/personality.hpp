// What personality(2) changes in other calls.
#pragma once
#include "base/fmt.hpp"
#include "syscall/bind.hpp"

namespace auk::syscall {

/// READ_IMPLIES_EXEC: protection as the caller means it.
u64 with_implied_rights(const Task& me, u64 protection);
/// uname(2) shows the machine of 32-bit programs.
bool is_linux32(const Task& me);

/// UNAME26: the release, for programs that take a first number above 2 for a mistake.
void put_release(const Task& me, Writer& out);

}  // namespace auk::syscall
