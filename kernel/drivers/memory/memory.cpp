// Devices without hardware: /dev/null, /dev/zero, /dev/full, /dev/random, /dev/urandom, /dev/kmsg.
// See null(4), full(4), random(4).
#include <algorithm>

#include "core/init_graph.hpp"
#include "dev/device.hpp"
#include "drivers/memory/kmsg.hpp"
#include "random/random.hpp"
#include "vfs/device.hpp"
#include "vfs/operations.hpp"

namespace auk::drivers::memory {
namespace {

constexpr u32 major = 1;
enum class Minor : u32 { null = 3, zero = 5, full = 7, random = 8, urandom = 9, kmsg = 11 };

class MemoryFile final : public io::File {
  Minor kind_;
  void dispose() override { destroy_late(this); }

  /// A signal waits, after every page: who asks for gigabytes can be stopped.
  static bool is_interrupted(usize done) {
    return done % page_size == 0 && sched::current().has_work(sched::Interruptible::any);
  }
  static Result<usize> read_random(io::IoBuf& buf) {
    std::array<byte, 256> chunk;
    usize done = 0;
    while (buf.left() > 0) {
      const usize n = std::min<u64>(chunk.size(), buf.left());
      random::fill(std::span(chunk).first(n));
      const usize moved = buf.put(std::span(chunk).first(n));
      done += moved;
      if (moved < n) return done > 0 ? Result<usize>(done) : Errno::efault;
      if (is_interrupted(done)) break;
    }
    return done;
  }
  static Result<usize> write_random(io::IoBuf& buf) {
    std::array<byte, 256> chunk;
    usize done = 0;
    while (buf.left() > 0) {
      const usize n = buf.get(std::span(chunk).first(std::min<u64>(chunk.size(), buf.left())));
      if (n == 0) return done > 0 ? Result<usize>(done) : Errno::efault;
      random::stir(std::span(chunk).first(n));
      done += n;
      if (is_interrupted(done)) break;
    }
    return done;
  }
  static Result<usize> read_zeros(io::IoBuf& buf) {
    const u64 wanted = buf.left();
    const usize n = buf.put_zeros(wanted);
    return n == 0 && wanted != 0 ? Result<usize>(Errno::efault) : n;
  }

 public:
  MemoryFile(u32 flags, Minor kind) : File(flags), kind_(kind) {}
  ~MemoryFile() = default;

  Result<usize> read(io::IoBuf& buf) override {
    switch (kind_) {
      case Minor::null: return usize{0};
      case Minor::zero:
      case Minor::full: return read_zeros(buf);
      default: return read_random(buf);
    }
  }
  Result<usize> write(io::IoBuf& buf) override {
    switch (kind_) {
      case Minor::null:
      case Minor::zero: return usize{buf.left()};
      case Minor::full: return Errno::enospc;
      default: return write_random(buf);
    }
  }
  Result<usize> read_at(io::IoBuf& buf, u64) override { return read(buf); }
  Result<usize> write_at(io::IoBuf& buf, u64) override { return write(buf); }
  bool can_splice_from() const override { return kind_ != Minor::null; }
  bool can_splice_to() const override { return kind_ != Minor::full; }
  io::WaysOf ways_of_reading() const override {
    return kind_ == Minor::full ? io::WaysOf::flags : io::WaysOf::no_wait;
  }
  io::WaysOf ways_of_writing() const override {
    return kind_ == Minor::full ? io::WaysOf::nothing : io::WaysOf::no_wait;
  }
  Result<i64> seek(i64, int) override { return i64{0}; }
  bool can_poll() const override { return kind_ == Minor::random || kind_ == Minor::urandom; }
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
  /// A private mapping of /dev/zero is anonymous memory.
  Result<Ref<vm::MemObject>> map_object() override {
    if (kind_ != Minor::zero) return Errno::enodev;
    Ref<vm::PageCache> pages = TRY(vm::PageCache::create());
    pages->grow(~u64{0} >> 1);
    return Ref<vm::MemObject>(std::move(pages));
  }
};

class Driver final : public vfs::CharDriver {
 public:
  constexpr Driver() : CharDriver("mem", major, 0, 256) {}
  Result<Ref<io::File>> open(const vfs::Path&, u32 minor, u32 flags) override {
    switch (static_cast<Minor>(minor)) {
      case Minor::kmsg: return open_kmsg(flags);
      case Minor::null:
      case Minor::zero:
      case Minor::full:
      case Minor::random:
      case Minor::urandom:
        return Ref<io::File>(
            TRY(mem::make_ref<MemoryFile>(ALLOC_SITE, flags, static_cast<Minor>(minor))));
    }
    return Errno::enxio;
  }
};
constinit Driver driver;

constinit dev::Subsystem mem_class("mem", dev::Subsystem::Kind::device_class);

void setup() {
  vfs::register_char_driver(driver);
  mem_class.setup();
  constexpr u32 for_all = vfs::mode::character | 0666;
  const auto add = [](std::string_view name, Minor m, u32 mode) {
    dev::add_device(mem_class, name, dev::make_number(major, static_cast<u32>(m)), mode);
  };
  add("null", Minor::null, for_all);
  add("zero", Minor::zero, for_all);
  add("full", Minor::full, for_all);
  add("random", Minor::random, for_all);
  add("urandom", Minor::urandom, for_all);
  add("kmsg", Minor::kmsg, vfs::mode::character | 0644);
}
INIT_TASK(memory_devices, "devices", "memory_devices", setup);

}  // namespace
}  // namespace auk::drivers::memory
