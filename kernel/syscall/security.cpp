// Security modules: see Linux Documentation/userspace-api/lsm.rst.
//
// Those there are, capabilities and landlock, have no attributes of threads.
#include "generated/uapi/lsm.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "uapi/lsm.hpp"

namespace auk::syscall::calls {
namespace {

constexpr std::array<u64, 2> modules{uapi::lsm_id_capability, uapi::lsm_id_landlock};

}  // namespace

Value lsm_list_modules(Task&, UserOut<u64> ids, UserAddr size, u32 flags) {
  if (flags != 0) return Errno::einval;
  const u32 room = TRY(core::UserIn<u32>(size).load());
  TRY(UserOut<u32>(size).store(sizeof(modules)));
  if (room < sizeof(modules)) return Errno::e2big;
  for (usize i = 0; i < modules.size(); ++i) TRY((ids + i).store(modules[i]));
  return u64{modules.size()};
}

Value lsm_get_self_attr(Task&, u32 attribute, UserAddr to, UserAddr size, u32 flags) {
  if (attribute == uapi::lsm_attr_undef || size.value == 0) return Errno::einval;
  TRY(core::UserIn<u32>(size).load());
  if (flags != 0) {
    if (flags != uapi::lsm_flag_single || to.value == 0) return Errno::einval;
    if (TRY(core::UserIn<uapi::lsm_ctx>(to).load()).id == uapi::lsm_id_undef) return Errno::einval;
  }
  TRY(UserOut<u32>(size).store(0));
  return Errno::eopnotsupp;
}

Value lsm_set_self_attr(Task&, u32, UserAddr from, u32 size, u32 flags) {
  if (flags != 0 || size < sizeof(uapi::lsm_ctx)) return Errno::einval;
  if (size > page_size) return Errno::e2big;
  const uapi::lsm_ctx ctx = TRY(core::UserIn<uapi::lsm_ctx>(from).load());
  u64 needed = 0;
  if (__builtin_add_overflow(sizeof(ctx), ctx.ctx_len, &needed) || size < ctx.len ||
      ctx.len < needed)
    return Errno::einval;
  return Errno::eopnotsupp;
}

}  // namespace auk::syscall::calls
