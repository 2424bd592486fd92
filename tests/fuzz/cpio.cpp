// cpio archives: what the visitor sees does not depend on how the bytes are cut.
#include "codec/cpio.hpp"

#include <string>

#include "codec.hpp"

using namespace auk;

namespace {

/// Writes down every call; pieces of contents that follow each other are one.
class Diary final : public codec::CpioVisitor {
  u64 expected_ = 0;
  bool open_ = false;

 public:
  std::string text;

  Result<void> begin(const codec::CpioEntry& e) override {
    if (open_ || e.name.empty() || e.name.size() > 4095) __builtin_trap();
    open_ = true;
    expected_ = e.size;
    text += '<';
    text += e.name;
    text += '|';
    text += std::to_string(e.mode);
    return {};
  }
  Result<void> data(std::span<const byte> piece) override {
    if (!open_ || piece.empty() || piece.size() > expected_) __builtin_trap();
    expected_ -= piece.size();
    text.append(piece.begin(), piece.end());
    return {};
  }
  Result<void> end() override {
    if (!open_ || expected_ != 0) __builtin_trap();
    open_ = false;
    text += '>';
    return {};
  }
  Result<void> archive_end() override {
    if (open_) __builtin_trap();
    text += '.';
    return {};
  }
};

struct Outcome {
  std::string diary;
  bool ok = true;
  bool between = false;
  bool operator==(const Outcome&) const = default;
};

Outcome parse(std::span<const byte> bytes, usize step) {
  Diary diary;
  codec::CpioParser parser(diary);
  Outcome o;
  while (!bytes.empty() && o.ok) {
    const fuzz::Exact piece(bytes.first(std::min(step, bytes.size())));
    bytes = bytes.subspan(piece.span().size());
    const auto result = parser.feed(piece.span());
    o.ok = result.ok();
    if (!o.ok && (parser.message().empty() || parser.position() > piece.span().size()))
      __builtin_trap();
  }
  o.between = parser.between_entries();
  o.diary = std::move(diary.text);
  return o;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  if (size == 0) return 0;
  const auto bytes = std::span(data, size).subspan(1);
  const Outcome whole = parse(bytes, size);
  const Outcome pieces = parse(bytes, data[0] % 128U + 1U);
  // What went before a failure may be seen in smaller parts, not in other words.
  if (whole.ok != pieces.ok || (whole.ok && whole != pieces)) __builtin_trap();
  return 0;
}
