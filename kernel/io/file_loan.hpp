// FileLoan: an open file for the length of a system call.
//
// Purpose: most programs have one thread, and then nobody can close a descriptor while a call uses
// it: the table's own reference is enough.
// Data model: a pointer whose lowest bit says that the loan has a reference of its own. Without it
// the loan lives on the table's, so it ends before the call does, and the call neither closes the
// descriptor that it has lent nor replaces the table. Context: threads.
// Differences from Linux: fdget() with its two ends in a type.
#pragma once
#include "io/file.hpp"

namespace auk::io {

class [[clang::trivial_abi]] FileLoan {
  static constexpr uptr counted = 1;
  uptr word_ = 0;
  /// Elsewhere, so that who has one stays short.
  static void give_back(File* f);
  friend struct auk::PointerNiche<FileLoan>;

 public:
  FileLoan() = default;
  /// The table keeps it.
  explicit FileLoan(File& f) : word_(reinterpret_cast<uptr>(&f)) {}
  explicit FileLoan(Ref<File> f) : word_(reinterpret_cast<uptr>(f.release()) | counted) {}
  FileLoan(FileLoan&& o) noexcept : word_(std::exchange(o.word_, 0)) {}
  FileLoan& operator=(FileLoan o) noexcept { return std::swap(word_, o.word_), *this; }
  ~FileLoan() {
    if ((word_ & counted) != 0) [[unlikely]]
      give_back(get());
  }
  File* get() const { return reinterpret_cast<File*>(word_ & ~counted); }
  File& operator*() const { return *get(); }
  File* operator->() const { return get(); }
  /// For who needs it longer.
  Ref<File> keep() const { return Ref<File>(*get()); }
};

}  // namespace auk::io

namespace auk {

template <> struct PointerNiche<io::FileLoan> {
  static constexpr bool exists = true;
  static uptr into(io::FileLoan l) { return std::exchange(l.word_, 0); }
  static io::FileLoan from(uptr w) {
    io::FileLoan l;
    l.word_ = w;
    return l;
  }
};

}  // namespace auk
