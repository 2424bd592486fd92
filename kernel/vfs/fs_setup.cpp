#include "vfs/fs_setup.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "io/anon_file.hpp"
#include "vfs/landlock.hpp"
#include "vfs/mount_options.hpp"

namespace auk::vfs {

mem::Text& SetupLog::add() {
  mem::Text& line = lines_[(first_ + count_) % most];
  if (count_ == most)
    first_ = (first_ + 1) % most;
  else
    ++count_;
  line.clear();
  return line;
}

Result<usize> SetupLog::take(io::IoBuf& buf) {
  if (count_ == 0) return Errno::enodata;
  const std::string_view line = lines_[first_].text();
  if (line.size() > buf.left()) return Errno::emsgsize;
  first_ = (first_ + 1) % most;
  --count_;
  if (buf.put(text_bytes(line)) != line.size()) return Errno::efault;
  return line.size();
}

namespace {

/// What a mount flag is called as a parameter, and whether it is one of ours. The others say how
/// soon bytes and times reach a disk, which no file system here has to know.
struct CommonFlag {
  std::string_view name;
  std::optional<bool> read_only;
};
constexpr std::array common_flags{
    CommonFlag{"ro", true},  CommonFlag{"rw", false},   CommonFlag{"sync", {}},
    CommonFlag{"async", {}}, CommonFlag{"dirsync", {}}, CommonFlag{"lazytime", {}},
    CommonFlag{"mand", {}},  CommonFlag{"nomand", {}},  CommonFlag{"nolazytime", {}},
};

}  // namespace

Result<void> FsSetup::refuse(std::string_view words, std::string_view about) {
  log_.add().print("e {}: {} '{}'\n", name(), words, about);
  return Errno::einval;
}

Result<void> FsSetup::take_source(const Parameter& p) {
  if (!p.has_value || has_source_) {
    log_.add().put(has_source_ ? "e Multiple sources\n" : "e Non-string source\n");
    return Errno::einval;
  }
  source_.put(p.value);
  if (source_.failed()) {
    source_.clear();
    return Errno::enomem;
  }
  has_source_ = true;
  return {};
}

Result<void> FsSetup::take_parameter(const Parameter& p, Way way) {
  const auto flag = std::find_if(common_flags.begin(), common_flags.end(),
                                 [&](const CommonFlag& f) { return f.name == p.name; });
  if (flag != common_flags.end()) {
    if (flag->read_only) read_only_ = flag->read_only;
    return {};
  }
  if (p.name == "source") return take_source(p);
  switch (check(p)) {
    case Taken::yes: return parameters_.add(p);
    case Taken::ignored: return {};
    case Taken::unchanged:
      if (way == Way::mount_call) return {};
      log_.add().print("e {}: No changes allowed in reconfigure\n", name());
      return Errno::einval;
    case Taken::unknown: return refuse("Unknown parameter", p.name);
    case Taken::bad_value: break;
  }
  const bool has_one_too_many =
      p.has_value && check({.name = p.name, .value = {}, .has_value = false}) == Taken::yes;
  return refuse(has_one_too_many ? "Unexpected value for" : "Bad value for", p.name);
}

void FsSetup::begin_anew() {
  if (phase_ != Phase::settled) return;
  phase_ = Phase::changes;
  parameters_.clear();
  source_.clear();
  has_source_ = false;
  read_only_ = {};
}

Result<void> FsSetup::set(const Parameter& p) {
  begin_anew();
  if (phase_ != Phase::parameters && phase_ != Phase::changes) return Errno::ebusy;
  return take_parameter(p, Way::descriptor);
}

Result<void> FsSetup::set_other(std::string_view name) {
  begin_anew();
  if (phase_ != Phase::parameters && phase_ != Phase::changes) return Errno::ebusy;
  if (name == "source") return take_source({.name = name, .value = {}, .has_value = false});
  const bool is_unknown = check({.name = name, .value = {}}) == Taken::unknown;
  return refuse(is_unknown ? "Unknown parameter" : "Bad value for", name);
}

Result<void> FsSetup::set_all(std::string_view options) {
  return each_option(options,
                     [&](const Parameter& p) { return take_parameter(p, Way::mount_call); });
}

Result<void> FsSetup::create(const Asker& who, bool alone) {
  begin_anew();
  if (phase_ != Phase::parameters) return Errno::ebusy;
  phase_ = Phase::failed;
  if (alone && kind_->is_shared()) return Errno::ebusy;
  Ref<Superblock> super = TRY(kind_->open(who, source_.text(), parameters_));
  // One that is shared stays as it is for the others.
  if (read_only_.value_or(false) && !kind_->is_shared()) super->set_read_only(true);
  super_ = std::move(super);
  phase_ = Phase::made;
  return {};
}

Result<void> FsSetup::apply(const Asker& who) {
  begin_anew();
  if (phase_ != Phase::changes) return Errno::ebusy;
  phase_ = Phase::failed;
  TRY(landlock::may_change_mounts(who.cred));
  const auto one_by_one = super_->setup_lock.lock();
  const bool was_read_only = super_->is_read_only();
  // First what may be refused for others' sake.
  if (read_only_) TRY(set_super_read_only(*super_, *read_only_));
  if (const Result<void> r = super_->reconfigure(parameters_); !r.ok()) {
    if (read_only_) (void)set_super_read_only(*super_, was_read_only);
    return r.error();
  }
  phase_ = Phase::settled;
  return {};
}

Result<Ref<Mount>> FsSetup::mount(u32 flags) {
  if (!super_) return Errno::einval;
  if (phase_ != Phase::made) return Errno::ebusy;
  Ref<Dentry> root(super_->root());
  Ref<Mount> m = TRY(Mount::create(super_, std::move(root), source_.text(), flags));
  phase_ = Phase::settled;
  return m;
}

namespace {

constexpr io::FileKind kind_of_setup{"[fscontext]"};

class SetupFile final : public io::AnonFile {
  void dispose() override { destroy_late(this); }

 public:
  LockedSetup setup;

  template <class T> SetupFile(u32 flags, T&& of) : AnonFile(flags), setup(std::forward<T>(of)) {}
  ~SetupFile() = default;
  const io::FileKind* kind() const override { return &kind_of_setup; }
  bool can_poll() const override { return false; }
  Result<usize> read(io::IoBuf& buf) override { return setup.lock()->log().take(buf); }
};

template <class T> Result<Ref<io::File>> make_file(T&& of) {
  constexpr u32 read_write = 2;
  return Ref<io::File>(TRY(mem::make_ref<SetupFile>(ALLOC_SITE, read_write, std::forward<T>(of))));
}

}  // namespace

Result<Ref<io::File>> open_setup(FileSystem& kind) { return make_file(kind); }
Result<Ref<io::File>> open_setup(Ref<Superblock> super) { return make_file(std::move(super)); }

LockedSetup* setup_behind(io::File& f) {
  return f.kind() == &kind_of_setup ? &static_cast<SetupFile&>(f).setup : nullptr;
}

}  // namespace auk::vfs
