// fw_cfg: named files that a virtual machine monitor offers through two I/O ports.
//
// Data model: the device has one selector and one read position; each operation sets both.
// Context: one caller at a time; each byte is one port access, so this is for small files.
// Source: QEMU docs/specs/fw_cfg.
// Differences from Linux: port access only; the DMA interface waits for a user with large files.
#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <optional>
#include <span>
#include <string_view>

#include "base/types.hpp"

namespace auk::bus {

struct FwCfgFile {
  u32 size;
  u16 key;
  std::array<char, 56> name_;

  std::string_view name() const {
    const auto end = std::find(name_.begin(), name_.end(), '\0');
    return {name_.data(), static_cast<usize>(end - name_.begin())};
  }
};

class FwCfg {
  u32 left_ = 0;

 public:
  /// More files than any monitor offers; bounds the work that a wrong count could cause.
  static constexpr u32 max_files = 1024;

  static bool is_present();

  /// Puts the device at the beginning of its directory.
  FwCfg();
  /// The next entry of the directory. Nothing else may use the device between two calls.
  std::optional<FwCfgFile> next();

  static std::optional<FwCfgFile> find(std::string_view name);

  /// Reads from the beginning of the file; the result is how much of `out` was filled.
  static usize read(const FwCfgFile& file, std::span<byte> out);
};

}  // namespace auk::bus
