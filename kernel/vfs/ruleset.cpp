#include "vfs/ruleset.hpp"

#include "io/anon_file.hpp"
#include "sched/deaths.hpp"
#include "vfs/landlock.hpp"

namespace auk::vfs {

/// It lets go of files, which may sleep.
void RuleTable::dispose() {
  static constinit sched::Deaths<RuleTable, &RuleTable::next_dead_> deaths("landlock");
  deaths.add(*this);
}

RuleTable::~RuleTable() {
  rules_.clear_and_dispose([](Rule* r) { mem::destroy(r); });
}

Result<Ref<RuleTable>> RuleTable::copy() const {
  Ref<RuleTable> twin = TRY(create());
  for (const Rule& r : rules_) {
    mem::Box<Rule> fresh = TRY(mem::Box<Rule>::make(ALLOC_SITE, r.anchor, r.access));
    twin->rules_.push_back(*fresh.release());
  }
  return twin;
}

Result<void> RuleTable::add(const Ref<Anchor>& anchor, u32 access) {
  if (const auto at = rules_.find(anchor.get(), ByAnchor()); at != rules_.end()) {
    at->access |= access;
    return {};
  }
  mem::Box<Rule> fresh = TRY(mem::Box<Rule>::make(ALLOC_SITE, anchor, access));
  (void)rules_.insert_unique(*fresh.release());
  return {};
}

Result<void> Ruleset::add(const Path& at, u32 access) {
  if (!at.inode().is_directory() && (access & ~landlock::file_rights) != 0) return Errno::einval;
  // Let go of without the lock, if it comes to nothing.
  const Ref<Anchor> anchor = TRY(Anchor::of(*at.dentry));
  auto rules = rules_.lock();
  if ((*rules)->ref_count() > 1) *rules = TRY((*rules)->copy());
  return (*rules)->add(anchor, access);
}

Result<Ref<ident::Domain>> Ruleset::domain_on(Ref<ident::Domain> below) {
  Ref<RuleTable> shared;
  {
    auto rules = rules_.lock();
    shared = *rules;
  }
  return ident::Domain::create(std::move(below), handled, std::move(shared));
}

namespace {

constexpr io::FileKind kind_of_ruleset{"[landlock-ruleset]"};

class RulesetFile final : public io::AnonFile {
  void dispose() override { destroy_late(this); }

 public:
  Ruleset ruleset;

  RulesetFile(u32 flags, ident::Domain::Handled h, u32 ports, Ref<RuleTable> empty)
      : AnonFile(flags),
        ruleset(h, ports, std::move(empty)) {}
  ~RulesetFile() = default;
  const io::FileKind* kind() const override { return &kind_of_ruleset; }
  bool can_poll() const override { return false; }
  Result<i64> seek(i64, int) override { return Errno::espipe; }
};

}  // namespace

Result<Ref<io::File>> make_ruleset(ident::Domain::Handled h, u32 ports) {
  constexpr u32 read_write = 2;
  Ref<RuleTable> empty = TRY(RuleTable::create());
  return Ref<io::File>(
      TRY(mem::make_ref<RulesetFile>(ALLOC_SITE, read_write, h, ports, std::move(empty))));
}

Ruleset* ruleset_behind(io::File& f) {
  return f.kind() == &kind_of_ruleset ? &static_cast<RulesetFile&>(f).ruleset : nullptr;
}

}  // namespace auk::vfs
