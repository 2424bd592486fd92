// Character devices by number: who opens what mknod(2) made.
#pragma once
#include <array>
#include <string_view>

#include "io/file.hpp"

namespace auk::vfs {

constexpr u64 make_device(u32 major, u32 minor) {
  // The encoding of <sys/sysmacros.h>.
  return (u64{minor} & 0xff) | ((u64{major} & 0xfff) << 8) | ((u64{minor} & ~u64{0xff}) << 12) |
         ((u64{major} & ~u64{0xfff}) << 32);
}
constexpr u32 device_major(u64 d) {
  return static_cast<u32>(((d >> 8) & 0xfff) | ((d >> 32) & ~u64{0xfff}));
}
constexpr u32 device_minor(u64 d) {
  return static_cast<u32>((d & 0xff) | ((d >> 12) & 0xffffff00));
}

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

/// A device by its name, as devtmpfs shows it. Lives for ever.
class DeviceNode {
  friend class DeviceNodes;
  DeviceNode* next_ = nullptr;
  std::array<char, 16> name_{};
  u32 mode_;
  u64 number_;

 public:
  /// `mode`: type and rights.
  constexpr DeviceNode(std::string_view name, u32 mode, u64 number) : mode_(mode), number_(number) {
    name.copy(name_.data(), name_.size() - 1);
  }
  std::string_view name() const { return name_.data(); }
  u32 mode() const { return mode_; }
  u64 number() const { return number_; }
};
/// Before devtmpfs is mounted for the first time: at boot.
void register_device_node(DeviceNode& n);
/// All of them, the newest first: the one behind `n`, or the first; nullptr at the end.
const DeviceNode* next_device_node(const DeviceNode* n);

/// For ever.
void register_char_driver(CharDriver& d);
/// By their numbers; the first one behind null.
const CharDriver* next_char_driver(const CharDriver* d);
/// ENXIO when nobody serves the number.
Result<Ref<io::File>> open_char_device(const Path& at, u64 device, u32 flags);

}  // namespace auk::vfs
