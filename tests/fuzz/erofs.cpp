// An EROFS image that somebody made to harm: a small one that is right, changed at the places the
// input names, or the input itself. Whatever comes, nothing outside of the image is read and every
// walk ends.
#include <cstring>
#include <vector>

#include "fs/erofs/image.hpp"
#include "memory.hpp"

using namespace auk;
using namespace auk::fs::erofs;

namespace {

constexpr usize block = 4096, blocks = 4;

template <class T> void put(std::vector<byte>& image, usize at, T value) {
  std::memcpy(&image[at], &value, sizeof(value));
}

/// At the slot `nid`: a short inode, its attributes and what stands behind it.
void put_inode(std::vector<byte>& image, u32 nid, u16 mode, u16 layout, u32 size, u32 special,
               u16 attribute_words) {
  const usize at = block + nid * 32;
  put<u16>(image, at, static_cast<u16>(layout << 1));
  put<u16>(image, at + 2, attribute_words);
  put<u16>(image, at + 4, mode);
  put<u16>(image, at + 6, 1);
  put<u32>(image, at + 8, size);
  put<u32>(image, at + 16, special);
}

std::vector<byte> small_image() {
  std::vector<byte> image(block * blocks);
  put<u32>(image, 1024, 0xe0f5e1e2);
  put<u8>(image, 1024 + 12, 12);
  put<u16>(image, 1024 + 14, 0);
  put<u64>(image, 1024 + 16, 4);
  put<u32>(image, 1024 + 36, blocks);
  put<u32>(image, 1024 + 40, 1);
  put<u32>(image, 1024 + 44, 3);
  put<u32>(image, 1024 + 80, 4);
  // The root, with three names in its tail.
  constexpr std::string_view names = "...filelink";
  constexpr u16 starts[] = {48, 49, 51, 55};
  constexpr u64 nids[] = {0, 0, 8, 12};
  put_inode(image, 0, 040755, 2, 59, 0, 0);
  for (usize i = 0; i < 4; ++i) {
    put<u64>(image, block + 32 + i * 12, nids[i]);
    put<u16>(image, block + 32 + i * 12 + 8, starts[i]);
  }
  std::memcpy(&image[block + 32 + 48], names.data(), names.size());
  // A file with one attribute of its own and one that is shared, and chunks.
  put_inode(image, 8, 0100644, 4, 2 * block, 0, 1 + 4);
  put<u8>(image, block + 8 * 32 + 32 + 4, 1);
  put<u32>(image, block + 8 * 32 + 32 + 12, 2);
  put<u8>(image, block + 8 * 32 + 32 + 16, 3), put<u8>(image, block + 8 * 32 + 32 + 17, 1);
  put<u32>(image, block + 8 * 32 + 32 + 28, 2), put<u32>(image, block + 8 * 32 + 32 + 32, ~0U);
  put<u8>(image, 3 * block + 8, 2), put<u8>(image, 3 * block + 9, 6);
  put_inode(image, 12, 0120777, 2, 4, 0, 0);
  std::memcpy(&image[block + 12 * 32 + 32], "file", 4);
  return image;
}

u64 sum = 0;

void use(std::span<const byte> bytes) {
  for (const byte b : bytes) sum += static_cast<u64>(b);
}

void walk(const Image& image, u64 nid, int depth, int& budget) {
  if (--budget < 0) return;
  Result<Node> found = image.node(nid);
  if (!found.ok()) return;
  const Node n = found.take();
  u64 place = 0;
  for (int i = 0; i < 64; ++i) {
    Result<std::optional<Attribute>> next = image.next_attribute(n, place);
    if (!next.ok()) break;
    const std::optional<Attribute> a = next.take();
    if (!a) break;
    use({reinterpret_cast<const byte*>(a->name.data()), a->name.size()});
    use(a->value);
  }
  for (u64 offset = 0; offset < n.size && offset < 16 * block; offset += 1000)
    if (Result<std::span<const byte>> piece = image.data(n, offset); piece.ok()) use(piece.take());
  if (Result<std::string_view> target = image.target(n); target.ok()) {
    const std::string_view t = target.take();
    use({reinterpret_cast<const byte*>(t.data()), t.size()});
  }
  if (Result<Entry> e = image.find(n, "file"); e.ok()) sum += e.take().nid;
  if (depth == 0) return;
  place = 0;
  for (int i = 0; i < 64; ++i) {
    const u64 before = place;
    Result<std::optional<Entry>> next = image.next_entry(n, place);
    if (!next.ok()) break;
    const std::optional<Entry> e = next.take();
    if (!e) break;
    if (place <= before) __builtin_trap();
    use({reinterpret_cast<const byte*>(e->name.data()), e->name.size()});
    walk(image, e->nid, depth - 1, budget);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize length) {
  fuzz::Input input(data, length);
  std::vector<byte> image;
  if (input.number<u8>() % 4 == 0) {
    image.assign(data, data + length);
  } else {
    image = small_image();
    // As large as the memory behind it, so that a read past the end is seen.
    image.resize(input.number<u16>() % 2 == 0 ? image.size() : input.number<u16>() % image.size());
    while (!input.empty()) {
      const auto at = input.number<u16>();
      const auto value = input.number<u8>();
      if (at < image.size()) image[at] = static_cast<byte>(value);
    }
  }
  image.shrink_to_fit();
  Result<Image> opened = Image::open(image);
  if (!opened.ok()) return 0;
  const Image i = opened.take();
  int budget = 200;
  walk(i, i.root_nid(), 3, budget);
  return 0;
}
