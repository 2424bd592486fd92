// exec: a new program in an old process. See execve(2), elf(5).
//
// Data model: everything that can fail is done on an address space nobody uses yet; the point of no
// return swaps it in. Context: the thread itself.
#pragma once
#include "proc/task.hpp"

namespace auk::proc {

/// Strings of the new program, in kernel memory: one after the other, in room that grows.
class ArgumentBlock {
  char* text_ = nullptr;
  mem::KernelRange* range_ = nullptr;  ///< that `text_` lies in, when it is long
  usize room_ = 0, used_ = 0, strings_ = 0;
  usize limit_;  ///< for all bytes and pointers

  void give_back();
  Result<void> grow(usize wanted);
  bool is_too_long(usize more_bytes, usize more_strings) const;

 public:
  usize arguments = 0, environment = 0;
  /// For a thread that runs the file at `path`: execve(2), "Limits on size of arguments".
  ArgumentBlock(Task& me, std::string_view path);
  ~ArgumentBlock() { give_back(); }
  ArgumentBlock(const ArgumentBlock&) = delete;
  ArgumentBlock& operator=(const ArgumentBlock&) = delete;
  /// E2BIG, ENOMEM; the same for what follows.
  Result<void> add(std::string_view s);
  /// A string of the caller's memory.
  Result<void> add_user(core::UserStr s);
  /// Takes the first string away and puts others in front, for scripts.
  Result<void> replace_first(std::span<const std::string_view> fresh);
  std::span<const char> bytes() const;
};

/// Runs the file. Returns only when it fails, or 0 to enter the new program through the registers.
Result<void> exec(Task& me, Ref<io::File> file, std::string_view path, ArgumentBlock& block);

struct FirstProgram {
  std::string_view ramdisk_path;  ///< tried first, if it is there
  std::string_view path;          ///< empty: the usual places
  std::span<const std::string_view> arguments, environment;
};
/// Becomes the first program, or panics with Linux's words.
void exec_first_program(Task& me);

void set_default_limits(Limits& limits);

}  // namespace auk::proc
