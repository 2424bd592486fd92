// Users: what all processes of one real user id have together. See getrlimit(2), RLIMIT_NPROC and
// RLIMIT_SIGPENDING.
//
// Data model: one User for each id that some Cred has, counted, in a hash table. Locking: level
// user, one lock per chain; the counts are atomic. Context: threads.
#pragma once
#include "base/list.hpp"
#include "base/own.hpp"
#include "base/result.hpp"

namespace auk::ident {

class User final : public RefCounted<User> {
  u32 uid_;

 public:
  ListNode node;
  /// Threads that exist, and processes that nobody waited for yet.
  Atomic<u64> threads{0};
  /// Queued signals, and timers that send one.
  Atomic<u64> signals{0};
  Atomic<u32> inotify_instances{0}, inotify_watches{0};
  /// That its pipes may fill.
  Atomic<u64> pipe_pages{0};
  /// Open files that it has sent over sockets and nobody received yet.
  Atomic<u64> files_in_flight{0};

  /// That nobody can take away from its programs, beside those of mlock(2).
  Atomic<u64> locked_pages{0};

  explicit User(u32 uid) : uid_(uid) {}
  static void destroy(User* u);
  u32 uid() const { return uid_; }
};

/// Something counts for a user as long as this lives.
template <Atomic<u64> User::* Count> class Charge {
  Ref<User> user_;

 public:
  Charge() = default;
  explicit Charge(Ref<User> u) : user_(std::move(u)) {
    (void)((*user_).*Count).fetch_add_relaxed(1);
  }
  Charge(Charge&&) noexcept = default;
  Charge& operator=(Charge o) noexcept {
    std::swap(user_, o.user_);
    return *this;
  }
  ~Charge() {
    if (user_) (void)((*user_).*Count).fetch_sub_relaxed(1);
  }
  const Ref<User>& user() const { return user_; }
  /// With this one there are more.
  bool exceeds(u64 limit) const { return ((*user_).*Count).load_relaxed() > limit; }
};
using ThreadCharge = Charge<&User::threads>;
using SignalCharge = Charge<&User::signals>;

/// The one for an id, made if need be. ENOMEM.
Result<Ref<User>> find_user(u32 uid);

}  // namespace auk::ident
