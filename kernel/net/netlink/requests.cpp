// The kernel's end: reads requests, says how they ended, and answers in parts.
#include <algorithm>

#include "net/netlink/port.hpp"

namespace auk::net::netlink {
namespace {

/// A part of an answer, at least.
constexpr u32 part_size = page_size - 320;

bool has_words(const ExtendedAck& ack, Errno error) {
  return !ack.message.empty() || (error != Errno{} && ack.bad_attribute);
}
constexpr usize size_of_words(const ExtendedAck& ack) {
  return aligned(sizeof(AttributeHeader) + ack.message.size() + 1) + sizeof(AttributeHeader) +
         sizeof(u32);
}
constexpr i32 as_number(Errno e) { return -static_cast<i32>(e); }

void put_words(Builder& out, Errno error, const ExtendedAck& ack) {
  if (!has_words(ack, error)) return;
  out.add_flags(uapi::nlm_f_ack_tlvs);
  if (!ack.message.empty()) out.put_text(uapi::nlmsgerr_attr_msg, ack.message);
  if (error != Errno{} && ack.bad_attribute)
    out.put_value(uapi::nlmsgerr_attr_offs, *ack.bad_attribute);
}

}  // namespace

bool Request::is_strict() const { return from.is_on(uapi::netlink_get_strict_chk); }

void Dump::note_generation(u32 now) {
  if (generation && *generation != now) was_interrupted = true;
  generation = now;
}

void Port::acknowledge(const Request& r, Errno error) {
  const bool is_capped = error == Errno{} || is_on(uapi::netlink_cap_ack);
  const bool is_wordy = is_on(uapi::netlink_ext_ack);
  const usize size = sizeof(Header) + sizeof(uapi::nlmsgerr) +
                     (is_capped ? 0 : aligned(r.message.payload.size())) +
                     (is_wordy ? size_of_words(r.ack) : 0);
  Result<Ref<Packet>> made = Packet::create(static_cast<u32>(size));
  if (!made.ok()) return fail(Errno::enobufs);
  const Ref<Packet> p = made.take();
  Builder out(p->bytes());
  const uapi::nlmsgerr body{.error = as_number(error), .msg = r.header()};
  out.begin({.nlmsg_len = 0,
             .nlmsg_type = uapi::nlmsg_error,
             .nlmsg_flags = static_cast<u16>(is_capped ? uapi::nlm_f_capped : 0),
             .nlmsg_seq = r.header().nlmsg_seq,
             .nlmsg_pid = number()},
            object_bytes(body));
  if (!is_capped) out.append(r.message.payload);
  if (is_wordy) put_words(out, error, r.ack);
  (void)out.end();
  p->shrink(out.used());
  (void)answer(p);
}

void handle_requests(Port& from, const Ref<Packet>& p, bool is_admin) {
  Bytes rest = p->bytes();
  while (const std::optional<Message> m = first_message(rest)) {
    Request r{.from = from, .packet = p, .message = *m, .is_admin = is_admin};
    rest = rest.subspan(m->step);
    auto answer = Protocol::Answer::acknowledge;
    Errno error{};
    if (r.has(uapi::nlm_f_request) && r.header().nlmsg_type >= uapi::nlmsg_min_type) {
      Result<Protocol::Answer> done = from.protocol.handle(r);
      error = done.error();
      if (done.ok()) answer = done.take();
    }
    if (answer == Protocol::Answer::nothing) continue;
    if (error != Errno{} || r.has(uapi::nlm_f_ack)) from.acknowledge(r, error);
  }
}

// --- Answers in parts ---------------------------------------------------------------------------

Result<void> Port::start_dump(const Request& r, const DumpSource& source) {
  auto d = dump_.lock();
  if (d->packet) return Errno::ebusy;
  d->packet = r.packet;
  d->request = r.message;
  d->source = &source;
  d->is_strict = r.is_strict();
  is_dumping_.store_release(true);
  return send_part(*d);
}

void Port::continue_dump() {
  auto d = dump_.lock();
  if (!d->packet) return;
  if (const Result<void> sent = send_part(*d); !sent.ok()) fail(sent.error());
}

/// False: no room.
bool Port::write_end(const Dump& d, Builder& out, const ExtendedAck& ack) const {
  const i32 error = as_number(d.error);
  out.begin({.nlmsg_len = 0,
             .nlmsg_type = uapi::nlmsg_done,
             .nlmsg_flags = uapi::nlm_f_multi,
             .nlmsg_seq = d.request.header.nlmsg_seq,
             .nlmsg_pid = number()},
            object_bytes(error));
  if (d.was_interrupted) out.add_flags(uapi::nlm_f_dump_intr);
  if (is_on(uapi::netlink_ext_ack)) put_words(out, d.error, ack);
  return out.end();
}

/// ENOBUFS, ENOMEM: the program may try again by reading.
Result<void> Port::send_part(Dump& d) {
  const u32 room = std::max(part_size, longest_read_.load_relaxed());
  const Ref<Packet> p = TRY(Packet::create(room));
  // Before the answer goes on: what it tells then is not told again.
  mem::Box<Queued> place = TRY(mem::Box<Queued>::make(ALLOC_SITE, p));
  {
    auto s = state_.lock();
    if (s->charged >= options->receive_buffer.load_relaxed()) return Errno::enobufs;
  }
  Builder out(p->bytes());
  ExtendedAck ack;
  if (!d.is_over) {
    Result<DumpSource::Progress> r = d.source->write(d, number(), out, ack);
    d.is_over = !r.ok() || *r == DumpSource::Progress::done;
    d.error = r.error();
    if (d.was_interrupted) out.add_flags_to_first(uapi::nlm_f_dump_intr);
  }
  const bool is_end = d.is_over && write_end(d, out, ack);
  p->shrink(out.used());
  (void)put(std::move(place), true);
  if (is_end) {
    d = Dump();
    is_dumping_.store_release(false);
  }
  return {};
}

}  // namespace auk::net::netlink
