#include "vfs/inode_file.hpp"
#include "vfs/mounting.hpp"
#include "vfs/operations.hpp"

namespace auk::vfs {
namespace {

class TreeFile final : public io::File {
  const Ref<MountNamespace> tree_;
  PathOrigin top_;
  void dispose() override { destroy_late(this); }

 public:
  TreeFile(Path top, Ref<MountNamespace> tree)
      : File(open_flag::path),
        tree_(std::move(tree)),
        top_(std::move(top), false) {
    set_origin(&top_);
  }
  ~TreeFile() = default;
  Result<void> stat(io::FileStat& s) override { return stat_opened(*this, s); }
};

}  // namespace

Result<Ref<io::File>> open_detached(Path top, Ref<MountNamespace> tree) {
  return Ref<io::File>(TRY(mem::make_ref<TreeFile>(ALLOC_SITE, std::move(top), std::move(tree))));
}

}  // namespace auk::vfs
