#include "init/initramfs.hpp"

#include <algorithm>

#include "base/math.hpp"
#include "codec/initramfs.hpp"
#include "core/log.hpp"
#include "core/panic.hpp"
#include "fs/tmpfs/tmpfs.hpp"
#include "ident/cred.hpp"
#include "mem/address.hpp"
#include "mem/pages.hpp"
#include "mem/vmalloc.hpp"
#include "vfs/device.hpp"
#include "vfs/mounting.hpp"
#include "vfs/operations.hpp"

namespace auk::init {
namespace {

/// Makes the files of the archives, as root and without an umask.
class Unpacker final : public codec::CpioVisitor {
  const vfs::Asker& who_;
  const vfs::Path root_;  ///< none: the working directory is the root
  Ref<io::File> file_;
  u64 offset_ = 0;
  codec::CpioEntry entry_{};
  struct Text {
    std::array<char, vfs::path_max> at;
    usize size = 0;
    std::string_view view() const { return {at.data(), size}; }
  };
  mem::Box<Text> name_, target_;
  /// Files with several names, until the archive ends.
  struct Linked {
    u32 ino, major, minor;
    vfs::Path path;
    Linked* next;
  };
  Linked* linked_ = nullptr;

  const vfs::Asker& who() const { return who_; }
  Result<vfs::Path> find(std::string_view name) { return vfs::find(who(), root_, name, {}); }
  Linked* find_linked() {
    for (Linked* l = linked_; l != nullptr; l = l->next)
      if (l->ino == entry_.ino && l->major == entry_.dev_major && l->minor == entry_.dev_minor)
        return l;
    return nullptr;
  }
  Result<void> remember(std::string_view name) {
    Linked* const l = ::new (TRY(mem::allocate(ALLOC_SITE, sizeof(Linked))))
        Linked{entry_.ino, entry_.dev_major, entry_.dev_minor, TRY(find(name)), linked_};
    linked_ = l;
    return {};
  }
  Result<void> set_attributes(std::string_view name);
  Result<void> make_file(std::string_view name);

 public:
  explicit Unpacker(const vfs::Asker& who) : who_(who) {}
  ~Unpacker() { forget(); }
  Result<void> prepare() {
    name_ = TRY(mem::Box<Text>::make(ALLOC_SITE));
    target_ = TRY(mem::Box<Text>::make(ALLOC_SITE));
    return {};
  }
  void forget() {
    while (Linked* const l = linked_) {
      linked_ = l->next;
      mem::destroy(l);
    }
  }
  Result<void> begin(const codec::CpioEntry& entry) override;
  Result<void> data(std::span<const byte> piece) override;
  Result<void> end() override;
  Result<void> archive_end() override {
    forget();
    return {};
  }
};

Result<void> Unpacker::set_attributes(std::string_view name) {
  const vfs::Path p = TRY(find(name));
  TRY(vfs::change_owner(who(), p, entry_.uid, entry_.gid));
  if (!p.inode().is_link()) TRY(vfs::change_mode(who(), p, entry_.mode));
  constexpr i64 second_ns = 1'000'000'000;
  const i64 t = i64{entry_.mtime} * second_ns;
  return vfs::change_times(who(), p, {.atime_ns = t, .mtime_ns = t});
}

Result<void> Unpacker::make_file(std::string_view name) {
  constexpr u32 flags =
      vfs::open_flag::create | vfs::open_flag::write_only | vfs::open_flag::no_follow;
  if (entry_.nlink > 1) {
    if (const Linked* const l = find_linked()) {
      (void)vfs::unlink(who(), root_, name);
      TRY(vfs::make_link(who(), l->path, root_, name));
      if (entry_.size == 0) return {};
      file_ = TRY(vfs::open(who(), root_, name, flags | vfs::open_flag::truncate, 0));
      return {};
    }
  }
  // What an earlier archive left under this name may be anything.
  (void)vfs::unlink(who(), root_, name);
  file_ = TRY(vfs::open(who(), root_, name, flags, entry_.mode & 07777));
  if (entry_.nlink > 1) TRY(remember(name));
  return {};
}

Result<void> Unpacker::begin(const codec::CpioEntry& entry) {
  entry_ = entry;
  offset_ = 0;
  name_->size = entry.name.copy(name_->at.data(), name_->at.size());
  target_->size = 0;
  const std::string_view name = name_->view();
  if (name == "." || name == "/") return {};
  switch (entry.mode & vfs::mode::type_mask) {
    case vfs::mode::directory: {
      const Result<void> r = vfs::make_directory(who(), root_, name, entry.mode & 07777);
      if (!r.ok() && r.error() != Errno::eexist) return r;
      break;
    }
    case vfs::mode::regular: return make_file(name);
    case vfs::mode::link: return {};
    default:
      (void)vfs::unlink(who(), root_, name);
      TRY(vfs::make_node(who(), root_, name, entry.mode,
                         dev::make_number(entry.rdev_major, entry.rdev_minor)));
  }
  return {};
}

Result<void> Unpacker::data(std::span<const byte> piece) {
  if ((entry_.mode & vfs::mode::type_mask) == vfs::mode::link) {
    if (target_->size + piece.size() > target_->at.size()) return Errno::enametoolong;
    std::copy(piece.begin(), piece.end(), target_->at.begin() + static_cast<isize>(target_->size));
    target_->size += piece.size();
    return {};
  }
  if (!file_) return {};
  io::IoBuf buf = io::IoBuf::source(piece);
  offset_ += TRY(file_->write_at(buf, offset_));
  return {};
}

Result<void> Unpacker::end() {
  file_ = {};
  const std::string_view name = name_->view();
  if (name == "." || name == "/") return {};
  if ((entry_.mode & vfs::mode::type_mask) == vfs::mode::link) {
    (void)vfs::unlink(who(), root_, name);
    TRY(vfs::make_symlink(who(), root_, name, target_->view()));
  }
  return set_attributes(name);
}

/// What the decoder of zstd looks back on, for as long as the unpacking takes.
class Windows final : public codec::WindowMemory {
  mem::KernelRange* range_ = nullptr;

