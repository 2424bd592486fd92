#include "bus/acpi/sleep.hpp"

#include "bus/field.hpp"

namespace auk::bus::acpi {
namespace {

namespace aml {
constexpr byte zero = 0x00, one = 0x01, name = 0x08, byte_prefix = 0x0a, word_prefix = 0x0b,
               dword_prefix = 0x0c, qword_prefix = 0x0e, package = 0x12, root = 0x5c, ones = 0xff;
}

/// Takes an integer constant off the front of `s`.
std::optional<u64> take_integer(std::span<const byte>& s) {
  if (s.empty()) return std::nullopt;
  const byte op = s[0];
  usize size = 0;
  switch (op) {
    case aml::zero:
    case aml::one:
    case aml::ones: s = s.subspan(1); return op;
    case aml::byte_prefix: size = 1; break;
    case aml::word_prefix: size = 2; break;
    case aml::dword_prefix: size = 4; break;
    case aml::qword_prefix: size = 8; break;
    default: return std::nullopt;
  }
  if (s.size() < 1 + size) return std::nullopt;
  u64 v = 0;
  for (usize i = 0; i < size; ++i) v |= u64{s[1 + i]} << (8 * i);
  s = s.subspan(1 + size);
  return v;
}

/// The elements of a package whose PkgLength stands at the front: count byte included.
std::optional<std::span<const byte>> package_body(std::span<const byte> s) {
  if (s.empty()) return std::nullopt;
  // 20.2.4: the two high bits count the bytes that follow; with any, the first holds 4 bits only.
  const usize more = s[0] >> 6;
  if (s.size() < 1 + more) return std::nullopt;
  usize length = more == 0 ? s[0] & 0x3fU : s[0] & 0x0fU;
  for (usize i = 0; i < more; ++i) length |= usize{s[1 + i]} << (4 + 8 * i);
  // The length counts itself.
  if (length <= more + 1 || length > s.size()) return std::nullopt;
  return s.first(length).subspan(more + 1);
}

std::optional<SleepTypes> parse_package(std::span<const byte> s) {
  const auto body = package_body(s);
  if (!body) return std::nullopt;
  const u8 count = (*body)[0];
  auto elements = body->subspan(1);
  const auto a = take_integer(elements);
  if (count == 0 || !a) return std::nullopt;
  // One element holds both values, as Linux reads it: PM1a in the low byte, PM1b in the next.
  if (count == 1) return SleepTypes{static_cast<u8>(*a & 7), static_cast<u8>(*a >> 8 & 7)};
  const auto b = take_integer(elements);
  if (!b) return std::nullopt;
  return SleepTypes{static_cast<u8>(*a & 7), static_cast<u8>(*b & 7)};
}

}  // namespace

std::optional<SleepTypes> find_s5(std::span<const byte> bytes) {
  for (usize i = 0; i + 4 < bytes.size(); ++i) {
    if (!has_text(bytes, i, "_S5_") || bytes[i + 4] != aml::package) continue;
    const bool plain = i >= 1 && bytes[i - 1] == aml::name;
    const bool rooted = i >= 2 && bytes[i - 1] == aml::root && bytes[i - 2] == aml::name;
    if (!plain && !rooted) continue;
    if (const auto types = parse_package(bytes.subspan(i + 5))) return types;
  }
  return std::nullopt;
}

}  // namespace auk::bus::acpi
