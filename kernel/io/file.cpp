#include "io/file.hpp"

namespace auk::io {

Result<usize> File::read(IoBuf&) { return Errno::einval; }
Result<usize> File::write(IoBuf&) { return Errno::einval; }
Result<usize> File::read_at(IoBuf&, u64) { return Errno::espipe; }
Result<usize> File::write_at(IoBuf&, u64) { return Errno::espipe; }
Result<i64> File::seek(i64, int) { return Errno::espipe; }
Result<u64> File::ioctl(u32, IoctlArg) { return Errno::enotty; }
Result<void> File::truncate(u64) { return Errno::einval; }
Result<void> File::sync() { return Errno::einval; }
Result<void> File::read_dir(DirSink&) { return Errno::enotdir; }
Result<Ref<vm::MemObject>> File::map_object() { return Errno::enodev; }
PollEvents File::poll(PollTable*) {
  return PollEvents(PollEvent::in) | PollEvent::out | PollEvent::read_normal |
         PollEvent::write_normal;
}

}  // namespace auk::io
