// Purpose: archives in the "newc" format, as kernels take them for their first root.
#pragma once

#include "support.hpp"

namespace auk {

class Cpio {
 public:
  // Paths are those of the guest, "/bin/sh"; the folders above must have been added before.
  void add_folder(std::string_view path, unsigned mode = 0755);
  void add_file(std::string_view path, std::string_view content, unsigned mode = 0644);
  void add_link(std::string_view path, std::string_view target);
  void add_device(std::string_view path, unsigned mode, unsigned major, unsigned minor);
  // A file, link or folder of the host with everything below it.
  void add_copy(std::string_view path, fs::path const& source);

  // The archive, padded so that another one may follow. Nothing can be added afterwards.
  std::string finish();

 private:
  struct Entry {
    unsigned mode, major = 0, minor = 0;
    std::string_view content{};
  };
  void add(std::string_view name, Entry const&);
  void pad(std::size_t alignment);

  std::string bytes_;
  unsigned next_inode_ = 1;
};

}  // namespace auk