 public:
  Windows() = default;
  ~Windows() {
    if (range_ != nullptr) mem::unmap(range_);
  }
  Windows(const Windows&) = delete;
  Windows& operator=(const Windows&) = delete;
  Result<std::span<byte>> window(usize size) override {
    if (range_ == nullptr || range_->size() < size) {
      if (range_ != nullptr) mem::unmap(std::exchange(range_, nullptr));
      range_ = TRY(mem::map_memory(ALLOC_SITE, (size + page_size - 1) / page_size));
    }
    return std::span(range_->as<byte>(), size);
  }
};

void unpack(std::span<const byte> image, Unpacker& unpacker) {
  Windows windows;
  Result<mem::Box<codec::Initramfs>> made =
      mem::Box<codec::Initramfs>::make(ALLOC_SITE, unpacker, windows);
  if (!made.ok()) return core::log_err("initramfs: out of memory");
  const mem::Box<codec::Initramfs> archive = made.take();
  core::log_info("Unpacking initramfs...");
  const Result<void> r = archive->unpack(image);
  if (r.ok()) return;
  if (archive->message().empty())
    core::log_err("Initramfs unpacking failed: {} at byte {}", r.error(), archive->offset());
  else
    core::log_err("Initramfs unpacking failed: {} at byte {}", archive->message(),
                  archive->offset());
}

Result<FirstRoot> build_root(const core::HandOver& h) {
  Ref<vfs::Mount> mount = TRY(fs::tmpfs::make_root());
  FirstRoot root;
  root.mounts = TRY(vfs::make_namespace(mount));
  const vfs::Path top(mount, Ref<vfs::Dentry>(mount->root()));
  root.fs = TRY(vfs::FsContext::create(top, top));
  const u32 mask = root.fs->set_umask(0);
  const Ref<ident::Cred> cred = TRY(ident::make_root_cred());
  const vfs::Asker who{*root.fs, *cred, root.mounts.get()};
  // As Linux's built-in archive has it.
  TRY(vfs::make_directory(who, {}, "dev", 0755));
  TRY(vfs::make_node(who, {}, "dev/console", vfs::mode::character | 0600, dev::make_number(5, 1)));
  TRY(vfs::make_directory(who, {}, "root", 0700));
  mem::Box<Unpacker> unpacker = TRY(mem::Box<Unpacker>::make(ALLOC_SITE, who));
  TRY(unpacker->prepare());
  if (!h.initrd.empty()) {
    unpack({mem::to_pointer<const byte>(h.initrd.start), h.initrd.size()}, *unpacker);
    // Its pages were kept whole.
    mem::give_back_boot_memory({PhysAddr(align_down(h.initrd.start.value, page_size)),
                                PhysAddr(align_up(h.initrd.end.value, page_size))});
  }
  (void)root.fs->set_umask(mask);
  return root;
}

}  // namespace

FirstRoot make_root(const core::HandOver& h) {
  Result<FirstRoot> root = build_root(h);
  if (!root.ok()) core::panic("Out of memory for the root file system");
  return root.take();
}

}  // namespace auk::init
