// sysfs: the tree of objects (dev/object.hpp) as files. See sysfs(5).
//
// Data model: an inode is an object, one of its attributes, or a link; nothing of the tree is kept
// here, so no directory caches its names. One superblock for all mounts; inode numbers and rights
// are the tree's. Locking: none of its own. Context: threads.
// Differences from Linux: extended attributes are absent.
#include <algorithm>

#include "core/init_graph.hpp"
#include "dev/object.hpp"
#include "vfs/mounting.hpp"
#include "vfs/operations.hpp"
#include "vfs/report.hpp"

namespace auk::fs::sysfs {
namespace {

using dev::Attribute;
using dev::Object;

class SysSuper final : public vfs::Superblock {
  void dispose() override { mem::destroy(this); }

 public:
  SysSuper() = default;
  ~SysSuper() = default;
  const i64 made_ns = core::real_ns();
  std::string_view type() const override { return "sysfs"; }
  vfs::FsInfo info() override {
    constexpr u64 sysfs_magic = 0x62656572;
    return {.magic = sysfs_magic};
  }
  bool is_internal() const override { return true; }
};

/// What an attribute says, and is told.
class AttributeFile final : public vfs::ReportFile {
  const Ref<Object> object_;
  const Attribute& attribute_;
  void dispose() override { destroy_late(this); }

  Result<bool> write_record(u64& key, mem::Text& out) override {
    if (std::exchange(key, 1) != 0) return false;
    if (object_->is_removed()) return Errno::enodev;
    TRY(attribute_.show(*object_, out));
    return true;
  }

 public:
  AttributeFile(u32 flags, Ref<Object> o, const Attribute& a)
      : ReportFile(flags),
        object_(std::move(o)),
        attribute_(a) {}
  ~AttributeFile() = default;
  Result<i64> seek(i64 offset, int whence) override {
    constexpr int from_start = 0, from_end = 2;
    if (whence != from_end) return ReportFile::seek(offset, whence);
    if (__builtin_add_overflow(offset, static_cast<i64>(attribute_.size()), &offset))
      return Errno::eoverflow;
    return ReportFile::seek(offset, from_start);
  }
  Result<usize> write(io::IoBuf& buf) override {
    const usize n = std::min<usize>(buf.left(), page_size);
    if (n == 0) return n;
    char* const memory = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, page_size)));
    Result<void> done;
    if (buf.get_text({memory, n}) != n)
      done = Errno::efault;
    else if (object_->is_removed())
      done = Errno::enodev;
    else
      done = attribute_.store(*object_, {memory, n});
    mem::free(memory);
    TRY(done);
    return n;
  }
  Result<usize> write_at(io::IoBuf& buf, u64) override { return write(buf); }
  bool can_splice_from() const override { return true; }
  bool can_splice_to() const override { return true; }
  bool can_poll() const override { return true; }
  io::PollEvents poll(io::PollTable*) override {
    using io::PollEvent;
    io::PollEvents e;
    return e | PollEvent::in | PollEvent::out | PollEvent::read_normal | PollEvent::write_normal;
  }
  Result<void> stat(io::FileStat& s) override { return vfs::stat_opened(*this, s); }
};

class SysInode final : public vfs::Inode {
  const dev::Found what_;
  mem::Text target_;
  void dispose() override { mem::destroy(this); }
  Object& object() const { return *what_.object; }

 public:
  SysInode(SysSuper& super, const dev::Found& what, u32 mode, const dev::Rights& r)
      : Inode(super, {.mode = mode, .uid = r.uid, .gid = r.gid, .number = what.number}),
        what_(what) {
    btime_ns = super.made_ns;
    for (Atomic<i64>* t : {&atime_ns, &mtime_ns, &ctime_ns}) t->store_relaxed(btime_ns);
  }
  ~SysInode() = default;
  /// `directory`: where the link stands.
  static Result<Ref<Inode>> make(SysSuper& super, const dev::Found& what, const Object& directory) {
    const dev::Rights r = what.object->rights_of(what);
    u32 kind = vfs::mode::directory;
    if (what.is_link)
      kind = vfs::mode::link;
    else if (what.attribute != nullptr)
      kind = vfs::mode::regular;
    Ref<SysInode> i = TRY(mem::make_ref<SysInode>(ALLOC_SITE, super, what, kind | r.mode, r));
    if (what.is_link) {
      put_relative_path(directory, *what.object, i->target_);
      if (i->target_.failed()) return Errno::enomem;
    }
    return Ref<Inode>(std::move(i));
  }

