// A file system that is being set up: parameter by parameter, as fsopen(2) and fspick(2) have it,
// or at one go by mount(2).
//
// Data model: FsSetup -> the kind of file system, its source and parameters; then the file system
// that was made of them. A descriptor of one is a SetupFile, which reads what went wrong in words.
// Locking: level fs_setup for one behind a descriptor; else the owner's. Context: threads.
// Differences from Linux: none of our file systems takes paths, descriptors or bytes as values.
#pragma once
#include "vfs/mounting.hpp"

namespace auk::vfs {

/// Lines for people about what went wrong; a new one pushes the oldest out when nobody reads them.
class SetupLog {
  static constexpr u32 most = 8;
  std::array<mem::Text, most> lines_;
  u32 first_ = 0, count_ = 0;

 public:
  /// The next line, empty, to be written to.
  mem::Text& add();
  /// read(2) of the oldest line, whole. ENODATA, EMSGSIZE, EFAULT.
  Result<usize> take(io::IoBuf& buf);
};

class FsSetup {
  enum class Phase : u8 {
    parameters,  ///< of a new file system
    made,        ///< to be mounted
    settled,     ///< mounted, or set up anew: ready for new parameters
    changes,     ///< parameters for a file system that is there
    failed,
  };
  FileSystem* const kind_;  ///< null: one that is there already
  Phase phase_;
  Ref<Superblock> super_;
  mem::Text source_;
  bool has_source_ = false;
  Parameters parameters_;
  std::optional<bool> read_only_;
  SetupLog log_;

  std::string_view name() const { return kind_ != nullptr ? kind_->name() : super_->type(); }
  Taken check(const Parameter& p) const {
    return kind_ != nullptr ? kind_->check(p) : super_->check(p);
  }
  enum class Way : u8 { mount_call, descriptor };
  Result<void> take_parameter(const Parameter& p, Way way);
  Result<void> take_source(const Parameter& p);
  Result<void> refuse(std::string_view words, std::string_view about);
  void begin_anew();

 public:
  explicit FsSetup(FileSystem& kind) : kind_(&kind), phase_(Phase::parameters) {}
  explicit FsSetup(Ref<Superblock> super)
      : kind_(nullptr),
        phase_(Phase::changes),
        super_(std::move(super)) {}
  FsSetup(const FsSetup&) = delete;
  FsSetup& operator=(const FsSetup&) = delete;
  ~FsSetup() = default;

  SetupLog& log() { return log_; }
  void set_read_only(bool r) { read_only_ = r; }
  /// "source" is one of them. EINVAL, with words in the log; EBUSY: not now; ENOMEM.
  Result<void> set(const Parameter& p);
  /// A value that is no text: nothing takes one. EINVAL, EBUSY.
  Result<void> set_other(std::string_view name);
  /// The options of mount(2). EINVAL, ENOMEM.
  Result<void> set_all(std::string_view options);
  /// Makes the file system. `alone`: EBUSY if it was there already. What FileSystem::open() fails
  /// with; EBUSY: not now.
  Result<void> create(const Asker& who, bool alone);
  /// Changes the file system. EBUSY: not now, or somebody writes; EPERM: `who` has given that up;
  /// EINVAL.
  Result<void> apply(const Asker& who);
  /// A mount of what was made, in no tree yet. EINVAL: nothing was; EBUSY: it was mounted already;
  /// ENOMEM.
  Result<Ref<Mount>> mount(u32 flags);
};

/// Descriptors: ENOMEM.
Result<Ref<io::File>> open_setup(FileSystem& kind);
Result<Ref<io::File>> open_setup(Ref<Superblock> super);
using LockedSetup = core::Guarded<core::level::fs_setup, FsSetup, sched::SleepLock>;
/// What is behind such a descriptor; null for other files.
LockedSetup* setup_behind(io::File& f);

}  // namespace auk::vfs
