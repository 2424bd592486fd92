#include "ident/user.hpp"

#include <array>

#include "core/spin.hpp"
#include "mem/box.hpp"

namespace auk::ident {
namespace {

using Users = List<User, &User::node>;
constexpr usize chains = 64;
constinit std::array<core::Guarded<core::level::user, Users, core::SpinPreemptOff>, chains> table;

auto& chain_of(u32 uid) { return table[uid % chains]; }

}  // namespace

void User::destroy(User* u) {
  chain_of(u->uid_).lock()->remove(*u);
  mem::destroy(u);
}

Result<Ref<User>> find_user(u32 uid) {
  mem::Box<User> fresh = TRY(mem::Box<User>::make(ALLOC_SITE, uid));
  auto chain = chain_of(uid).lock();
  // One that is dying leaves the chain itself.
  for (User& u : *chain)
    if (u.uid() == uid && u.try_get()) return Ref<User>::adopt(&u);
  chain->push_back(*fresh);
  return Ref<User>::adopt(fresh.release());
}

}  // namespace auk::ident
