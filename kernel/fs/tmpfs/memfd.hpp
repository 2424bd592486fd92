// memfd_create(2): files of memory that stand in no directory.
//
// Data model: inodes of a tmpfs without limits that is mounted nowhere. Context: threads.
#pragma once
#include <string_view>

#include "vfs/operations.hpp"

namespace auk::fs::tmpfs {

/// Such a file, open for reading and writing. `mode`: without type. `seals`: what it has already of
/// fcntl(2)'s. ENOMEM.
Result<Ref<io::File>> make_memfd(const vfs::Asker& who, std::string_view name, u32 mode, u32 seals);

}  // namespace auk::fs::tmpfs
