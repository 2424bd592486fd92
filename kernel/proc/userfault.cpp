#include "proc/userfault.hpp"

#include "base/math.hpp"
#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/userfaultfd.hpp"
#include "io/anon_file.hpp"
#include "uapi/userfaultfd.hpp"

namespace auk::proc {
namespace {

constexpr io::FileKind kind_of_userfaultfd{"[userfaultfd]"};

/// Requests as <linux/ioctl.h> encodes them.
enum class Way : u32 { to_program = 2, both = 3 };
template <class T> constexpr u32 request(Way way, u32 number) {
  return static_cast<u32>(way) << 30 | u32{sizeof(T)} << 16 | u32{uapi::uffdio} << 8 | number;
}
constexpr u32 number_of_register = 0, number_of_unregister = 1, number_of_wake = 2,
              number_of_copy = 3, number_of_zeropage = 4, number_of_api = 0x3f;
constexpr u32 api_request = request<uapi::uffdio_api>(Way::both, number_of_api);
constexpr u32 register_request = request<uapi::uffdio_register>(Way::both, number_of_register);
constexpr u32 unregister_request =
    request<uapi::uffdio_range>(Way::to_program, number_of_unregister);
constexpr u32 wake_request = request<uapi::uffdio_range>(Way::to_program, number_of_wake);
constexpr u32 copy_request = request<uapi::uffdio_copy>(Way::both, number_of_copy);
constexpr u32 zeropage_request = request<uapi::uffdio_zeropage>(Way::both, number_of_zeropage);
static_assert(api_request == 0xc018aa3f);

constexpr u64 api_requests =
    u64{1} << number_of_api | u64{1} << number_of_register | u64{1} << number_of_unregister;
constexpr u64 range_requests =
    u64{1} << number_of_wake | u64{1} << number_of_copy | u64{1} << number_of_zeropage;
constexpr u64 known_features = u64{uapi::uffd_feature_missing_shmem} |
                               u64{uapi::uffd_feature_sigbus} | u64{uapi::uffd_feature_thread_id} |
                               u64{uapi::uffd_feature_exact_address};

/// Linux's uffd_msg for UFFD_EVENT_PAGEFAULT.
struct Message {
  u8 event;
  u8 reserved1;
  u16 reserved2;
  u32 reserved3;
  u64 flags, address;
  u32 thread, padding;
};
static_assert(sizeof(Message) == 32);

/// EINVAL unless it is in a program's memory, and something.
Result<void> check_bytes(u64 start, u64 size) {
  const bool fits = size != 0 && start >= vm::AddressSpace::lowest.value &&
                    start < core::user_end && size <= core::user_end - start;
  return fits ? Result<void>() : Errno::einval;
}
/// The same of whole pages.
Result<void> check_range(const uapi::uffdio_range& r) {
  if (r.start % page_size != 0 || r.len % page_size != 0) return Errno::einval;
  return check_bytes(r.start, r.len);
}

class UserFaultFile final : public io::AnonFile {
  const Ref<vm::FaultWatch> watch_;
  const Ref<ident::PidNamespace> viewer_;
  /// As UFFDIO_API agreed; the highest bit says that it has.
  static constexpr u64 is_agreed = u64{1} << 63;
  Atomic<u64> features_{0};

  void dispose() override {
    watch_->is_closed.store_release(true);
    if (Result<Ref<vm::AddressSpace>> space = watch_->space(); space.ok())
      space.take()->unwatch_all(*watch_);
    watch_->wake(UserAddr(0), UserAddr(core::user_end));
    destroy_late(this);
  }

  bool has(u64 feature) const { return (features_.load_relaxed() & feature) != 0; }
  bool tell(Message& m);
  Result<u64> agree(UserAddr at);
  /// ENOMEM when it has ended.
  Result<Ref<vm::AddressSpace>> space_to_change() {
    Result<Ref<vm::AddressSpace>> space = watch_->space();
    return space.ok() ? std::move(space) : Errno::enomem;
  }
  Result<u64> watch_range(UserAddr at);
  Result<u64> unwatch_range(UserAddr at);
  Result<u64> copy(UserAddr at);
  Result<u64> zero(UserAddr at);
  /// As many pages as can be; bytes, or why there is none.
  i64 fill(vm::AddressSpace& space, UserAddr to, u64 size, std::optional<UserAddr> from);

