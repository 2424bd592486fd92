// Character devices by number: who opens what mknod(2) made.
#pragma once
#include <string_view>

#include "dev/number.hpp"
#include "io/file.hpp"

namespace auk::vfs {

class Path;

class CharDriver {
  friend class CharDrivers;
  CharDriver* next_ = nullptr;
  std::string_view name_;
  u32 major_, first_minor_, count_;

 public:
  /// `name`: as /proc/devices has it.
  constexpr CharDriver(std::string_view name, u32 major, u32 first_minor, u32 count)
      : name_(name),
        major_(major),
        first_minor_(first_minor),
        count_(count) {}
  std::string_view name() const { return name_; }
  u32 major_number() const { return major_; }
  /// `at`: what was opened.
  virtual Result<Ref<io::File>> open(const Path& at, u32 minor, u32 flags) = 0;

 protected:
  ~CharDriver() = default;
};

/// For ever.
void register_char_driver(CharDriver& d);
/// Likewise, under a major number that nobody has: a driver is made with 0 as its own. EBUSY: all
/// are taken.
Result<void> register_with_any_major(CharDriver& d);
/// By their numbers; the first one behind null.
const CharDriver* next_char_driver(const CharDriver* d);
/// ENXIO when nobody serves the number.
Result<Ref<io::File>> open_char_device(const Path& at, u64 device, u32 flags);

}  // namespace auk::vfs
