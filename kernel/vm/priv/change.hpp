// What every change of an address space has in common. Private to vm.
#pragma once
#include "vm/space.hpp"

namespace auk::vm {

/// One change: begins with the space's lock held for writing and ends before it goes. Areas that
/// left are freed by drop(), when the lock is free.
class AddressSpace::Change {
  AreaRounds& rounds_;
  Vma*& dead_;

 public:
  Change(AddressSpace& s, Vma*& dead) : rounds_(s.rounds_), dead_(dead) {}
  ~Change() { rounds_.end(); }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  void own(Vma& v) { v.lock.own(rounds_); }
  /// It has left the tree.
  void bury(Vma& v) {
    v.lock.leave();
    v.above = dead_;
    dead_ = &v;
  }
};

/// Areas that left a space; their objects and files are let go when no lock is held.
class DeadAreas {
 public:
  Vma* first = nullptr;
  DeadAreas() = default;
  ~DeadAreas() {
    while (Vma* const v = first) {
      first = static_cast<Vma*>(v->above);
      v->above = nullptr;
      v->object = {};
      v->backing = {};
      v->watch = {};
      core::rcu_call(*v);
    }
  }
  DeadAreas(const DeadAreas&) = delete;
  DeadAreas& operator=(const DeadAreas&) = delete;
};

/// Pages that were taken out of page tables and wait for the flush.
class AddressSpace::Gather {
  static constexpr usize capacity = 64;
  mem::TranslationRoot& root_;
  std::array<mem::Folio*, capacity> folios_{};
  usize count_ = 0;
  UserAddr start_{~u64{0}}, end_{0};

 public:
  explicit Gather(mem::TranslationRoot& r) : root_(r) {}
  ~Gather() { flush(); }
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;
  void note(UserAddr page) {
    start_ = std::min(start_, page);
    end_ = std::max(end_, page + page_size);
  }
  bool is_full() const { return count_ == capacity; }
  /// Not when it is full.
  void drop(mem::Folio* f) { folios_[count_++] = f; }
  /// No lock of a page table is held.
  void flush() {
    if (start_ < end_) root_.flush(start_, end_);
    start_ = UserAddr(~u64{0});
    end_ = UserAddr(0);
    mem::Folio::drop(std::span(folios_).first(count_));
    count_ = 0;
  }
};

}  // namespace auk::vm
