// Law 4: only directories named after a machine may speak of that machine.
#include "check/check.hpp"

#include <algorithm>

namespace auk {

namespace {

constexpr auto gate = "law 4";

bool is_machine_macro(std::string_view word) {
  static constexpr std::string_view macros[] = {
      "__x86_64__", "__x86_64",    "__amd64__", "__amd64", "__i386__",
      "__i386",     "__aarch64__", "__arm64__", "__arm__", "__riscv"};
  return std::ranges::find(macros, word) != std::end(macros);
}

bool is_assembly_word(std::string_view word) {
  return word == "asm" || word == "__asm__" || word == "__asm";
}

// The words of an identifier in lower case: read_cr3, ReadCr3 and READ_CR3 all hold "cr3", CpuId
// does not hold "cpuid".
std::vector<std::string> words_in(std::string_view identifier) {
  std::vector<std::string> words{""};
  bool small = false;  // the last character was no capital
  for (char const signed_c : identifier) {
    auto const c = static_cast<unsigned char>(signed_c);
    if (c == '_' || (std::isupper(c) && small)) words.emplace_back();
    if (c != '_') words.back() += static_cast<char>(std::tolower(c));
    small = c != '_' && !std::isupper(c);
  }
  return words;
}

std::optional<std::string> machine_word(Floors const& floors, std::string_view identifier) {
  for (auto& word : words_in(identifier))
    if (floors.isa_words.contains(word)) return std::move(word);
  return std::nullopt;
}

}  // namespace

void check_isa(Tree const& tree, Report& report) {
  for (auto const& source : tree.sources) {
    if (source.isa) continue;
    if (source.assembly)
      report.add(source.path, 0, gate, "an assembly file stands in a machine's directory");
    for_each_word(source.code, [&](std::string_view word, std::size_t at) {
      int const line = source.line_of(at);
      if (is_machine_macro(word))
        report.add(source.path, line, gate, "{} outside a machine's directory", word);
      else if (is_assembly_word(word))
        report.add(source.path, line, gate, "inline assembly outside a machine's directory");
      else if (auto const found = machine_word(tree.floors, word))
        report.add(source.path, line, gate, "{}: \"{}\" is a word of one machine", word, *found);
    });
    for (auto const& include : source.includes)
      if (!include.angle && tree.floors.in_isa_dir(include.name))
        report.add(source.path, include.line, gate,
                   "\"{}\" names a machine's directory; write isa instead", include.name);
  }
}

}  // namespace auk