 public:
  UserFaultFile(u32 flags, Ref<vm::FaultWatch> w, ident::PidNamespace& viewer)
      : AnonFile(flags),
        watch_(std::move(w)),
        viewer_(viewer) {}
  ~UserFaultFile() = default;
  const io::FileKind* kind() const override { return &kind_of_userfaultfd; }
  Result<usize> read(io::IoBuf& buf) override;
  io::PollEvents poll(io::PollTable* table) override;
  Result<u64> ioctl(u32 command, io::IoctlArg arg) override;
  void show_info(const ident::PidNamespace&, mem::Text& out) const override {
    const vm::FaultWatch::Counts c = watch_->counts();
    out.print("pending:\t{}\ntotal:\t{}\nAPI:\t{:x}:{:x}:{:x}\n", c.pending, c.all,
              u64{uapi::uffd_api}, features_.load_relaxed() & ~is_agreed,
              api_requests | range_requests);
  }
};

/// The next message, if a thread waits whose fault nobody was told of.
bool UserFaultFile::tell(Message& m) {
  return watch_->tell([&](const vm::FaultWatch::Ask& ask) {
    const u64 address = ask.address.value;
    m = {};
    m.event = uapi::uffd_event_pagefault;
    m.flags = ask.access == vm::Access::write ? u64{uapi::uffd_pagefault_flag_write} : 0;
    m.address = has(uapi::uffd_feature_exact_address) ? address : align_down(address, page_size);
    // It sleeps until it is answered, so it is there.
    if (has(uapi::uffd_feature_thread_id))
      m.thread = static_cast<Task&>(ask.thread).pid->number_in(*viewer_);
  });
}

Result<usize> UserFaultFile::read(io::IoBuf& buf) {
  if (!has(is_agreed)) return Errno::einval;
  usize done = 0;
  for (;;) {
    if (buf.left() < sizeof(Message)) return done > 0 ? Result<usize>(done) : Errno::einval;
    Message m{};
    if (!tell(m)) {
      if (done > 0) return done;
      if (!may_wait(buf)) return Errno::eagain;
      const auto is_asked = [&] { return watch_->has_pending(); };
      if (sched::wait_interruptible(watch_->readers, is_asked) == sched::WaitResult::interrupted)
        return Errno::erestart;
      continue;
    }
    if (buf.put(object_bytes(m)) < sizeof(m)) return done > 0 ? Result<usize>(done) : Errno::efault;
    done += sizeof(m);
  }
}

io::PollEvents UserFaultFile::poll(io::PollTable* table) {
  if (table != nullptr) table->watch(watch_->readers);
  // Who would block in the read that follows, because another was faster, is not to come here.
  if (!has(is_agreed) || !is_nonblocking()) return io::PollEvent::error;
  return watch_->has_pending() ? io::PollEvents(io::PollEvent::in) : io::PollEvents();
}

Result<u64> UserFaultFile::agree(UserAddr at) {
  const core::UserOut<uapi::uffdio_api> out(at);
  const uapi::uffdio_api wanted = TRY(core::UserIn<uapi::uffdio_api>(at).load());
  const bool is_known =
      wanted.api == u64{uapi::uffd_api} && (wanted.features & ~known_features) == 0;
  if (!is_known || has(is_agreed)) {
    TRY(out.store({}));
    return Errno::einval;
  }
  TRY(out.store({.api = uapi::uffd_api, .features = known_features, .ioctls = api_requests}));
  // Before anything is watched.
  watch_->fails.store_relaxed((wanted.features & u64{uapi::uffd_feature_sigbus}) != 0);
  u64 none = 0;
  return features_.cas_acq_rel(none, is_agreed | wanted.features) ? Result<u64>(u64{0})
                                                                  : Errno::einval;
}

Result<u64> UserFaultFile::watch_range(UserAddr at) {
  const uapi::uffdio_register r = TRY(core::UserIn<uapi::uffdio_register>(at).load());
  if (r.mode != u64{uapi::uffdio_register_mode_missing}) return Errno::einval;
  TRY(check_range(r.range));
  const Ref<vm::AddressSpace> space = TRY(space_to_change());
  TRY(space->watch(*watch_, UserAddr(r.range.start), r.range.len));
  TRY(core::UserOut<u64>(at + offsetof(uapi::uffdio_register, ioctls)).store(range_requests));
  return u64{0};
}

Result<u64> UserFaultFile::unwatch_range(UserAddr at) {
  const uapi::uffdio_range r = TRY(core::UserIn<uapi::uffdio_range>(at).load());
  TRY(check_range(r));
  const Ref<vm::AddressSpace> space = TRY(space_to_change());
  TRY(space->unwatch(UserAddr(r.start), r.len));
  watch_->wake(UserAddr(r.start), UserAddr(r.start + r.len));
  return u64{0};
}

i64 UserFaultFile::fill(vm::AddressSpace& space, UserAddr to, u64 size,
                        std::optional<UserAddr> from) {
  if (!space.is_watched(to, size)) return -static_cast<i64>(Errno::enoent);
  u64 done = 0;
  while (done < size) {
    std::optional<UserAddr> source;
    if (from) source = *from + done;
    const Result<void> r = space.fill(to + done, source);
    if (!r.ok() && done == 0) return -static_cast<i64>(r.error());
    if (!r.ok()) break;
    done += page_size;
    if (sched::current().has_work(sched::Interruptible::fatal)) break;
  }
  return static_cast<i64>(done);
}

Result<u64> UserFaultFile::copy(UserAddr at) {
  uapi::uffdio_copy c = TRY(core::UserIn<uapi::uffdio_copy>(at).load());
  const auto fill_all = [&]() -> Result<i64> {
    TRY(check_bytes(c.src, c.len));
    TRY(check_range({c.dst, c.len}));
    if ((c.mode & ~u64{uapi::uffdio_copy_mode_dontwake}) != 0) return Errno::einval;
    const Ref<vm::AddressSpace> space = TRY(watch_->space());
    return fill(*space, UserAddr(c.dst), c.len, UserAddr(c.src));
  };
  const i64 filled = TRY(fill_all());
  TRY(core::UserOut<i64>(at + offsetof(uapi::uffdio_copy, copy)).store(filled));
  if (filled < 0) return static_cast<Errno>(-filled);
  if ((c.mode & u64{uapi::uffdio_copy_mode_dontwake}) == 0)
    watch_->wake(UserAddr(c.dst), UserAddr(c.dst + static_cast<u64>(filled)));
  return static_cast<u64>(filled) == c.len ? Result<u64>(u64{0}) : Errno::eagain;
}

Result<u64> UserFaultFile::zero(UserAddr at) {
  const uapi::uffdio_zeropage z = TRY(core::UserIn<uapi::uffdio_zeropage>(at).load());
  TRY(check_range(z.range));
  if ((z.mode & ~u64{uapi::uffdio_zeropage_mode_dontwake}) != 0) return Errno::einval;
  const Ref<vm::AddressSpace> space = TRY(watch_->space());
  const UserAddr to(z.range.start);
  const i64 filled = fill(*space, to, z.range.len, {});
  TRY(core::UserOut<i64>(at + offsetof(uapi::uffdio_zeropage, zeropage)).store(filled));
  if (filled < 0) return static_cast<Errno>(-filled);
  if ((z.mode & u64{uapi::uffdio_zeropage_mode_dontwake}) == 0)
    watch_->wake(to, to + static_cast<u64>(filled));
  return static_cast<u64>(filled) == z.range.len ? Result<u64>(u64{0}) : Errno::eagain;
}

Result<u64> UserFaultFile::ioctl(u32 command, io::IoctlArg arg) {
  const UserAddr at = arg.address();
  if (command != api_request && !has(is_agreed)) return Errno::einval;
  switch (command) {
    case api_request: return agree(at);
    case register_request: return watch_range(at);
    case unregister_request: return unwatch_range(at);
    case copy_request: return copy(at);
    case zeropage_request: return zero(at);
    case wake_request: {
      const uapi::uffdio_range r = TRY(core::UserIn<uapi::uffdio_range>(at).load());
      TRY(check_range(r));
      watch_->wake(UserAddr(r.start), UserAddr(r.start + r.len));
      return u64{0};
    }
    default: return Errno::einval;
  }
}

}  // namespace

Result<Ref<io::File>> make_userfaultfd(Task& me, u32 flags) {
  const bool for_programs_only = (flags & u32{uapi::uffd_user_mode_only}) != 0;
  Ref<vm::FaultWatch> watch = TRY(vm::FaultWatch::create(*me.space, for_programs_only));
  const u32 kept = (flags & u32{uapi::o_nonblock}) | u32{uapi::o_rdonly};
  return Ref<io::File>(
      TRY(mem::make_ref<UserFaultFile>(ALLOC_SITE, kept, std::move(watch), me.pid_space())));
}

}  // namespace auk::proc
