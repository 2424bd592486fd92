// I/O ports on the host: an object that a test supplies for its thread.
#pragma once
#include "base/types.hpp"

namespace auk::machine {

inline constexpr bool has_ports = true;

namespace host {

/// `size` is 1, 2 or 4 bytes.
class Ports {
 public:
  virtual u32 in(u16 port, unsigned size) = 0;
  virtual void out(u16 port, u32 value, unsigned size) = 0;

 protected:
  ~Ports() = default;
};
/// Null: every port is empty, reads all ones and swallows what is written.
extern constinit thread_local Ports* ports;

inline u32 port_in(u16 port, unsigned size) {
  return ports != nullptr ? ports->in(port, size) : 0xffffffff;
}
inline void port_out(u16 port, u32 value, unsigned size) {
  if (ports != nullptr) ports->out(port, value, size);
}

}  // namespace host

inline void port_out8(u16 port, u8 v) { host::port_out(port, v, 1); }
inline void port_out16(u16 port, u16 v) { host::port_out(port, v, 2); }
inline void port_out32(u16 port, u32 v) { host::port_out(port, v, 4); }
inline u8 port_in8(u16 port) { return static_cast<u8>(host::port_in(port, 1)); }
inline u16 port_in16(u16 port) { return static_cast<u16>(host::port_in(port, 2)); }
inline u32 port_in32(u16 port) { return host::port_in(port, 4); }

}  // namespace auk::machine