  void fill_stat(io::FileStat& s) const override {
    Inode::fill_stat(s);
    if (is_directory()) s.links = 2 + object().count_directories();
  }
  u64 size_without_pages() const override {
    return what_.attribute == nullptr ? 0 : what_.attribute->size();
  }
  Result<void> set_rights(u32 rights, u32 new_uid, u32 new_gid) override {
    TRY(object().set_rights(what_, {rights, new_uid, new_gid}));
    return Inode::set_rights(rights, new_uid, new_gid);
  }
  std::string_view target() const override { return target_.text(); }
  vfs::Cached cached_names() const override {
    return is_directory() ? vfs::Cached::none : vfs::Cached::all;
  }
  bool is_still(std::string_view name, Inode& entry) override {
    Result<dev::Found> now = object().find(name);
    return now.ok() && *now == static_cast<SysInode&>(entry).what_;
  }
  Result<Ref<Inode>> lookup(vfs::Dentry&, std::string_view name) override {
    const dev::Found what = TRY(object().find(name));
    return make(static_cast<SysSuper&>(super()), what, object());
  }
  Result<void> read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) override;
  Result<Ref<io::File>> open_special(const vfs::Path&, u32 flags) override {
    // Not even for those who may override rights.
    constexpr u32 for_reading = 0444, for_writing = 0222;
    const u32 access = flags & vfs::open_flag::access_mask, rights = mode.load_relaxed();
    if ((access != vfs::open_flag::write_only && (rights & for_reading) == 0) ||
        (access != 0 && (rights & for_writing) == 0))
      return Errno::eacces;
    return Ref<io::File>(
        TRY(mem::make_ref<AttributeFile>(ALLOC_SITE, flags, what_.object, *what_.attribute)));
  }
};

Result<void> SysInode::read_dir(vfs::Dentry& dir, u64& position, io::DirSink& sink) {
  constexpr u8 type_directory = 4, type_regular = 8, type_link = 10;
  constexpr u64 first_file = 2;
  // Places of entries begin behind those of all the files there can be.
  constexpr u64 files_end = u64{1} << 16;
  if (position == 0) {
    if (!sink.add(".", number(), type_directory, 1)) return {};
    position = 1;
  }
  if (position == 1) {
    if (!sink.add("..", dir.parent()->inode().number(), type_directory, 2)) return {};
    position = first_file;
  }
  for (; position < files_end; ++position) {
    const usize i = position - first_file;
    const Attribute* const a = object().attribute(i);
    if (a == nullptr) break;
    if (a->is_there(object()) && !sink.add(a->name(), object().number() + 1 + i, type_regular,
                                           static_cast<i64>(position + 1)))
      return {};
  }
  position = std::max(position, files_end);
  Object::Listed e;
  while (object().next_entry(position - files_end, e)) {
    const u64 next = files_end + e.place + 1;
    if (!sink.add({e.name.data(), e.size}, e.number, e.is_link ? type_link : type_directory,
                  static_cast<i64>(next)))
      return {};
    position = next;
  }
  return {};
}

class Sysfs final : public vfs::SingleFileSystem {
  Result<Ref<vfs::Superblock>> make() override {
    Object* const top = dev::root();
    if (top == nullptr) return Errno::enomem;
    Ref<SysSuper> super = TRY(mem::make_ref<SysSuper>(ALLOC_SITE));
    const dev::Found what{.object = Ref<Object>(*top), .number = top->number()};
    super->set_root(TRY(vfs::Dentry::create(TRY(SysInode::make(*super, what, *top)))));
    return Ref<vfs::Superblock>(std::move(super));
  }

 public:
  constexpr Sysfs() : SingleFileSystem("sysfs") {}
};
constinit Sysfs sysfs;

void setup() { vfs::register_file_system(sysfs); }
INIT_TASK(sysfs, "dev", "sysfs", setup);

}  // namespace
}  // namespace auk::fs::sysfs
