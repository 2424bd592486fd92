// mounts and mountinfo of a process.
#include "fs/procfs/process.hpp"

namespace auk::fs::procfs {
namespace {

using proc::Task;

class MountText : public ShortText {
 protected:
  using ShortText::ShortText;
  ~MountText() = default;
  virtual Result<void> write_seen(vfs::MountNamespace& space, const vfs::Path& root,
                                  mem::Text& out) const = 0;

 public:
  bool can_splice_from(const Subject&) const final { return true; }

 private:
  Result<void> write(const Subject& s, mem::Text& out) const final {
    const Ref<Task> t = TRY(thread_of(s));
    const vfs::Path root =
        TRY(t->inspect(&Task::fs, [](vfs::FsContext& f) { return Result<vfs::Path>(f.root()); }));
    const Ref<vfs::MountNamespace> space = TRY(t->mount_space());
    return write_seen(*space, root, out);
  }
};

class MountInfoNode final : public MountText {
  Result<void> write_seen(vfs::MountNamespace& space, const vfs::Path& root,
                          mem::Text& out) const override {
    return vfs::write_mountinfo(space, root, out);
  }

 public:
  constexpr MountInfoNode() : MountText("mountinfo", 0444) {}
};
class MountsNode final : public MountText {
  Result<void> write_seen(vfs::MountNamespace& space, const vfs::Path& root,
                          mem::Text& out) const override {
    return vfs::write_mounts(space, root, out);
  }

 public:
  constexpr MountsNode() : MountText("mounts", 0444) {}
};
constexpr MountInfoNode mountinfo;
constexpr MountsNode mounts;

}  // namespace

constinit const Node* const mountinfo_node = &mountinfo;
constinit const Node* const mounts_node = &mounts;

}  // namespace auk::fs::procfs
