// Purpose: source files as the gates see them: text, text without comments and strings, includes.
#pragma once

#include "check/floors.hpp"

#include <cctype>

namespace auk {

struct Include {
  int line;
  std::string name;  // between the quotes or angles; empty if it is a macro
  bool angle;
};

struct Source {
  std::string path;      // relative to the tree: kernel/...
  std::string below;     // the same without "kernel/"
  Module const* module;  // null if floors.toml knows none
  bool header, assembly;
  bool isa;  // in a directory that may speak of one machine
  std::string text;
  std::string code;  // text with comments and the insides of strings blanked
  std::vector<std::size_t> line_starts;
  std::vector<Include> includes;

  [[nodiscard]] int line_of(std::size_t offset) const;
  [[nodiscard]] std::string_view line_text(int line) const;
};

// Sources point to modules, so a tree is moved, never copied.
struct Tree {
  fs::path root;
  Floors floors;
  std::vector<Source> sources;  // everything compiled or included below kernel/, sorted by path
};

Tree load_tree(fs::path const& root);

// Same length and line breaks as `text`.
std::string blank_comments_and_strings(std::string_view text);

inline bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Calls visit(word, offset) for every identifier and keyword.
template <class Visit> void for_each_word(std::string_view code, Visit visit) {
  for (std::size_t i = 0; i < code.size();) {
    if (!is_word_char(code[i])) {
      ++i;
      continue;
    }
    auto end = i;
    while (end < code.size() && is_word_char(code[end])) ++end;
    if (!std::isdigit(static_cast<unsigned char>(code[i]))) visit(code.substr(i, end - i), i);
    i = end;
  }
}

}  // namespace auk
