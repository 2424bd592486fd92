// Purpose: the command that auk-init runs, read from the file that the host put into the root.
#pragma once

#include "protocol.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace auk::guest {

struct Command {
  static constexpr unsigned max_words = 4096;

  bool terminal = false, has_ports = false;
  int rows = 0, columns = 0;
  char const* folder = "/";
  char* arguments[max_words + 1] = {};
  char* environment[max_words + 1] = {};

  // False, with errno set, if there is no such file or no command in it.
  bool load(char const* path) {
    int const file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    std::size_t size = 0;
    for (;;) {
      ssize_t const got = read(file, text_ + size, sizeof text_ - 1 - size);
      if (got <= 0) break;
      size += static_cast<std::size_t>(got);
    }
    close(file);
    for (char* field = text_; field < text_ + size; field += strlen(field) + 1) read_field(field);
    errno = EINVAL;
    return arguments[0] != nullptr;
  }

  char const* search_path() const {
    for (char* const* variable = environment; *variable; ++variable)
      if (strncmp(*variable, "PATH=", 5) == 0) return *variable + 5;
    return "/bin:/usr/bin";
  }

 private:
  void read_field(char* field) {
    char* const value = field + 2;
    switch (*field) {
      case 't': terminal = true; break;
      case 'p': has_ports = true; break;
      case 's': (void)sscanf(value, "%d %d", &rows, &columns); break;
      case 'w': folder = value; break;
      case 'e':
        if (variables_ < max_words) environment[variables_++] = value;
        break;
      case 'a':
        if (words_ < max_words) arguments[words_++] = value;
        break;
      default: break;
    }
  }

  char text_[protocol::command_limit + 1];
  unsigned words_ = 0, variables_ = 0;
};

}  // namespace auk::guest
