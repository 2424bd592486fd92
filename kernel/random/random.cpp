#include "random/random.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "core/spin.hpp"
#include "core/sysctl.hpp"
#include "machine/isa/cpu.hpp"

namespace auk::random {
namespace {

constexpr usize block_size = 64;
using Key = std::array<u32, 8>;
using Block = std::array<u32, block_size / sizeof(u32)>;

void quarter_round(u32& a, u32& b, u32& c, u32& d) {
  a += b;
  d = std::rotl(d ^ a, 16);
  c += d;
  b = std::rotl(b ^ c, 12);
  a += b;
  d = std::rotl(d ^ a, 8);
  c += d;
  b = std::rotl(b ^ c, 7);
}

Block chacha_block(const Key& key, u64 counter) {
  Block in{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  std::copy(key.begin(), key.end(), in.begin() + 4);
  in[12] = static_cast<u32>(counter);
  in[13] = static_cast<u32>(counter >> 32);
  Block x = in;
  constexpr int double_rounds = 10;
  for (int i = 0; i < double_rounds; ++i) {
    for (usize c = 0; c < 4; ++c) quarter_round(x[c], x[4 + c], x[8 + c], x[12 + c]);
    for (usize c = 0; c < 4; ++c)
      quarter_round(x[c], x[4 + (c + 1) % 4], x[8 + (c + 2) % 4], x[12 + (c + 3) % 4]);
  }
  for (usize i = 0; i < x.size(); ++i) x[i] += in[i];
  return x;
}

constinit core::Guarded<core::level::innermost, Key, core::SpinIrqOff> state;

/// The key of one request's stream.
Key take_key() {
  auto key = state.lock();
  // Several words the first time would be no better: the generator behind it is the same.
  const u64 fresh = machine::hardware_entropy();
  (*key)[0] ^= static_cast<u32>(fresh);
  (*key)[1] ^= static_cast<u32>(fresh >> 32);
  const Block b = chacha_block(*key, 0);
  Key mine;
  std::copy_n(b.begin(), mine.size(), key->begin());
  std::copy_n(b.begin() + mine.size(), mine.size(), mine.begin());
  return mine;
}

}  // namespace

void fill(std::span<byte> out) {
  const Key key = take_key();
  for (u64 counter = 0; !out.empty(); ++counter) {
    const Block b = chacha_block(key, counter);
    const usize n = std::min(out.size(), block_size);
    std::copy_n(reinterpret_cast<const byte*>(b.data()), n, out.begin());
    out = out.subspan(n);
  }
}

u64 next_u64() {
  std::array<byte, sizeof(u64)> bytes{};
  fill(bytes);
  return std::bit_cast<u64>(bytes);
}

void stir(std::span<const byte> in) {
  auto key = state.lock();
  for (usize i = 0; i < in.size(); ++i) {
    (*key)[i % key->size()] ^= u32{in[i]} << (i / key->size() % 4 * 8);
    if (i % sizeof(Key) != sizeof(Key) - 1 && i + 1 != in.size()) continue;
    const Block b = chacha_block(*key, 1);
    std::copy_n(b.begin(), key->size(), key->begin());
  }
}

namespace {

using Uuid = std::array<byte, 16>;

Uuid fresh_uuid() {
  Uuid id;
  fill(id);
  // RFC 9562, version 4.
  id[6] = (id[6] & byte{0x0f}) | byte{0x40};
  id[8] = (id[8] & byte{0x3f}) | byte{0x80};
  return id;
}

void show_uuid(const Uuid& id, Writer& out) {
  for (usize i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.put('-');
    format_to(out, "{:02x}", static_cast<u32>(id[i]));
  }
}

/// random(4): another one each time, or the one of this boot.
class FreshUuid final : public core::Sysctl {
 public:
  constexpr FreshUuid() : Sysctl("kernel/random/uuid", false) {}
  void show(Writer& out) const override { show_uuid(fresh_uuid(), out); }
};
class BootUuid final : public core::Sysctl {
  struct Known {
    Uuid id{};
    bool is_made = false;
  };
  mutable core::Guarded<core::level::innermost, Known, core::SpinIrqOff> known_;

 public:
  constexpr BootUuid() : Sysctl("kernel/random/boot_id", false) {}
  void show(Writer& out) const override {
    const Uuid fresh = fresh_uuid();
    Uuid id;
    {
      auto k = known_.lock();
      if (!k->is_made) *k = {fresh, true};
      id = k->id;
    }
    show_uuid(id, out);
  }
};
constinit FreshUuid uuid;
constinit BootUuid boot_id;
constexpr u64 pool_bits = 256;
constinit core::ConstantSysctl entropy_avail("kernel/random/entropy_avail", pool_bits);
constinit core::ConstantSysctl poolsize("kernel/random/poolsize", pool_bits);
SYSCTL(uuid);
SYSCTL(boot_id);
SYSCTL(entropy_avail);
SYSCTL(poolsize);

}  // namespace
}  // namespace auk::random
