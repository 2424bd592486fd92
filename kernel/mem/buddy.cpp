#include "mem/buddy.hpp"

#include <algorithm>
#include <bit>

#include "base/bug.hpp"
#include "base/math.hpp"

namespace auk::mem {
namespace {

constexpr usize bits_per_word = 64;
constexpr u64 longest_run = u64{1} << max_order;

Pfn section_start(usize section) { return Pfn(section << section_shift); }
Pfn at_offset(usize section, u16 offset) { return section_start(section) + offset; }
u16 offset_of(Pfn p) { return static_cast<u16>(p.value & (pages_per_section - 1)); }

}  // namespace

usize SectionSet::words_for(usize sections) {
  const usize words = div_ceil(sections, bits_per_word);
  return words + div_ceil(words, bits_per_word);
}

void SectionSet::attach(std::span<u64> storage, usize sections) {
  const usize words = div_ceil(sections, bits_per_word);
  bits_ = storage.first(words);
  summary_ = storage.subspan(words);
}

void SectionSet::set(usize n) {
  const usize word = n / bits_per_word;
  bits_[word] |= u64{1} << (n % bits_per_word);
  summary_[word / bits_per_word] |= u64{1} << (word % bits_per_word);
}

void SectionSet::clear(usize n) {
  const usize word = n / bits_per_word;
  bits_[word] &= ~(u64{1} << (n % bits_per_word));
  if (bits_[word] == 0) summary_[word / bits_per_word] &= ~(u64{1} << (word % bits_per_word));
}

std::optional<usize> SectionSet::first() const {
  for (usize s = 0; s < summary_.size(); ++s) {
    if (summary_[s] == 0) continue;
    const usize word = s * bits_per_word + static_cast<usize>(std::countr_zero(summary_[s]));
    return word * bits_per_word + static_cast<usize>(std::countr_zero(bits_[word]));
  }
  return std::nullopt;
}

usize Buddy::storage_size(Pfn end) {
  const usize sections = div_ceil(end.value, pages_per_section);
  return sections * sizeof(Section) +
         (order_count + 1) * SectionSet::words_for(sections) * sizeof(u64);
}

void Buddy::attach(std::span<byte> storage, Pfn end, BootMemory& boot_memory,
                   FrameWordMapper& mapper) {
  const usize count = div_ceil(end.value, pages_per_section);
  ASSERT(storage.size() >= storage_size(end));
  sections_ = {reinterpret_cast<Section*>(storage.data()), count};
  const usize words = SectionSet::words_for(count);
  std::span<u64> sets(reinterpret_cast<u64*>(storage.data() + count * sizeof(Section)),
                      (order_count + 1) * words);
  for (usize o = 0; o < order_count; ++o)
    has_free_[o].attach(sets.subspan(o * words, words), count);
  closed_.attach(sets.subspan(order_count * words, words), count);
  for (Section& s : sections_) s.heads.fill(FrameWord::no_link);
  boot_memory_ = &boot_memory;
  mapper_ = &mapper;
  for (const PhysRange& r : boot_memory.ranges()) {
    const u64 pages = r.size() >> page_shift;
    free_pages_ += pages;
    managed_pages_ += pages;
    for (usize s = pfn_of(r.start).value >> section_shift;
         s <= (pfn_of(r.end).value - 1) >> section_shift; ++s)
      closed_.set(s);
  }
}

void Buddy::push(usize section, Pfn p, unsigned order) {
  Section& s = sections_[section];
  const u16 old = s.heads[order];
  const u16 me = offset_of(p);
  write_frame(p, FrameWord::free_head(order, FrameWord::no_link, old));
  if (old == FrameWord::no_link) {
    has_free_[order].set(section);
  } else {
    const Pfn next = at_offset(section, old);
    write_frame(next, FrameWord::free_head(order, me, read_frame(next).next()));
  }
  s.heads[order] = me;
}

void Buddy::remove(usize section, Pfn p, unsigned order) {
  Section& s = sections_[section];
  const FrameWord w = read_frame(p);
  ASSERT(w.tag() == FrameTag::free_head && w.order() == order);
  if (w.prev() == FrameWord::no_link) {
    ASSERT(s.heads[order] == offset_of(p));
    s.heads[order] = w.next();
    if (w.next() == FrameWord::no_link) has_free_[order].clear(section);
  } else {
    const Pfn before = at_offset(section, w.prev());
    const FrameWord b = read_frame(before);
    ASSERT(b.tag() == FrameTag::free_head && b.next() == offset_of(p));
    write_frame(before, FrameWord::free_head(order, b.prev(), w.next()));
  }
  if (w.next() != FrameWord::no_link) {
    const Pfn after = at_offset(section, w.next());
    const FrameWord a = read_frame(after);
    ASSERT(a.tag() == FrameTag::free_head && a.prev() == offset_of(p));
    write_frame(after, FrameWord::free_head(order, w.prev(), a.next()));
  }
  write_frame(p, FrameWord::of(FrameTag::free_body));
}

bool Buddy::give_words(usize section) {
  const Pfn start = section_start(section);
  const PhysRange window{phys_of(start), phys_of(start + pages_per_section)};
  // The span of words covers from the first to the last usable page of the section.
  Pfn first = start + pages_per_section;
  Pfn last = start;
  PhysRange largest{};
  u64 usable = 0;
  for (const PhysRange& r : boot_memory_->ranges()) {
    const PhysRange in{std::max(r.start, window.start), std::min(r.end, window.end)};
    if (in.empty()) continue;
    first = std::min(first, pfn_of(in.start));
    last = std::max(last, pfn_of(in.end));
    usable += in.size() >> page_shift;
    if (in.size() > largest.size()) largest = in;
  }
  if (first >= last) return false;
  const auto used = mapper_->map_words(first, last, largest);
  if (!used) {
    // Without words the section cannot be used at all.
    while (boot_memory_->take_range(window)) {}
    free_pages_ -= usable;
    return false;
  }
  boot_memory_->reserve({largest.start, largest.start + (*used << page_shift)});
  free_pages_ -= *used;
  Section& s = sections_[section];
  s.first = first;
  s.last = last;
  s.closed_from = Pfn(align_down(first.value, longest_run));
  return true;
}

void Buddy::open_step(usize section) {
  Section& s = sections_[section];
  if (s.first == s.last && !give_words(section)) {
    closed_.clear(section);
    return;
  }
  const Pfn from = s.closed_from;
  s.closed_from = from + longest_run;
  if (s.closed_from >= s.last) closed_.clear(section);
  while (const auto r = boot_memory_->take_range({phys_of(from), phys_of(s.closed_from)})) {
    free_pages_ -= r->size() >> page_shift;
    for (Pfn p = pfn_of(r->start); p < pfn_of(r->end);) {
      unsigned order = std::min<unsigned>(
          max_order, static_cast<unsigned>(std::countr_zero(p.value | longest_run)));
      while ((u64{1} << order) > pfn_of(r->end) - p) --order;
      for (u64 i = 1; i < u64{1} << order; ++i)
        write_frame(p + i, FrameWord::of(FrameTag::free_body));
      release(p, order);
      p += u64{1} << order;
    }
  }
}

void Buddy::release(Pfn p, unsigned order) {
  const usize section = p.value >> section_shift;
  Section& s = sections_[section];
  free_pages_ += u64{1} << order;
  s.free_pages += 1U << order;
  while (order < max_order) {
    const Pfn buddy(p.value ^ (u64{1} << order));
    if (buddy < s.first || buddy >= s.last) break;
    const FrameWord w = read_frame(buddy);
    if (w.tag() != FrameTag::free_head || w.order() != order) break;
    remove(section, buddy, order);
    write_frame(std::max(p, buddy), FrameWord::of(FrameTag::free_body));
    p = std::min(p, buddy);
    ++order;
  }
  push(section, p, order);
}

std::optional<Buddy::Run> Buddy::allocate_between(unsigned least, unsigned most) {
  if (least > max_order) return std::nullopt;
  for (;;) {
    // In the lowest section that has one.
    for (unsigned have = least; have <= max_order; ++have) {
      const unsigned order = std::min(have, most);
      const auto section = has_free_[have].first();
      if (!section) continue;
      Section& s = sections_[*section];
      const Pfn p = at_offset(*section, s.heads[have]);
      remove(*section, p, have);
      for (unsigned o = have; o > order; --o) push(*section, p + (u64{1} << (o - 1)), o - 1);
      s.free_pages -= 1U << order;
      free_pages_ -= u64{1} << order;
      write_frame(p, FrameWord::of(FrameTag::kernel, order));
      return Run{p, order};
    }
    const auto next = closed_.first();
    if (!next) return std::nullopt;
    open_step(*next);
  }
}

void Buddy::add(PhysRange r) {
  Pfn p = pfn_of(PhysAddr(align_up(r.start.value, page_size)));
  const Pfn end = pfn_of(r.end);
  while (p < end && p.value >> section_shift < sections_.size()) {
    const usize section = p.value >> section_shift;
    const Pfn stop = std::min(end, section_start(section) + pages_per_section);
    const Section& s = sections_[section];
    if (s.first == s.last) {
      boot_memory_->add({phys_of(p), phys_of(stop)});
      free_pages_ += stop - p;
      managed_pages_ += stop - p;
      closed_.set(section);
    } else {
      for (Pfn at = std::max(p, s.first); at < std::min(stop, s.last); ++at) {
        ++managed_pages_;
        release(at, 0);
      }
    }
    p = stop;
  }
}

void Buddy::free(Pfn p, unsigned order) {
  ASSERT(order <= max_order && is_aligned(p.value, u64{1} << order));
  Section& s = section_of(p);
  ASSERT(p >= s.first && p + (u64{1} << order) <= s.last);
  const FrameTag tag = read_frame(p).tag();
  ASSERT(tag != FrameTag::free_head && tag != FrameTag::free_body && tag != FrameTag::absent);
  for (u64 i = 1; i < u64{1} << order; ++i) write_frame(p + i, FrameWord::of(FrameTag::free_body));
  release(p, order);
}

u64 Buddy::free_runs(unsigned order) const {
  u64 n = 0;
  for (usize section = 0; section < sections_.size(); ++section)
    for (u16 at = sections_[section].heads[order]; at != FrameWord::no_link;
         at = read_frame(at_offset(section, at)).next())
      ++n;
  return n;
}

bool Buddy::is_consistent() const {
  u64 listed = 0;
  for (usize section = 0; section < sections_.size(); ++section) {
    const Section& s = sections_[section];
    u64 in_section = 0;
    for (unsigned order = 0; order < order_count; ++order) {
      u16 before = FrameWord::no_link;
      for (u16 at = s.heads[order]; at != FrameWord::no_link;) {
        const Pfn p = at_offset(section, at);
        const FrameWord w = read_frame(p);
        if (w.tag() != FrameTag::free_head || w.order() != order || w.prev() != before)
          return false;
        if (!is_aligned(p.value, u64{1} << order) || p < s.first || p + (u64{1} << order) > s.last)
          return false;
        for (u64 i = 1; i < u64{1} << order; ++i)
          if (read_frame(p + i).tag() != FrameTag::free_body) return false;
        const Pfn buddy(p.value ^ (u64{1} << order));
        if (order < max_order && buddy >= s.first && buddy < s.last &&
            read_frame(buddy).tag() == FrameTag::free_head && read_frame(buddy).order() == order)
          return false;
        in_section += u64{1} << order;
        before = at;
        at = w.next();
      }
    }
    if (in_section != s.free_pages) return false;
    listed += in_section;
  }
  u64 closed = 0;
  for (const PhysRange& r : boot_memory_->ranges()) closed += r.size() >> page_shift;
  return listed + closed == free_pages_;
}

}  // namespace auk::mem
