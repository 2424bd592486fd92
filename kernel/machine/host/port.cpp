#include "machine/isa/port.hpp"

namespace auk::machine::host {

constinit thread_local Ports* ports = nullptr;

}  // namespace auk::machine::host
