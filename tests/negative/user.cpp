// Wrong and right ways to reach a program's memory; see locks.cpp.
#include "core/user.hpp"

namespace auk {

struct Padded {
  u8 a;
  u32 b;
};
struct Whole {
  u32 a, b;
};
using core::UserIn;
using core::UserOut;
using core::UserStr;

#ifdef WRONG
Result<void> ignored_load(UserIn<u32> in) {
  in.load();  // expected-error {{ignoring return value}}
  return {};
}
Result<void> ignored_store(UserOut<u32> out) {
  out.store(1);  // expected-error {{ignoring return value}}
  return {};
}
Result<void> ignored_read(UserAddr at) {
  u32 v = 0;
  core::read_user(&v, at, sizeof(v));  // expected-error {{ignoring return value}}
  return {};
}
u32 dereferenced(UserIn<u32> in) {
  return *in;  // expected-error {{indirection requires pointer operand}}
}
u32 as_pointer(UserAddr at) {
  return *static_cast<u32*>(at);  // expected-error {{cannot cast from type}}
}
UserIn<u32> from_number(u64 v) {
  return v;  // expected-error {{no viable conversion}}
}
UserAddr from_kernel(u32* p) {
  return UserAddr(p);  // expected-error {{no matching conversion}}
}
Result<void> padding_out(UserOut<Padded> out, const Padded& p) {
  return out.store(p);  // expected-error {{invalid reference to function 'store'}}
}
Result<u32> read_what_is_written(UserOut<u32> out) {
  return out.load();  // expected-error {{no member named 'load'}}
}
Result<void> write_what_is_read(UserIn<u32> in) {
  return in.store(1);  // expected-error {{no member named 'store'}}
}
Result<usize> text_without_room(UserStr s) {
  return s.load();  // expected-error {{too few arguments}}
}
#endif

Result<void> used_load(UserIn<u32> in) {
  const u32 v = TRY(in.load());
  return v == 0 ? Result<void>() : Result<void>(Errno::einval);
}
Result<void> used_store(UserOut<u32> out) {
  TRY(out.store(1));
  return {};
}
Result<void> used_read(UserAddr at) {
  u32 v = 0;
  TRY(core::read_user(&v, at, sizeof(v)));
  return {};
}
Result<u32> loaded(UserIn<u32> in) { return in.load(); }
Result<u32> by_address(UserAddr at) { return UserIn<u32>(at).load(); }
UserIn<u32> from_address(u64 v) { return UserIn<u32>(UserAddr(v)); }
UserAddr from_user(u64 v) { return UserAddr(v); }
Result<void> whole_out(UserOut<Whole> out, const Whole& w) { return out.store(w); }
Result<u32> read_what_is_read(UserIn<u32> in) { return in.load(); }
Result<void> write_what_is_written(UserOut<u32> out) { return out.store(1); }
Result<usize> text_with_room(UserStr s, std::span<char> to) { return s.load(to); }

}  // namespace auk
