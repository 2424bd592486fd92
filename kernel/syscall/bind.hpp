// Binding: what makes a plain function a row of the system-call table.
//
// Each parameter type says how its register is read; nothing is read twice. Failures become minus
// the errno, as programs expect them.
#pragma once
#include <utility>

#include "core/user.hpp"
#include "machine/isa/registers.hpp"
#include "proc/task.hpp"

namespace auk::syscall {

using proc::Task;
/// What every call returns: the value in the program's result register.
using Value = Result<u64>;

/// A file descriptor, not looked up yet.
struct Fd {
  int number;
};

template <class T> struct Decode;
template <> struct Decode<int> {
  static int from(u64 v) { return static_cast<int>(v); }
};
template <> struct Decode<u32> {
  static u32 from(u64 v) { return static_cast<u32>(v); }
};
template <> struct Decode<u64> {
  static u64 from(u64 v) { return v; }
};
template <> struct Decode<i64> {
  static i64 from(u64 v) { return static_cast<i64>(v); }
};
template <> struct Decode<Fd> {
  static Fd from(u64 v) { return {static_cast<int>(v)}; }
};
template <> struct Decode<UserAddr> {
  static UserAddr from(u64 v) { return UserAddr(v); }
};
template <> struct Decode<core::UserStr> {
  static core::UserStr from(u64 v) { return core::UserStr(UserAddr(v)); }
};
template <class T> struct Decode<core::UserIn<T>> {
  static core::UserIn<T> from(u64 v) { return core::UserIn<T>(UserAddr(v)); }
};
template <class T> struct Decode<core::UserOut<T>> {
  static core::UserOut<T> from(u64 v) { return core::UserOut<T>(UserAddr(v)); }
};

struct Row {
  using Function = u64 (*)(Task&, const machine::Registers&);
  Function call = nullptr;
  const char* name = nullptr;
};

template <auto function> struct Bind;
template <class... A, Value (*function)(Task&, A...)> struct Bind<function> {
  static u64 call(Task& me, const machine::Registers& r) {
    return with(me, r, std::index_sequence_for<A...>());
  }

 private:
  template <usize... i>
  static u64 with(Task& me, const machine::Registers& r, std::index_sequence<i...>) {
    Value v = function(me, Decode<A>::from(r.argument(i))...);
    return v.ok() ? *v : -static_cast<u64>(v.error());
  }
};

}  // namespace auk::syscall
