// Rulesets: rules as a program collects them, before a thread restricts itself by them. See
// landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2).
//
// Data model: RulesetFile -> Ruleset: the rights that it speaks of, and a RuleTable (counted): a
// tree of rules by the Anchor of their file. A Domain that is made of a ruleset shares its table,
// which never changes from then on: the ruleset takes a copy first when it gets another rule.
// Locking: level ruleset for the table of a ruleset; domains read theirs without a lock. The end of
// a table, which lets go of files, comes in a work of its own. Context: threads.
#pragma once
#include "base/tree.hpp"
#include "ident/domain.hpp"
#include "sched/lock.hpp"
#include "vfs/lookup.hpp"

namespace auk::vfs {

class RuleTable final : public ident::DomainRules {
  struct Rule {
    TreeHook hook;
    Ref<Anchor> anchor;
    u32 access;
    Rule(Ref<Anchor> a, u32 rights) : anchor(std::move(a)), access(rights) {}
  };
  struct ByAnchor {
    bool operator()(const Rule& a, const Rule& b) const { return a.anchor.get() < b.anchor.get(); }
    bool operator()(const Anchor* a, const Rule& b) const { return a < b.anchor.get(); }
    bool operator()(const Rule& a, const Anchor* b) const { return a.anchor.get() < b; }
  };
  Tree<Rule, &Rule::hook, ByAnchor> rules_;
  RuleTable* next_dead_ = nullptr;
  void dispose() override;

 public:
  RuleTable() = default;
  /// In a thread that holds no lock.
  ~RuleTable();
  /// ENOMEM.
  static Result<Ref<RuleTable>> create() { return mem::make_ref<RuleTable>(ALLOC_SITE); }
  Result<Ref<RuleTable>> copy() const;
  /// More rights to a file, beside those it gives already. ENOMEM.
  Result<void> add(const Ref<Anchor>& anchor, u32 access);
  /// Those that it gives; 0: there is no rule.
  u32 access_to(const Anchor* anchor) const {
    const auto at = rules_.find(anchor, ByAnchor());
    return at == rules_.end() ? 0 : at->access;
  }
};

class Ruleset {
  core::Guarded<core::level::ruleset, Ref<RuleTable>, sched::SleepLock> rules_;

 public:
  const ident::Domain::Handled handled;
  /// Of TCP's ports. Nothing here has any.
  const u32 handled_ports;

  Ruleset(ident::Domain::Handled h, u32 ports, Ref<RuleTable> empty)
      : rules_(std::move(empty)),
        handled(h),
        handled_ports(ports) {}
  ~Ruleset() = default;
  /// Rights to a file and, for a directory, to all below it. EINVAL: rights of directories to what
  /// is none; ENOMEM.
  Result<void> add(const Path& at, u32 access);
  /// The domain of who is in `below`, if in any, and restricts himself further. E2BIG: by too many;
  /// ENOMEM.
  Result<Ref<ident::Domain>> domain_on(Ref<ident::Domain> below);
};

/// ENOMEM.
Result<Ref<io::File>> make_ruleset(ident::Domain::Handled h, u32 ports);
/// Null for files that are none.
Ruleset* ruleset_behind(io::File& f);

}  // namespace auk::vfs
