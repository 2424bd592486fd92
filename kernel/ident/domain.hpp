// Domains: what threads have given up for themselves and all they make. See landlock(7).
//
// Data model: a Cred points to its Domain (counted), or to none. A Domain is one layer: the rights
// that its ruleset speaks of, the rules, and the Domain that was there before; nothing in it ever
// changes. So a new layer costs nothing for those below, which it shares, and a Domain is in
// another one if that is among its ancestors. What a layer says of files stands on a higher floor:
// here it is only carried along.
// Locking: none. Context: any; the end of rules comes later, in a thread.
// Differences from Linux: a layer is not merged with those below it: what to restrict a thread
// costs does not depend on what it is restricted by already, and threads that take the same ruleset
// share its rules.
#pragma once
#include "base/own.hpp"
#include "base/result.hpp"

namespace auk::ident {

/// What a layer says of objects of a higher floor. Never changes while a Domain has it.
class DomainRules : public RefCounted<DomainRules> {
 public:
  static void destroy(DomainRules* r) { r->dispose(); }

 protected:
  DomainRules() = default;
  ~DomainRules() = default;
  /// Any context, with any lock held.
  virtual void dispose() = 0;
};

class Domain final : public RefCounted<Domain> {
 public:
  static constexpr u32 most_layers = 16;
  /// What a ruleset speaks of; the bits are the ABI's.
  struct Handled {
    u32 files = 0;   ///< rights to files that nobody has without a rule
    u32 scopes = 0;  ///< of what nothing outside is reached
  };

  const Ref<Domain> parent;
  const u32 layer;  ///< from 0 on
  const Handled own;
  const Handled all;  ///< in the layers below, too
  const Ref<DomainRules> rules;

  Domain(Ref<Domain> below, Handled h, Ref<DomainRules> r)
      : parent(std::move(below)),
        layer(parent ? parent->layer + 1 : 0),
        own(h),
        all(parent ? Handled{h.files | parent->all.files, h.scopes | parent->all.scopes} : h),
        rules(std::move(r)) {}
  /// One more layer. E2BIG, ENOMEM.
  static Result<Ref<Domain>> create(Ref<Domain> below, Handled h, Ref<DomainRules> r);
  static void destroy(Domain* d);

  /// It is that one, or a layer on top of it.
  bool is_in(const Domain& other) const {
    const Domain* at = this;
    while (at->layer > other.layer) at = at->parent.get();
    return at == &other;
  }
  /// Whoever is in it has given up to reach who is in another one, or in none.
  bool keeps_from(const Domain* other, u32 scope) const {
    if ((all.scopes & scope) == 0) return false;
    // The innermost layer that has the scope decides.
    const Domain* at = this;
    while ((at->own.scopes & scope) == 0) at = at->parent.get();
    return other == nullptr || !other->is_in(*at);
  }
};

}  // namespace auk::ident
