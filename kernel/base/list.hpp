// List<T, &T::node>: a hardened intrusive doubly linked list.
//
// Purpose: O(1) insertion and removal without allocation.
// Data model: the list does not own its elements; a node belongs to at most one list at a time.
// Both neighbours are checked on every insertion and removal, and a node must be unlinked when it
// dies: a corrupted or doubly used node is caught at the first operation on it.
// Locking: the owner's.
// Differences from Linux: LIST_HARDENED, always on; the element type is part of the list type.
#pragma once
#include "base/bug.hpp"
#include "base/types.hpp"

namespace auk {

class ListNode {
  ListNode* next_ = nullptr;
  ListNode* prev_ = nullptr;
  friend class ListBase;

 public:
  constexpr ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  constexpr ~ListNode() { ASSERT(next_ == nullptr); }
  constexpr bool is_linked() const { return next_ != nullptr; }
};

class ListBase {
 protected:
  // Lazily closed into a ring, so that an empty list is all zero bytes and needs no relocation.
  ListNode head_;

  void close() {
    if (head_.next_ == nullptr) head_.next_ = head_.prev_ = &head_;
  }
  static void insert_between(ListNode* n, ListNode* before, ListNode* after) {
    ASSERT(!n->is_linked());
    ASSERT(before->next_ == after && after->prev_ == before);
    n->next_ = after;
    n->prev_ = before;
    before->next_ = n;
    after->prev_ = n;
  }
  static void unlink(ListNode* n) {
    ASSERT(n->is_linked());
    ASSERT(n->next_->prev_ == n && n->prev_->next_ == n);
    n->next_->prev_ = n->prev_;
    n->prev_->next_ = n->next_;
    n->next_ = n->prev_ = nullptr;
  }
  static ListNode* next_of(const ListNode* n) { return n->next_; }
  static ListNode* prev_of(const ListNode* n) { return n->prev_; }

 public:
  constexpr ListBase() = default;
  ~ListBase() {
    ASSERT(empty());
    head_.next_ = head_.prev_ = nullptr;
  }
  bool empty() const { return head_.next_ == nullptr || head_.next_ == &head_; }
};

template <class T, ListNode T::* member> class List : public ListBase {
  static T* element(ListNode* n) {
    // The offset of a member through its pointer-to-member, on an address that is never read.
    const uptr base = 0x1000;
    const auto offset = reinterpret_cast<uptr>(&(reinterpret_cast<T*>(base)->*member)) - base;
    return reinterpret_cast<T*>(reinterpret_cast<uptr>(n) - offset);
  }

 public:
  constexpr List() = default;

  void push_back(T& t) {
    close();
    insert_between(&(t.*member), prev_of(&head_), &head_);
  }
  void push_front(T& t) {
    close();
    insert_between(&(t.*member), &head_, next_of(&head_));
  }
  /// Puts `t` right before `where`, which is in this list.
  void insert_before(T& where, T& t) {
    insert_between(&(t.*member), prev_of(&(where.*member)), &(where.*member));
  }
  static void remove(T& t) { unlink(&(t.*member)); }

  T* front() { return empty() ? nullptr : element(next_of(&head_)); }
  T* back() { return empty() ? nullptr : element(prev_of(&head_)); }
  T* pop_front() {
    T* t = front();
    if (t != nullptr) remove(*t);
    return t;
  }
  T* next(T& t) {
    ListNode* n = next_of(&(t.*member));
    return n == &head_ ? nullptr : element(n);
  }

  T* previous(T& t) {
    ListNode* n = prev_of(&(t.*member));
    return n == &head_ ? nullptr : element(n);
  }

  class iterator {
    ListNode* n_;

   public:
    explicit iterator(ListNode* n) : n_(n) {}
    T& operator*() const { return *element(n_); }
    T* operator->() const { return element(n_); }
    iterator& operator++() { return n_ = next_of(n_), *this; }
    bool operator==(const iterator&) const = default;
  };
  /// The element under the iterator must not be removed during the walk.
  iterator begin() { return close(), iterator(next_of(&head_)); }
  iterator end() { return iterator(&head_); }
};

}  // namespace auk
