// cpio archives in the "newc" and "crc" formats, as they arrive.
//
// Purpose: the initial file system.
// Data model: each entry is a header of 110 characters, a name and the contents, name and contents
// padded to multiples of 4. Bytes come in pieces of any size; contents go to the visitor straight
// out of the piece, only headers and names that straddle two pieces are collected first. Archives
// follow each other; between entries, zeros are skipped. All state is in the parser: 5 KiB.
// Context: any; no locks, nothing is allocated. Visitors run on the caller's thread.
// Source: cpio(5) of FreeBSD for the formats; Linux's "initramfs buffer format" for what may follow
// what.
// Differences from Linux: entries with a damaged header or name are refused, not skipped; alignment
// counts from the entry's own header.
#pragma once
#include <array>
#include <span>
#include <string_view>

#include "codec/stream.hpp"

namespace auk::codec {

/// A file's header. Hard links to one file have the same `ino` and `dev`, and any of them (with
/// most archivers the last) has the contents; the numbers mean nothing in the next archive.
struct CpioEntry {
  u32 ino;
  u32 mode;  ///< type and permissions, as in stat(2)
  u32 uid;
  u32 gid;
  u32 nlink;
  u32 mtime;  ///< seconds since 1970
  u32 size;   ///< of the contents; for a symbolic link they are its target
  u32 dev_major;
  u32 dev_minor;
  u32 rdev_major;
  u32 rdev_minor;
  std::string_view name;  ///< 1 to 4095 bytes; gone after the call
};

/// Called for each entry: begin, data as often as it takes, end. A failure ends the parsing; the
/// parser passes the errno on.
class CpioVisitor {
 public:
  virtual Result<void> begin(const CpioEntry& entry) = 0;
  virtual Result<void> data(std::span<const byte> piece) = 0;
  virtual Result<void> end() = 0;
  /// The trailer: hard links that were waiting for contents will get none.
  virtual Result<void> archive_end() { return {}; }

 protected:
  constexpr CpioVisitor() = default;
  ~CpioVisitor() = default;
};

class CpioParser {
 public:
  static constexpr usize header_size = 110;
  static constexpr usize max_name = 4096;  ///< with the zero at its end

 private:
  enum class State : u8 { between, header, name, contents, padding };

  CpioVisitor& visitor_;
  State state_ = State::between;
  bool is_trailer_ = false;
  bool has_sum_ = false;
  u32 wanted_sum_ = 0;
  u32 sum_ = 0;
  usize name_size_ = 0;
  usize left_ = 0;     ///< of the contents or of the padding
  usize padding_ = 0;  ///< behind the contents
  usize collected_ = 0;
  CpioEntry entry_{};
  std::array<byte, max_name + 4> collection_;
  usize position_ = 0;
  Complaint complain_;

  std::span<const byte> collect(std::span<const byte> bytes, usize wanted, usize& used);
  Result<usize> on_header(std::span<const byte> bytes);
  Result<usize> on_name(std::span<const byte> bytes);
  Result<usize> on_contents(std::span<const byte> bytes);
  Result<usize> on_padding(std::span<const byte> bytes);
  Result<usize> step(std::span<const byte> bytes);
  Result<void> read_header(std::span<const byte> header);
  Result<void> begin_entry(std::span<const byte> name);
  Result<void> end_entry();

 public:
  /// `visitor` outlives the parser.
  explicit CpioParser(CpioVisitor& visitor) : visitor_(visitor) {}
  CpioParser(const CpioParser&) = delete;
  CpioParser& operator=(const CpioParser&) = delete;

  static bool recognises(std::span<const byte> bytes);
  /// How many zeros `bytes` begins with.
  static usize skip_zeros(std::span<const byte> bytes);

  /// Takes bytes up to the end of an archive, or all of them, and returns how many. A return short
  /// of `bytes` means: `between_entries`, and the first byte left is not zero. EINVAL for what is
  /// no archive, else the visitor's errno. After a failure, `reset` before the next call.
  Result<usize> feed_archive(std::span<const byte> bytes);
  /// All of `bytes`, in which archive may follow archive.
  Result<void> feed(std::span<const byte> bytes);

  /// The bytes may end here: even without a trailer or the last padding, which sloppy makers leave
  /// out.
  bool between_entries() const { return state_ == State::between || state_ == State::padding; }
  /// How far the last call got before it failed.
  usize position() const { return position_; }
  /// Forgets the entry begun: the next byte begins an archive.
  void reset() {
    state_ = State::between;
    collected_ = 0;
  }
  /// Why the last call failed.
  std::string_view message() const { return complain_.text(); }
};

}  // namespace auk::codec
