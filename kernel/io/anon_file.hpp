// Files without a name: what eventfd(2) and its sisters return.
//
// Data model: each is an object of its own, but stat(2) shows the one inode that all of them share,
// as on Linux. Context: threads.
#pragma once
#include "io/file.hpp"

namespace auk::io {

class AnonFile : public File {
 public:
  using File::File;
  const FileKind* kind() const override = 0;
  bool can_poll() const override { return true; }
  /// There is a position, but nothing moves it.
  Result<i64> seek(i64 offset, int whence) override;
  Result<void> stat(FileStat& s) final;
  LockSpace* lock_space() final;

 protected:
  ~AnonFile() = default;
};

}  // namespace auk::io
