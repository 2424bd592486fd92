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
void File::link(FileLink& l) {
  was_linked_.store_relaxed(true);
  links_.lock()->push_back(l);
}

void File::unlink(FileLink& l) { links_.lock()->remove(l); }

void File::closing(const FdTable& table) {
  LockSpace* const s = lock_space();
  if (s != nullptr && s->was_used()) s->release(&table);
}

void File::released() {
  if (has_locks_.load_relaxed()) lock_space()->release(this);
  if (origin_ != nullptr) origin_->closed(*this);
  if (!was_linked_.load_relaxed()) return;
  for (;;) {
    Ref<LinkOwner> owner;
    {
      auto links = links_.lock();
      FileLink* const first = links->front();
      if (first == nullptr) return;
      // Its owner may drop the link at any moment, but lives as long as it is here.
      owner = first->owner;
    }
    owner->file_gone(*this);
  }
}

PollEvents File::poll(PollTable*) {
  return PollEvents(PollEvent::in) | PollEvent::out | PollEvent::read_normal |
         PollEvent::write_normal;
}

}  // namespace auk::io
