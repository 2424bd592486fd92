// The initial RAM disk: archives, plain or compressed, one after the other.
//
// Purpose: boot loaders simply append what they want to add.
// Data model: any mixture of cpio archives, gzip members and zstd frames, with zeros between them.
// An archive may go on in the next compressed piece, as parallel compressors write it. All state is
// in the Initramfs: about 100 KiB, to be put on the heap, beside the windows that zstd frames ask
// for. Context: any; no locks, nothing is allocated. The visitor runs on the caller's thread.
// Source: Linux's "initramfs buffer format".
// Differences from Linux: an archive that ends in the middle of a file is an error, wherever it
// stands; plain archives need not begin at a multiple of 4.
#pragma once
#include "codec/cpio.hpp"
#include "codec/gzip.hpp"
#include "codec/zstd.hpp"

namespace auk::codec {

class Initramfs final : ByteSink {
  Gunzip gunzip_;
  Unzstd unzstd_;
  CpioParser parser_;
  Complaint complain_;
  usize offset_ = 0;

  Result<void> write(std::span<const byte> piece) override;
  Result<usize> part(std::span<const byte> rest);
  Result<usize> archive(std::span<const byte> rest);
  Result<usize> compressed(std::span<const byte> rest);
  template <class Decoder> Result<usize> finish(Decoder& decoder, Result<usize> used);

 public:
  /// `visitor` and `memory` outlive the Initramfs.
  Initramfs(CpioVisitor& visitor, WindowMemory& memory) : unzstd_(memory), parser_(visitor) {}
  Initramfs(const Initramfs&) = delete;
  Initramfs& operator=(const Initramfs&) = delete;

  /// Shows all archives in `image` to the visitor. EINVAL for damage, EOPNOTSUPP for a compression
  /// that is known but not to us, else the errno of visitor or memory; the visitor has seen what
  /// precedes.
  Result<void> unpack(std::span<const byte> image);

  /// About the last `unpack`: why it failed (empty when visitor or memory did) and the offset in
  /// the image up to which it had read.
  std::string_view message() const { return complain_.text(); }
  usize offset() const { return offset_; }
};

}  // namespace auk::codec
