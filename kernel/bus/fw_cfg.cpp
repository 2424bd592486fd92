#include "bus/fw_cfg.hpp"

#include "bus/field.hpp"
#include "machine/isa/port.hpp"

namespace auk::bus {
namespace {

constexpr u16 selector_port = 0x510;
constexpr u16 data_port = 0x511;
constexpr u16 key_signature = 0;
constexpr u16 key_directory = 0x19;

void select(u16 key) { machine::port_out16(selector_port, key); }

void take(std::span<byte> out) {
  for (byte& b : out) b = machine::port_in8(data_port);
}

// Everything in the directory is big-endian.
template <std::unsigned_integral T> T take_number() {
  T v = 0;
  for (usize i = 0; i < sizeof(T); ++i) v = static_cast<T>(v << 8 | machine::port_in8(data_port));
  return v;
}

}  // namespace

bool FwCfg::is_present() {
  if constexpr (!machine::has_ports) return false;
  std::array<byte, 4> signature{};
  select(key_signature);
  take(signature);
  return has_text(signature, 0, "QEMU");
}

FwCfg::FwCfg() {
  select(key_directory);
  left_ = std::min(take_number<u32>(), max_files);
}

std::optional<FwCfgFile> FwCfg::next() {
  if (left_ == 0) return std::nullopt;
  --left_;
  FwCfgFile file{};
  file.size = take_number<u32>();
  file.key = take_number<u16>();
  (void)take_number<u16>();
  for (char& c : file.name_) c = static_cast<char>(machine::port_in8(data_port));
  return file;
}

std::optional<FwCfgFile> FwCfg::find(std::string_view name) {
  FwCfg directory;
  while (const auto file = directory.next())
    if (file->name() == name) return file;
  return std::nullopt;
}

usize FwCfg::read(const FwCfgFile& file, std::span<byte> out) {
  out = out.first(std::min<usize>(out.size(), file.size));
  select(file.key);
  take(out);
  return out.size();
}

}  // namespace auk::bus
