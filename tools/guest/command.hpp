// Purpose: the command that auk-init runs, read from the file that the host put into the root.
#pragma once

#include "protocol.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace auk::guest {

struct Command {
  static constexpr unsigned max_words = 4096;

  bool terminal = false, has_ports = false, on_disk = false;
  int rows = 0, columns = 0;
  char const* folder = "/";
  char const* user = nullptr;
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
    char const* const path = find_variable("PATH");
    return path ? path : "/bin:/usr/bin";
  }

  // A variable that the host has not chosen.
  void set_default(char const* name, char const* value) {
    if (find_variable(name) || variables_ == max_words) return;
    auto const size = strlen(name) + strlen(value) + 2;
    auto* const text = static_cast<char*>(malloc(size));
    if (!text) return;
    snprintf(text, size, "%s=%s", name, value);
    environment[variables_++] = text;
  }

 private:
  char const* find_variable(char const* name) const {
    auto const size = strlen(name);
    for (char* const* variable = environment; *variable; ++variable)
      if (strncmp(*variable, name, size) == 0 && (*variable)[size] == '=')
        return *variable + size + 1;
    return nullptr;
  }
  void read_field(char* field) {
    char* const value = field + 2;
    switch (*field) {
      case 't': terminal = true; break;
      case 'p': has_ports = true; break;
      case 'd': on_disk = true; break;
      case 's': (void)sscanf(value, "%d %d", &rows, &columns); break;
      case 'w': folder = value; break;
      case 'u': user = value; break;
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
