#include "vfs/device.hpp"

#include <array>
#include <utility>

#include "core/spin.hpp"

namespace auk::vfs {

class CharDrivers {
  CharDriver* first_ = nullptr;

 public:
  constexpr CharDrivers() = default;
  void add(CharDriver& d) {
    CharDriver** at = &first_;
    while (*at != nullptr &&
           std::pair((*at)->major_, (*at)->first_minor_) < std::pair(d.major_, d.first_minor_))
      at = &(*at)->next_;
    d.next_ = *at;
    *at = &d;
  }
  bool has_major(u32 major) const {
    const CharDriver* d = first_;
    while (d != nullptr && d->major_ != major) d = d->next_;
    return d != nullptr;
  }
  /// As Linux gives them out (Documentation/admin-guide/devices.txt).
  Result<void> add_anywhere(CharDriver& d) {
    struct Range {
      u32 last, first;
    };
    constexpr std::array<Range, 2> ranges{Range{254, 234}, Range{511, 384}};
    for (const Range& r : ranges)
      for (u32 major = r.last; major >= r.first; --major)
        if (!has_major(major)) {
          d.major_ = major;
          add(d);
          return {};
        }
    return Errno::ebusy;
  }
  const CharDriver* after(const CharDriver* d) const { return d == nullptr ? first_ : d->next_; }
  CharDriver* find(u32 major, u32 minor) const {
    for (CharDriver* d = first_; d != nullptr; d = d->next_)
      if (d->major_ == major && minor >= d->first_minor_ && minor - d->first_minor_ < d->count_)
        return d;
    return nullptr;
  }
};

namespace {
constinit core::Guarded<core::level::driver, CharDrivers, core::SpinPreemptOff> drivers;
}  // namespace

void register_char_driver(CharDriver& d) { drivers.lock()->add(d); }
Result<void> register_with_any_major(CharDriver& d) { return drivers.lock()->add_anywhere(d); }
const CharDriver* next_char_driver(const CharDriver* d) { return drivers.lock()->after(d); }

Result<Ref<io::File>> open_char_device(const Path& at, u64 device, u32 flags) {
  CharDriver* const d = drivers.lock()->find(dev::major_of(device), dev::minor_of(device));
  if (d == nullptr) return Errno::enxio;
  return d->open(at, dev::minor_of(device), flags);
}

}  // namespace auk::vfs
