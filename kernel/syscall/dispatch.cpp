#include "syscall/dispatch.hpp"

#include "core/log.hpp"
#include "syscall/table.hpp"

namespace auk::syscall {
namespace {

/// Which absent calls were reported already.
constinit std::array<Atomic<u64>, table_size / 64> reported{};

AUK_COLD u64 absent(const Task& me, const machine::Registers& r) {
  const u64 number = r.syscall_number();
  if (number < table_size) {
    const u64 bit = u64{1} << (number % 64);
    if ((reported[number / 64].fetch_or_relaxed(bit) & bit) == 0)
      core::log_info("{}[{}]: system call {} is absent (arguments {:x} {:x} {:x} {:x})", me.name(),
                     me.pid->number(), number, r.argument(0), r.argument(1), r.argument(2),
                     r.argument(3));
  }
  return -static_cast<u64>(Errno::enosys);
}

}  // namespace

void dispatch(Task& me, machine::Registers& r) {
  const u64 number = r.syscall_number();
  if (number >= table_size || table[number].call == nullptr) [[unlikely]] {
    r.set_result(absent(me, r));
    return;
  }
  const u64 result = table[number].call(me, r);
  // A call that replaced the registers has no result of its own.
  if (r.in_syscall()) r.set_result(result);
}

}  // namespace auk::syscall
