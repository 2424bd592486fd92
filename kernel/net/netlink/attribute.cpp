#include "net/netlink/attribute.hpp"

#include <algorithm>

namespace auk::net::netlink {

std::optional<Message> first_message(Bytes bytes) {
  if (bytes.size() < sizeof(Header)) return std::nullopt;
  const auto h = load_from<Header>(bytes);
  if (h.nlmsg_len < sizeof(Header) || h.nlmsg_len > bytes.size()) return std::nullopt;
  return Message{.header = h,
                 .payload = bytes.subspan(sizeof(Header), h.nlmsg_len - sizeof(Header)),
                 .step = std::min(aligned(h.nlmsg_len), bytes.size())};
}

std::optional<Attribute> AttributeReader::next() {
  const Bytes rest = bytes_.subspan(at_);
  if (rest.size() < sizeof(AttributeHeader)) return std::nullopt;
  const auto h = load_from<AttributeHeader>(rest);
  if (h.nla_len < sizeof(AttributeHeader) || h.nla_len > rest.size()) return std::nullopt;
  const Attribute a{.type = static_cast<u16>(h.nla_type & type_bits),
                    .value = rest.subspan(sizeof(h), h.nla_len - sizeof(h)),
                    .offset = static_cast<u32>(at_)};
  at_ += std::min(aligned(h.nla_len), rest.size());
  return a;
}

namespace {

/// Empty: it is well.
std::string_view number_problem(const Attribute& a, const Rule& rule) {
  if (rule.size != sizeof(u32) || (rule.least == 0 && rule.most == ~u32{0})) return {};
  const auto n = load_from<u32>(a.value);
  return n < rule.least || n > rule.most ? "integer out of range" : std::string_view();
}

bool has_zero(Bytes value) { return std::ranges::find(value, byte{0}) != value.end(); }

Errno text_error(const Attribute& a, const Rule& rule) {
  if (rule.kind == Rule::Kind::text_with_zero && !has_zero(a.value)) return Errno::einval;
  if (a.value.empty()) return Errno::erange;
  const usize length = a.value.size() - (a.value.back() == byte{0} ? 1 : 0);
  return rule.size != 0 && length > rule.size ? Errno::erange : Errno{};
}

Errno error_of(const Attribute& a, const Rule& rule) {
  const usize size = a.value.size();
  switch (rule.kind) {
    case Rule::Kind::any:
    case Rule::Kind::number: return size < rule.size ? Errno::erange : Errno{};
    case Rule::Kind::binary: return rule.size != 0 && size > rule.size ? Errno::erange : Errno{};
    case Rule::Kind::text:
    case Rule::Kind::text_with_zero: return text_error(a, rule);
    case Rule::Kind::nest:
      return size != 0 && size < sizeof(AttributeHeader) ? Errno::erange : Errno{};
    case Rule::Kind::rejected: break;
  }
  return Errno::einval;
}

}  // namespace

Result<void> check_attribute(const Attribute& a, const Rule& rule, u32 offset, ExtendedAck& ack) {
  const Errno error = error_of(a, rule);
  const std::string_view problem = error != Errno{} ? "Attribute failed policy validation"
                                   : rule.kind == Rule::Kind::number ? number_problem(a, rule)
                                                                     : std::string_view();
  if (problem.empty()) return {};
  ack.bad_attribute = offset + a.offset;
  return ack.fail(error != Errno{} ? error : Errno::erange, problem);
}

// --- Builder ------------------------------------------------------------------------------------

/// With what aligns the next one. Empty when there is no room, which is remembered.
std::span<byte> Builder::take(usize size) {
  const usize whole = aligned(size);
  if (failed_ || whole > left()) {
    failed_ = true;
    return {};
  }
  const std::span<byte> here = room_.subspan(used_, whole);
  used_ += whole;
  fill_bytes(here.subspan(size));
  return here.first(size);
}

void Builder::append(Bytes bytes) {
  const std::span<byte> at = take(bytes.size());
  if (!failed_) std::ranges::copy(bytes, at.begin());
}

void Builder::begin(const Header& header, Bytes body) {
  start_ = used_;
  failed_ = false;
  append(object_bytes(header));
  append(body);
}

bool Builder::end() {
  if (std::exchange(failed_, false)) {
    used_ = start_;
    return false;
  }
  const auto size = static_cast<u32>(used_ - start_);
  std::memcpy(&room_[start_], &size, sizeof(size));
  return true;
}

void Builder::put(u16 type, Bytes value) {
  const usize size = sizeof(AttributeHeader) + value.size();
  const std::span<byte> at = take(size);
  if (failed_) return;
  const AttributeHeader h{.nla_len = static_cast<u16>(size), .nla_type = type};
  std::ranges::copy(object_bytes(h), at.begin());
  std::ranges::copy(value, at.begin() + sizeof(h));
}

void Builder::put_text(u16 type, std::string_view text) {
  const usize size = sizeof(AttributeHeader) + text.size() + 1;
  const std::span<byte> at = take(size);
  if (failed_) return;
  const AttributeHeader h{.nla_len = static_cast<u16>(size), .nla_type = type};
  std::ranges::copy(object_bytes(h), at.begin());
  std::ranges::copy(text, at.begin() + sizeof(h));
  at.back() = byte{0};
}

usize Builder::begin_nest(u16 type) {
  const usize nest = used_;
  put(type, {});
  return nest;
}

void Builder::end_nest(usize nest) {
  if (failed_) return;
  const auto size = static_cast<u16>(used_ - nest);
  std::memcpy(&room_[nest], &size, sizeof(size));
}

void Builder::add_flags(u16 flags) {
  if (failed_) return;
  const usize at = start_ + offsetof(Header, nlmsg_flags);
  const auto all = static_cast<u16>(load_from<u16>(room_.subspan(at)) | flags);
  std::memcpy(&room_[at], &all, sizeof(all));
}

void Builder::add_flags_to_first(u16 flags) {
  const usize start = std::exchange(start_, 0);
  if (used_ > 0) add_flags(flags);
  start_ = start;
}

}  // namespace auk::net::netlink
