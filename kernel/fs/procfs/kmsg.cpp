// /proc/kmsg: the kernel's log for one reader, as klogd(8) takes it.
#include "fs/procfs/node.hpp"
#include "proc/kernel_log.hpp"
#include "vfs/operations.hpp"

namespace auk::fs::procfs {
namespace {

class KmsgFile final : public io::File {
  void dispose() override { destroy_late(this); }

 public:
  explicit KmsgFile(u32 flags) : File(flags) {}
  ~KmsgFile() = default;
  Result<usize> read(io::IoBuf& buf) override {
    return proc::kernel_log::read_once(buf, is_nonblocking());
  }
  bool can_poll() const override { return true; }
  io::PollEvents poll(io::PollTable* table) override {
    if (table != nullptr) proc::kernel_log::watch(*table);
    io::PollEvents e;
    if (proc::kernel_log::has_unread()) e = e | io::PollEvent::in | io::PollEvent::read_normal;
    return e;
  }
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
};

class KmsgNode final : public Node {
  Result<Ref<io::File>> open(const Subject&, u32 flags) const override {
    TRY(proc::kernel_log::may_control(proc::current()));
    return Ref<io::File>(TRY(mem::make_ref<KmsgFile>(ALLOC_SITE, flags)));
  }

 public:
  constexpr KmsgNode() : Node("kmsg", vfs::mode::regular | 0400) {}
};
constexpr KmsgNode kmsg;

}  // namespace

constinit const Node* const kmsg_node = &kmsg;

}  // namespace auk::fs::procfs
