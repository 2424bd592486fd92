// Messages of netlink: how they are taken apart and put together. Pure functions over bytes.
//
// Data model: a message is a header, a struct of its type, and attributes, each with its own size
// and type and aligned to four bytes; an attribute may be a nest of others. Attributes holds where
// those of one message stand, by type; the last of a type counts. What is wrong with a message, in
// words and by place, stands in an ExtendedAck.
// Locking: none. Context: any. Differences from Linux: an ExtendedAck does not show the rule that
// was broken (NLMSGERR_ATTR_POLICY).
#pragma once
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "base/math.hpp"
#include "base/result.hpp"
#include "generated/uapi/netlink.hpp"
#include "uapi/netlink.hpp"

namespace auk::net::netlink {

using Header = uapi::nlmsghdr;
using AttributeHeader = uapi::nlattr;
using Bytes = std::span<const byte>;

inline constexpr usize alignment = 4;
constexpr usize aligned(usize n) { return align_up(n, alignment); }
/// Of an attribute's type; the bits above say how it is written.
inline constexpr u16 type_bits = 0x3fff, nest_bit = 0x8000;

/// The start of `bytes` as a T, with zeros for what is missing.
template <class T> T load_from(Bytes bytes) {
  T v{};
  if (!bytes.empty()) std::memcpy(&v, bytes.data(), std::min(sizeof(T), bytes.size()));
  return v;
}

/// What a program is told of a request beside its errno.
struct ExtendedAck {
  std::string_view message;          ///< a constant
  std::optional<u32> bad_attribute;  ///< where it starts in the message

  Errno fail(Errno e, std::string_view why) {
    message = why;
    return e;
  }
};

/// A message and the bytes behind its header. Nothing: they end before it does.
struct Message {
  Header header;
  Bytes payload;
  usize step = 0;  ///< how far the next one is
};
std::optional<Message> first_message(Bytes bytes);

struct Attribute {
  u16 type = 0;
  Bytes value;
  u32 offset = 0;  ///< of its header in `bytes`
};
/// The attributes in `bytes`, one after the other.
class AttributeReader {
  Bytes bytes_;
  usize at_ = 0;

 public:
  explicit AttributeReader(Bytes bytes) : bytes_(bytes) {}
  /// Nothing at the end, and where an attribute is longer than the bytes that are left.
  std::optional<Attribute> next();
  /// Behind the last one.
  bool has_rest() const { return at_ < bytes_.size(); }
};

/// What an attribute must look like.
struct Rule {
  enum class Kind : u8 {
    any,     ///< at least so long
    binary,  ///< at most so long, if there is a limit
    number,  ///< at least so long
    text,    ///< at least one byte; at most so long without its zero
    text_with_zero,
    nest,
    rejected,
  };
  Kind kind = Kind::any;
  u16 size = 0;
  u32 least = 0, most = ~u32{0};  ///< of a number of four bytes
};

/// Unknown attributes and bytes behind the last one are mistakes.
enum class Strictness : u8 { liberal, strict };

/// ERANGE, EINVAL. `offset`: of `bytes` in the message.
Result<void> check_attribute(const Attribute& a, const Rule& rule, u32 offset, ExtendedAck& ack);

/// Where the attributes of one message stand.
template <usize count> class Attributes {
  struct Place {
    u32 start = 0;
    u16 size = 0;
    u16 is_there = 0;
  };
  Bytes bytes_;
  std::array<Place, count> places_{};

 public:
  using Rules = std::array<Rule, count>;

  /// ERANGE, EINVAL.
  Result<void> parse(Bytes bytes, u32 offset, const Rules& rules, Strictness how,
                     ExtendedAck& ack) {
    bytes_ = bytes;
    AttributeReader reader(bytes);
    while (const std::optional<Attribute> a = reader.next()) {
      if (a->type == 0 || a->type >= count) {
        if (how == Strictness::liberal) continue;
        ack.bad_attribute = offset + a->offset;
        return ack.fail(Errno::einval, "Unknown attribute type");
      }
      TRY(check_attribute(*a, rules[a->type], offset, ack));
      places_[a->type] = {.start = a->offset + u32{sizeof(AttributeHeader)},
                          .size = static_cast<u16>(a->value.size()),
                          .is_there = 1};
    }
    if (!reader.has_rest()) return {};
    ack.message = "bytes leftover after parsing attributes";
    return how == Strictness::liberal ? Result<void>() : Errno::einval;
  }
  bool has(usize type) const { return places_[type].is_there != 0; }
  Bytes value(usize type) const {
    return has(type) ? bytes_.subspan(places_[type].start, places_[type].size) : Bytes();
  }
  template <class T> T number(usize type) const { return load_from<T>(value(type)); }
  /// Up to its zero.
  std::string_view text(usize type) const {
    const Bytes v = value(type);
    const std::string_view all(reinterpret_cast<const char*>(v.data()), v.size());
    return all.substr(0, std::min(all.find('\0'), all.size()));
  }
};

/// Puts messages into memory. One that does not fit as a whole is not there at all.
class Builder {
  std::span<byte> room_;
  usize used_ = 0, start_ = 0;
  bool failed_ = false;

  std::span<byte> take(usize size);

 public:
  explicit Builder(std::span<byte> room) : room_(room) {}
  usize used() const { return used_; }
  usize left() const { return room_.size() - used_; }

  /// A message with the struct of its type.
  void begin(const Header& header, Bytes body);
  /// False: it did not fit.
  bool end();
  void put(u16 type, Bytes value);
  template <class T> void put_value(u16 type, const T& v) { put(type, object_bytes(v)); }
  /// With its zero.
  void put_text(u16 type, std::string_view text);
  /// Bytes that are no attribute.
  void append(Bytes bytes);
  /// Where the nest begins, for end_nest().
  usize begin_nest(u16 type);
  void end_nest(usize nest);
  /// Of the first message that is there.
  void add_flags_to_first(u16 flags);
  void add_flags(u16 flags);
};

}  // namespace auk::net::netlink
