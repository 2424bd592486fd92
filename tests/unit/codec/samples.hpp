// What the codec tests share: the real compressors, data of several kinds, sinks that remember.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "codec/zstd.hpp"

namespace auk::codec::test {

using Data = std::vector<byte>;

inline Data bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

/// A directory that goes with the test.
class TempDir {
  std::filesystem::path path_;

 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "auk-codec-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path put(const std::string& name, const Data& content) const {
    std::ofstream(path_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
    return path_ / name;
  }
};

/// What a shell command prints. A command that fails fails the test: the programs are no option.
inline Data output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen: " + command);
  Data out;
  byte buffer[65536];
  for (usize n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    out.insert(out.end(), buffer, buffer + n);
  if (pclose(pipe) != 0) throw std::runtime_error("failed: " + command);
  return out;
}

/// What `command` makes of `input` on its standard input.
inline Data filtered(const std::string& command, const Data& input) {
  const TempDir dir;
  return output_of(command + " < " + dir.put("input", input).string());
}

enum class Kind { zeros, noise, text, runs, far };
inline constexpr Kind all_kinds[] = {Kind::zeros, Kind::noise, Kind::text, Kind::runs, Kind::far};

inline Data noise(usize size, u32 seed) {
  std::mt19937 random(seed);
  Data out(size);
  for (byte& b : out) b = static_cast<byte>(random());
  return out;
}

/// Words drawn unevenly: many symbols, many matches.
inline Data text(usize size, u32 seed) {
  std::mt19937 random(seed);
  std::vector<std::string> words(2000);
  for (std::string& w : words)
    for (usize n = 1 + random() % 9; n > 0; --n)
      w += "etaoinshrdlucmfwypvbgkqjxz"[std::min(random() % 26, random() % 26)];
  Data out;
  while (out.size() < size) {
    const std::string& w = words[std::min(random() % 2000, random() % 2000)];
    out.insert(out.end(), w.begin(), w.end());
    out.push_back(random() % 12 == 0 ? '\n' : ' ');
  }
  out.resize(size);
  return out;
}

/// Repetitions with every short period.
inline Data runs(usize size, u32 seed) {
  std::mt19937 random(seed);
  Data out;
  while (out.size() < size) {
    const Data unit = noise(1 + random() % 40, static_cast<u32>(random()));
    for (usize n = random() % 30; n > 0; --n) out.insert(out.end(), unit.begin(), unit.end());
    for (usize n = random() % 8; n > 0; --n) out.push_back(unit[n % unit.size()]);
  }
  out.resize(size);
  return out;
}

/// Noise that comes again after long distances.
inline Data far(usize size, u32 seed) {
  std::mt19937 random(seed);
  Data out = noise(std::min<usize>(size, 30000), seed);
  while (out.size() < size) {
    const usize from = random() % out.size();
    const usize n = std::min<usize>(3 + random() % 400, out.size() - from);
    const Data piece(out.begin() + static_cast<isize>(from),
                     out.begin() + static_cast<isize>(from + n));
    out.insert(out.end(), piece.begin(), piece.end());
  }
  out.resize(size);
  return out;
}

inline Data sample(Kind kind, usize size) {
  const u32 seed = static_cast<u32>(size) + 1;
  switch (kind) {
    case Kind::zeros: return Data(size);
    case Kind::noise: return noise(size, seed);
    case Kind::text: return text(size, seed);
    case Kind::runs: return runs(size, seed);
    case Kind::far: return far(size, seed);
  }
  return {};
}

class Collector final : public ByteSink {
 public:
  Data all;
  usize limit = static_cast<usize>(-1);  ///< ENOSPC beyond
  Result<void> write(std::span<const byte> piece) override {
    if (all.size() + piece.size() > limit) return Fail(Errno::enospc);
    all.insert(all.end(), piece.begin(), piece.end());
    return {};
  }
};

/// Exactly as much as was asked for, full of rubbish, and only until the next question.
class FreshMemory final : public WindowMemory {
  std::unique_ptr<byte[]> memory_;

 public:
  usize limit = static_cast<usize>(-1);  ///< ENOMEM beyond
  usize asked = 0;
  Result<std::span<byte>> window(usize size) override {
    asked = size;
    if (size > limit) return Fail(Errno::enomem);
    memory_.reset(new byte[size]);
    std::fill_n(memory_.get(), std::min<usize>(size, 1 << 17), byte{0xa5});
    return std::span(memory_.get(), size);
  }
};

/// The same bytes at the very end of a block of memory: the sanitizer sees every byte too many.
class Exact {
  std::unique_ptr<byte[]> memory_;
  usize size_;

 public:
  explicit Exact(std::span<const byte> from) : memory_(new byte[from.size()]), size_(from.size()) {
    std::copy(from.begin(), from.end(), memory_.get());
  }
  std::span<const byte> span() const { return {memory_.get(), size_}; }
};

}  // namespace auk::codec::test
