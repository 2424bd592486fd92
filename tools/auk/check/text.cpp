// Gates that read one file at a time: heads, pragmas, unfinished words, length, unanalysed
// functions.
#include "check/check.hpp"

#include <algorithm>

namespace auk {

namespace {

// Calls visit(path, extension, text) for the tree's text files, with paths relative to its root.
template <class Visit> void for_each_text_file(fs::path const& root, Visit visit) {
  static constexpr std::string_view extensions[] = {".cpp", ".hpp",   ".h",  ".c",  ".S",
                                                    ".inc", ".cmake", ".py", ".sh", "",
                                                    ".txt", ".toml",  ".ld", ".lds"};
  for (auto const* top : {"kernel", "tools", "tests"}) {
    for (auto const& file : files_below(root / top)) {
      auto const extension = file.extension().string();
      if (std::ranges::find(extensions, extension) != std::end(extensions))
        visit(file.lexically_relative(root).generic_string(), extension, read_file(file));
    }
  }
}

// Spelled in halves, or this file would not pass its own gate.
constexpr std::string_view todo = "TO"
                                  "DO";
constexpr std::string_view unfinished_words[] = {"FIX"
                                                 "ME",
                                                 "XX"
                                                 "X",
                                                 "HA"
                                                 "CK"};
constexpr std::string_view unfinished_phrases[] = {"for "
                                                   "now",
                                                   "not implemented "
                                                   "yet"};

// The issue a note of work to be done names: "(#12)".
bool names_issue(std::string_view after) {
  if (!after.starts_with("(#")) return false;
  after.remove_prefix(2);
  auto const digits = std::min(after.find_first_not_of("0123456789"), after.size());
  return digits > 0 && digits < after.size() && after[digits] == ')';
}

void check_line(std::string const& path, int number, std::string_view line, Report& report) {
  constexpr auto gate = "unfinished";
  for_each_word(line, [&](std::string_view word, std::size_t at) {
    if (word == todo && !names_issue(line.substr(at + word.size())))
      report.add(path, number, gate, "{} without an issue, as in {}(#12)", todo, todo);
    if (std::ranges::find(unfinished_words, word) != std::end(unfinished_words))
      report.add(path, number, gate, "{}", word);
  });
  std::string lower(line);
  for (auto& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (auto const phrase : unfinished_phrases) {
    auto const at = lower.find(phrase);
    if (at == lower.npos) continue;
    auto const end = at + phrase.size();
    bool const whole = (at == 0 || !is_word_char(lower[at - 1])) &&
                       (end == lower.size() || !is_word_char(lower[end]));
    if (whole) report.add(path, number, gate, "\"{}\"", phrase);
  }
}

bool has_pragma_once(Source const& source) {
  return std::ranges::any_of(lines_of(source.code),
                             [](auto line) { return trimmed(line) == "#pragma once"; });
}

// `#pragma once` may stand before the head.
bool has_head(Source const& source) {
  for (auto const line : lines_of(source.text)) {
    auto const text = trimmed(line);
    if (text.empty() || text == "#pragma once") continue;
    return text.starts_with("//");
  }
  return false;
}

struct Unanalysed {
  Source const* source;
  int line;
  std::string reason;
};

std::vector<Unanalysed> find_unanalysed(Tree const& tree) {
  std::vector<Unanalysed> found;
  for (auto const& source : tree.sources) {
    for_each_word(source.code, [&](std::string_view word, std::size_t at) {
      int const line = source.line_of(at);
      if (word != "AUK_NO_ANALYSIS" || trimmed(source.line_text(line)).starts_with("#")) return;
      auto const open = source.text.find('"', at);
      auto const close = open == std::string::npos ? open : source.text.find('"', open + 1);
      bool const has_reason = close != std::string::npos &&
                              source.text.substr(at, open - at).find(')') == std::string::npos;
      found.push_back(
          {&source, line, has_reason ? source.text.substr(open + 1, close - open - 1) : ""});
    });
  }
  return found;
}

// The attribute itself stands in macros only, so that nothing is switched off unseen.
void check_bare_attribute(Tree const& tree, Report& report) {
  for (auto const& source : tree.sources)
    for_each_word(source.code, [&](std::string_view word, std::size_t at) {
      int const line = source.line_of(at);
      if (word == "no_thread_safety_analysis" &&
          !trimmed(source.line_text(line)).starts_with("#define"))
        report.add(source.path, line, "analysis", "write AUK_NO_ANALYSIS(\"reason\") instead");
    });
}

}  // namespace

void check_headers_text(Tree const& tree, Report& report) {
  for (auto const& source : tree.sources) {
    if (!source.header) continue;
    if (!has_pragma_once(source)) report.add(source.path, 1, "header", "no #pragma once");
    if (!source.isa && !has_head(source))
      report.add(source.path, 1, "header", "no head comment (what it is for, who may call it)");
  }
}

void check_unanalysed(Tree const& tree, Report& report, fs::path const& list) {
  check_bare_attribute(tree, report);
  auto const found = find_unanalysed(tree);
  std::string text;
  for (auto const& [source, line, reason] : found) {
    if (trimmed(reason).empty())
      report.add(source->path, line, "analysis", "AUK_NO_ANALYSIS without a reason");
    text += std::format("{}:{}: {}\n    {}\n", source->path, line, reason,
                        trimmed(source->line_text(line)));
  }
  auto const count = static_cast<int>(found.size());
  if (count > tree.floors.unanalysed_functions)
    report.add("floors.toml", 0, "analysis", "{} functions are not analysed, {} are allowed", count,
               tree.floors.unanalysed_functions);
  if (!list.empty()) write_if_changed(list, text);
}

void check_words_and_length(Tree const& tree, Report& report) {
  for_each_text_file(
      tree.root, [&](std::string const& path, std::string_view extension, std::string const& text) {
        auto const lines = lines_of(text);
        int number = 0;
        for (auto const line : lines) check_line(path, ++number, line, report);
        // Lists of data may be as long as they must.
        bool const data = extension == ".txt" || extension == ".toml";
        if (!data && number > tree.floors.file_lines)
          report.add(path, 0, "length", "{} lines, {} are allowed", number, tree.floors.file_lines);
      });
}

}  // namespace auk
