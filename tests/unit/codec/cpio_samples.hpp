// Building cpio archives entry by entry, and a visitor that remembers.
#pragma once
#include <array>
#include <cstdio>
#include <string>

#include "codec/cpio.hpp"
#include "samples.hpp"

namespace auk::codec::test {

inline void append(Data& to, const Data& what) { to.insert(to.end(), what.begin(), what.end()); }

struct Fields {
  enum Index : usize { ino, mode, uid, gid, nlink, mtime, size, name_size = 11, sum };
  std::string magic = "070701";
  std::string name = "name";
  std::array<u32, 13> values{1, 0100644, 0, 0, 1};
};

/// Sizes are filled in.
inline Data entry(Fields f, const Data& content) {
  f.values[Fields::size] = static_cast<u32>(content.size());
  f.values[Fields::name_size] = static_cast<u32>(f.name.size() + 1);
  Data out = bytes_of(f.magic);
  for (const u32 v : f.values) {
    char digits[9];
    snprintf(digits, sizeof digits, "%08x", v);
    append(out, bytes_of(digits));
  }
  append(out, bytes_of(f.name));
  out.push_back(0);
  out.resize((out.size() + 3) & ~usize{3});
  append(out, content);
  out.resize((out.size() + 3) & ~usize{3});
  return out;
}

inline Data file(const std::string& name, const Data& content) {
  Fields f;
  f.name = name;
  return entry(f, content);
}
inline Data trailer() { return file("TRAILER!!!", {}); }

inline Data archive(std::initializer_list<Data> entries) {
  Data out;
  for (const Data& e : entries) append(out, e);
  append(out, trailer());
  return out;
}

class Recorder final : public CpioVisitor {
 public:
  struct Entry {
    CpioEntry head;
    std::string name;
    Data content;
    bool ended = false;
    bool operator==(const Entry& o) const {
      return name == o.name && content == o.content && ended == o.ended &&
             head.mode == o.head.mode && head.size == o.head.size;
    }
  };
  std::vector<Entry> entries;
  usize archives = 0;
  usize calls_left = static_cast<usize>(-1);  ///< then ENOSPC

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const Entry& e : entries) out.push_back(e.name);
    return out;
  }
  bool operator==(const Recorder& o) const {
    return entries == o.entries && archives == o.archives;
  }

  Result<void> begin(const CpioEntry& e) override {
    if (calls_left-- == 0) return Fail(Errno::enospc);
    entries.push_back({.head = e, .name = std::string(e.name), .content = {}});
    entries.back().head.name = {};
    return {};
  }
  Result<void> data(std::span<const byte> piece) override {
    if (calls_left-- == 0) return Fail(Errno::enospc);
    append(entries.back().content, Data(piece.begin(), piece.end()));
    return {};
  }
  Result<void> end() override {
    if (calls_left-- == 0) return Fail(Errno::enospc);
    entries.back().ended = true;
    return {};
  }
  Result<void> archive_end() override {
    if (calls_left-- == 0) return Fail(Errno::enospc);
    ++archives;
    return {};
  }
};

}  // namespace auk::codec::test
