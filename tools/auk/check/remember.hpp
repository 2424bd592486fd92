// Purpose: remembers which inputs passed a slow gate, by the content of every file that was read.
#pragma once

#include "support.hpp"

#include <map>
#include <mutex>

namespace auk {

// Content hashes of files, each read once per run.
class ContentHashes {
 public:
  // 0 if the file does not exist.
  std::uint64_t of(fs::path const&);

 private:
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> known_;
};

// One record per subject (a header, a source). A record holds the key of the command, and each
// file read with its hash; only subjects that passed have one.
class Passed {
 public:
  Passed(fs::path folder, ContentHashes& hashes, bool forget)
      : folder_(std::move(folder)),
        hashes_(hashes),
        forget_(forget) {}

  [[nodiscard]] bool contains(std::string const& subject, std::uint64_t key) const;
  void add(std::string const& subject, std::uint64_t key, std::vector<fs::path> const& files) const;

 private:
  [[nodiscard]] fs::path record(std::string const& subject) const { return folder_ / subject; }

  fs::path folder_;
  ContentHashes& hashes_;
  bool forget_;
};

// The files named in a dependency file as compilers write it, without the target.
std::vector<fs::path> read_depfile(fs::path const&, fs::path const& directory);

}  // namespace auk
