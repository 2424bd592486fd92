// How the system looks to a program: see personality(2).
#include "syscall/personality.hpp"

#include "core/version.hpp"
#include "generated/uapi/mman.hpp"
#include "generated/uapi/personality.hpp"
#include "syscall/calls.hpp"

namespace auk::syscall {

u64 with_implied_rights(const Task& me, u64 protection) {
  const bool implies = (me.personality & u32{uapi::read_implies_exec}) != 0;
  return implies && (protection & uapi::prot_read) != 0 ? protection | uapi::prot_exec : protection;
}

bool is_linux32(const Task& me) {
  return (me.personality & u32{uapi::per_mask}) == u32{uapi::per_linux32};
}

void put_release(const Task& me, Writer& out) {
  const std::string_view release = core::release;
  if ((me.personality & u32{uapi::uname26}) == 0) return format_to(out, "{}", release);
  // 2.6 and the second number plus 60; then what follows the numbers.
  constexpr u32 offset = 60;
  u32 dots = 0;
  u32 second = 0;
  usize rest = 0;
  for (; rest < release.size(); ++rest) {
    const char c = release[rest];
    if (c == '.') {
      if (++dots == 3) break;
    } else if (c < '0' || c > '9') {
      break;
    } else if (dots == 1) {
      second = second * 10 + static_cast<u32>(c - '0');
    }
  }
  format_to(out, "2.6.{}{}", second + offset, release.substr(rest));
}

Value calls::personality(Task& me, u32 persona) {
  constexpr u32 asks_only = ~u32{0};
  const u32 before = me.personality;
  if (persona != asks_only) me.personality = persona;
  return u64{before};
}

}  // namespace auk::syscall
