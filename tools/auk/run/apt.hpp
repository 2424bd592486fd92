// Purpose: Debian's packages by the host's apt: which ones a root consists of, and their files.
#pragma once

#include "support.hpp"

namespace auk {

// As `auk run --install` takes it, and apt can take it for nothing else.
bool is_package_name(std::string_view);

/// What the host's apt knows of Debian 12. Its mirrors, its proxies and its lists are used; sources
/// of others are left out, so that a root does not depend on them.
class Apt {
 public:
  /// Throws if it knows nothing.
  Apt();

  struct Closure {
    std::vector<std::string> files;  // of the packages; the names say the versions
    std::uintmax_t bytes = 0;        // of all
    std::uintmax_t missing = 0;      // of those that are not here yet
  };
  /// The smallest system that has these packages. Throws, and names it, if one does not exist.
  Closure resolve(std::vector<std::string> const& packages) const;
  /// Brings the files into folder(); those that are there stay. Asks for newer lists if the mirror
  /// no longer has what the old ones name, so resolve() comes after it.
  void download(std::vector<std::string> const& packages);
  /// Shared by all roots.
  static fs::path folder();

  /// As sources.list has them.
  std::vector<std::string> const& sources() const { return sources_; }
  /// The files that hold apt's lists of these sources.
  std::vector<fs::path> const& lists() const { return lists_; }

 private:
  void find_sources();
  std::vector<std::string> command(fs::path const& archives,
                                   std::vector<std::string> const& packages) const;

  std::vector<std::string> sources_;
  std::vector<fs::path> lists_;
};

}  // namespace auk
