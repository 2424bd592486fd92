#include "block/disk.hpp"

#include "core/spin.hpp"
#include "dev/number.hpp"

namespace auk::block {

class Disks {
  Disk* first_ = nullptr;
  u32 count_ = 0;

 public:
  constexpr Disks() = default;
  void add(Disk& d) {
    d.number_ = dev::make_number(extended_major, count_++);
    d.next_ = first_;
    first_ = &d;
  }
  Disk* find(u64 number) const {
    Disk* d = first_;
    while (d != nullptr && d->number_ != number) d = d->next_;
    return d;
  }
};

namespace {
constinit core::Guarded<core::level::driver, Disks, core::SpinPreemptOff> disks;
}  // namespace

void register_disk(Disk& d) { disks.lock()->add(d); }
Disk* find_disk(u64 number) { return disks.lock()->find(number); }

}  // namespace auk::block
