#include "mem/folio.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/annotations.hpp"
#include "base/bytes.hpp"
#include "core/event_counts.hpp"
#include "core/panic.hpp"
#include "core/spin.hpp"
#include "mem/box.hpp"
#include "mem/kernel_map.hpp"

namespace auk::mem {
namespace {

constinit Cache folio_cache("folio", sizeof(Folio));
constinit Cache run_cache("folio_run", sizeof(Folio) * FolioRun::count);
// Each CPU counts what happened on it; only the sums mean something.
AUK_PER_CPU core::PerCpu<u64> anonymous_folios;
AUK_PER_CPU core::PerCpu<u64> object_folios;

void count(bool anonymous, u64 change) {
  (anonymous ? anonymous_folios : object_folios).add(change);
}
AUK_RO_AFTER_INIT constinit Pfn the_zero_page;
/// For frame words of pages that are borrowed: who makes and who drops their folios.
struct Nothing {};
constinit core::Guarded<core::level::borrowed_page, Nothing, core::SpinIrqOff> borrowed_words;

}  // namespace

Cache& Folio::cache() { return folio_cache; }

Result<Ref<Folio>> Folio::create(AllocSite& site, bool anonymous, Fill fill) {
  const Pfn pfn = TRY(allocate_pages(site, 0, fill));
  Result<Ref<Folio>> made = make_ref<Folio>(site, pfn, anonymous);
  if (!made.ok()) {
    free_pages(pfn, 0);
    return Errno::enomem;
  }
  Ref<Folio> f = made.take();
  count(anonymous, 1);
  write_frame(pfn, FrameWord::with_descriptor(FrameTag::folio, f.get()));
  return f;
}

Result<Ref<Folio>> Folio::create_secret(AllocSite& site) {
  Ref<Folio> f = TRY(create(site, false));
  TRY(hide_page(f->pfn()));
  f->secret_ = true;
  return f;
}

Result<Ref<Folio>> Folio::borrow(AllocSite& site, Pfn pfn) {
  Ref<Folio> fresh = TRY(make_ref<Folio>(site, pfn, false, true)), there;
  {
    auto words = borrowed_words.lock();
    const FrameWord w = read_frame(pfn);
    // One whose last user goes has not come past the lock yet.
    if (w.tag() == FrameTag::folio && w.descriptor<Folio>()->try_get())
      std::swap(fresh, there);
    else
      write_frame(pfn, FrameWord::with_descriptor(FrameTag::folio, fresh.get()));
    if (there) fresh = Ref<Folio>::adopt(w.descriptor<Folio>());
  }
  return fresh;
}

void Folio::destroy(Folio* f) {
  const Pfn pfn = f->pfn_;
  if (f->borrowed_) {
    {
      auto words = borrowed_words.lock();
      // Somebody may have borrowed the page anew meanwhile, or two did so at once.
      if (read_frame(pfn).tag() == FrameTag::folio && read_frame(pfn).descriptor<Folio>() == f)
        write_frame(pfn, FrameWord::of(FrameTag::absent));
    }
    return mem::destroy(f);
  }
  if (f->secret_) {
    show_page(pfn);
    fill_bytes(bytes_of(pfn));
  }
  count(f->anonymous_, ~u64{0});
  write_frame(pfn, FrameWord::of(FrameTag::kernel));
  if (f->place_ == 0) {
    mem::destroy(f);
  } else {
    Folio* const first = f - (f->place_ - 1);
    if (first->in_use_.fetch_sub_acq_rel(1) == 1) run_cache.free(first);
  }
  free_pages(pfn, 0);
}

bool Folio::is_run(std::span<Folio* const> folios) {
  for (usize i = 1; i < folios.size(); ++i)
    if (folios[i] != folios[0] + i) return false;
  return true;
}

/// A whole run, in order.
void Folio::drop_run(std::span<Folio* const> run) {
  // Only who has a reference can give another, so what has one goes without counting.
  if (!std::ranges::all_of(run, [](const Folio* f) { return f->has_one_owner(); })) {
    for (Folio* const f : run) (void)Ref<Folio>::adopt(f);
    return;
  }
  count(true, ~u64{FolioRun::count} + 1);
  // The words of the pages change with it.
  free_pages(run[0]->pfn_, FolioRun::order);
  run_cache.free(run[0]);
}

void Folio::drop(std::span<Folio* const> folios) {
  for (usize i = 0; i < folios.size();) {
    Folio* const f = folios[i];
    // Pages of a run mostly come in their order, if they come together.
    if (f->place_ == 1 && folios.size() - i >= FolioRun::count &&
        folios[i + FolioRun::count - 1] == f + (FolioRun::count - 1) &&
        is_run(folios.subspan(i, FolioRun::count))) {
      drop_run(folios.subspan(i, FolioRun::count));
      i += FolioRun::count;
    } else {
      (void)Ref<Folio>::adopt(f);
      ++i;
    }
  }
}

FolioRun FolioRun::create(AllocSite& site) {
  FolioRun run;
  // First, because memory for them may have to be found.
  Result<void*> made = run_cache.allocate(site);
  if (!made.ok()) return run;
  auto* const first = static_cast<Folio*>(made.take());
  const std::optional<Pfn> pfn = allocate_spare_pages(site, order);
  if (!pfn) {
    run_cache.free(first);
    return run;
  }
  run.first_ = first;
  for (usize i = 0; i < count; ++i) {
    Folio* const f = ::new (run.first_ + i) Folio(*pfn + i, true);
    f->place_ = static_cast<u8>(i + 1);
    write_frame(*pfn + i, FrameWord::with_descriptor(FrameTag::folio, f));
  }
  run.first_->in_use_.store_relaxed(count);
  mem::count(true, count);
  return run;
}

FolioRun::~FolioRun() {
  if (first_ == nullptr) return;
  std::array<Folio*, count> folios;
  for (usize i = 0; i < count; ++i) folios[i] = first_ + i;
  Folio::drop(folios);
}

FolioCounts count_folios() {
  return {.anonymous = core::sum_of(anonymous_folios), .of_objects = core::sum_of(object_folios)};
}

Pfn zero_page() { return the_zero_page; }

void setup_zero_page() {
  Result<Pfn> p = allocate_pages(ALLOC_SITE, 0);
  if (!p.ok()) core::panic("Out of memory for the zero page");
  the_zero_page = p.take();
}

}  // namespace auk::mem
