#include "drivers/memory/kmsg.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/sysctl.hpp"
#include "proc/kernel_log.hpp"
#include "vfs/operations.hpp"
#include "vfs/report.hpp"

namespace auk::drivers::memory {
namespace {

namespace kernel_log = proc::kernel_log;
constexpr u8 user_facility = 1;

/// Whether programs may write, kernel.printk_devkmsg.
enum class Writing : u8 { limited, on, off };
constinit Atomic<Writing> writing{Writing::limited};
constexpr std::array<std::string_view, 3> writing_names{"ratelimit", "on", "off"};

class WritingSysctl final : public core::Sysctl {
 public:
  constexpr WritingSysctl() : Sysctl("kernel/printk_devkmsg", true) {}
  void show(Writer& out) const override {
    out.put(writing_names[static_cast<usize>(writing.load_relaxed())]);
  }
  Result<void> store(std::string_view text) override {
    for (usize i = 0; i < writing_names.size(); ++i)
      if (writing_names[i] == text)
        return writing.store_relaxed(static_cast<Writing>(i)), Result<void>();
    return Errno::einval;
  }
};
constinit WritingSysctl writing_variable;
SYSCTL(writing_variable);

/// So many in so long a time, of one file.
struct Allowance {
  static constexpr u32 most = 10;
  static constexpr u64 period_ns = 5'000'000'000;
  u64 since_ns = 0;
  u32 used = 0;

  bool take() {
    const u64 now = core::clock_ns();
    if (since_ns == 0 || now - since_ns > period_ns) {
      since_ns = now;
      used = 0;
    }
    return used++ < most;
  }
};

class KmsgFile final : public io::File {
  struct Place {
    kernel_log::Reader reader;
    Allowance allowance;
  };
  core::Guarded<core::level::report, Place, sched::SleepLock> place_;
  Atomic<u64> position_{0};  ///< a copy, for those who cannot wait for the lock
  void dispose() override { destroy_late(this); }

 public:
  explicit KmsgFile(u32 flags) : File(flags) {}
  ~KmsgFile() = default;
  Result<usize> read(io::IoBuf& buf) override;
  Result<usize> write(io::IoBuf& buf) override;
  Result<i64> seek(i64 offset, int whence) override;
  bool can_poll() const override { return true; }
  io::PollEvents poll(io::PollTable* table) override;
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
};

void put_escaped(mem::Text& out, std::string_view text) {
  for (const char c : text) {
    const auto u = static_cast<u8>(c);
    constexpr u8 del = 127;
    if (u < ' ' || u >= del || c == '\\')
      out.print("\\x{:02x}", u32{u});
    else
      out.put(c);
  }
}

Result<usize> KmsgFile::read(io::IoBuf& buf) {
  for (;;) {
    kernel_log::Reader before;
    {
      auto p = place_.lock();
      if (p->reader.has_lost()) return Errno::epipe;
      before = p->reader;
      kernel_log::Buffer memory;
      core::LogRecord r;
      if (p->reader.next(memory, r)) {
        mem::Text text;
        text.print("{},{},{},-;", u32{r.facility} * 8 + static_cast<u32>(r.level), r.number,
                   r.time_ns / 1000);
        put_escaped(text, r.text);
        text.put('\n');
        const std::string_view all = text.text();
        Errno error{};
        if (text.failed())
          error = Errno::enomem;
        else if (all.size() > buf.left())
          error = Errno::einval;
        else if (buf.put_text(all) < all.size())
          error = Errno::efault;
        // What could not be read has been passed, too: nobody shall be stuck at a long one.
        position_.store_release(p->reader.position());
        if (error == Errno{}) return all.size();
        return error;
      }
    }
    if (is_nonblocking()) return Errno::eagain;
    TRY(kernel_log::wait_for_more(before.position()));
  }
}

Result<usize> KmsgFile::write(io::IoBuf& buf) {
  constexpr usize most = 1024;
  const usize size = buf.left();
  if (size > most) return Errno::einval;
  const Writing how = writing.load_relaxed();
  if (how == Writing::off) return size;
  if (how == Writing::limited) {
    auto p = place_.lock();
    if (!p->allowance.take()) return size;
  }
  char* const memory = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, most)));
  const usize n = buf.get_text({memory, size});
  std::string_view text(memory, n);
  u32 priority = static_cast<u32>(kernel_log::default_level());
  u8 facility = user_facility;
  if (n == size && text.starts_with('<')) {
    std::string_view rest;
    const std::optional<u64> number = parse_number(text.substr(1), rest);
    if (number && rest.starts_with('>')) {
      priority = static_cast<u32>(*number & 7);
      // Nobody but the kernel speaks for the kernel.
      if (const auto given = static_cast<u8>(*number >> 3); given != 0) facility = given;
      text = rest.substr(1);
    }
  }
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (n == size) core::log_line(static_cast<core::Level>(priority), text, facility);
  mem::free(memory);
  return n == size ? Result<usize>(size) : Errno::efault;
}

Result<i64> KmsgFile::seek(i64 offset, int whence) {
  constexpr int from_start = 0, from_end = 2, from_data = 3;
  if (offset != 0) return Errno::espipe;
  auto p = place_.lock();
  switch (whence) {
    case from_start: p->reader.go_to(0); break;
    case from_data: p->reader.go_to(kernel_log::cleared_position()); break;
    case from_end: p->reader.go_to(core::log_end()); break;
    default: return Errno::einval;
  }
  position_.store_release(p->reader.position());
  return i64{0};
}

io::PollEvents KmsgFile::poll(io::PollTable* table) {
  using io::PollEvent;
  if (table != nullptr) kernel_log::watch(*table);
  io::PollEvents e;
  const u64 position = position_.load_acquire();
  if (!kernel_log::has_more(position)) return e;
  e = e | PollEvent::in | PollEvent::read_normal;
  if (position != 0 && position < core::oldest_log_position())
    e = e | PollEvent::error | PollEvent::pri;
  return e;
}

}  // namespace

Result<Ref<io::File>> open_kmsg(u32 flags) {
  constexpr u32 access = vfs::open_flag::access_mask;
  if ((flags & access) != vfs::open_flag::write_only)
    TRY(kernel_log::may_read_all(proc::current()));
  else if (writing.load_relaxed() == Writing::off)
    return Errno::eperm;
  return Ref<io::File>(TRY(mem::make_ref<KmsgFile>(ALLOC_SITE, flags)));
}

}  // namespace auk::drivers::memory
