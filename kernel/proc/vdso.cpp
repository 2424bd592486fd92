#include "proc/vdso.hpp"

#include <algorithm>

#include "base/annotations.hpp"
#include "core/clock.hpp"
#include "vdso/image.hpp"

namespace auk::proc {
namespace {

AUK_RO_AFTER_INIT constinit vm::PageCache* pages = nullptr;

}  // namespace

Result<void> setup_vdso() {
  const std::span<const byte> image = vdso::image();
  Ref<vm::PageCache> cache = TRY(vm::PageCache::create());
  cache->grow(page_size + image.size());
  const Ref<mem::Folio> clock = TRY(cache->find_or_make(0));
  for (usize done = 0; done < image.size(); done += page_size) {
    const Ref<mem::Folio> page = TRY(cache->find_or_make(1 + done / page_size));
    std::ranges::copy(image.subspan(done, page_size), page->bytes().begin());
  }
  core::publish_clock(*mem::to_pointer<vdso::Data>(clock->address()));
  pages = cache.release();
  return {};
}

std::string_view vdso_name(const vm::MemObject* object, u64 page_offset) {
  if (object == nullptr || object != pages) return {};
  return page_offset == 0 ? "[vvar]" : "[vdso]";
}

Result<UserAddr> map_vdso(vm::AddressSpace& space) {
  using vm::VmaFlag;
  const u64 code_size = vdso::image().size();
  // Both at once find the place; the code then covers its part.
  vm::MapRequest clock;
  clock.size = page_size + code_size;
  clock.flags = VmaFlag::read;
  clock.object = Ref<vm::MemObject>(*pages);
  const UserAddr at = TRY(space.map(std::move(clock)));
  vm::MapRequest code;
  code.hint = at + page_size;
  code.size = code_size;
  code.flags = vm::VmaFlags(VmaFlag::read) | VmaFlag::execute;
  code.fixed = true;
  code.object = Ref<vm::MemObject>(*pages);
  code.page_offset = 1;
  return space.map(std::move(code));
}

}  // namespace auk::proc
