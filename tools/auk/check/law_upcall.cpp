// Law 3: control goes up only through an interface declared below. Raw function-pointer types
// would be a second way, so only the listed callback headers may spell one.
#include "check/check.hpp"

#include <algorithm>

namespace auk {

namespace {

constexpr auto gate = "law 3";

class Scanner {
 public:
  explicit Scanner(std::string_view code) : code_(code) {}

  // Is the parenthesis at `open` the "(*name)" of a function-pointer type, also "(&name)",
  // "(T::*name)", "(*)" and arrays of them?
  bool is_function_pointer(std::size_t open) {
    at_ = open + 1;
    skip_space();
    while (skip_word()) {
      // A word that no "::" follows is the beginning of an ordinary expression.
      if (!skip_exactly("::")) return false;
      skip_space();
    }
    if (at_ >= code_.size() || (code_[at_] != '*' && code_[at_] != '&')) return false;
    while (at_ < code_.size() && (code_[at_] == '*' || code_[at_] == '&' || is_space(at_))) ++at_;
    std::string_view name;
    while (auto const word = skip_word()) name = is_qualifier(*word) ? name : *word;
    skip_arrays();
    skip_parameters();
    if (!skip_exactly(")")) return false;
    skip_space();
    if (at_ >= code_.size() || code_[at_] != '(') return false;
    return name.empty() || follows_type(open);
  }

 private:
  [[nodiscard]] bool is_space(std::size_t i) const {
    return std::isspace(static_cast<unsigned char>(code_[i])) != 0;
  }
  void skip_space() {
    while (at_ < code_.size() && is_space(at_)) ++at_;
  }
  bool skip_exactly(std::string_view text) {
    if (code_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }
  std::optional<std::string_view> skip_word() {
    auto const begin = at_;
    while (at_ < code_.size() && is_word_char(code_[at_])) ++at_;
    if (at_ == begin) return std::nullopt;
    auto const word = code_.substr(begin, at_ - begin);
    skip_space();
    return word;
  }
  void skip_arrays() {
    while (at_ < code_.size() && code_[at_] == '[') {
      at_ = std::min(code_.find(']', at_), code_.size() - 1) + 1;
      skip_space();
    }
  }
  // "(&name(int))(int)" is a function that returns one.
  void skip_parameters() {
    if (at_ >= code_.size() || code_[at_] != '(') return;
    for (int depth = 0; at_ < code_.size(); ++at_) {
      depth += code_[at_] == '(' ? 1 : code_[at_] == ')' ? -1 : 0;
      if (depth == 0) break;
    }
    ++at_;
    skip_space();
  }
  static bool is_qualifier(std::string_view word) {
    return word == "const" || word == "volatile" || word == "__restrict";
  }

  // Tells "void (*name)(int)" from the calls "return (*name)(1)" and "call(*name)(1)". The
  // formatter writes a space in the declaration and none in the call.
  [[nodiscard]] bool follows_type(std::size_t open) const {
    auto last = open;
    while (last > 0 && is_space(last - 1)) --last;
    if (last == 0) return false;
    char const before = code_[last - 1];
    if (before == '*' || before == '>') return true;
    if (before == '&') return last < 2 || code_[last - 2] != '&';
    if (!is_word_char(before) || last == open) return false;
    auto begin = last;
    while (begin > 0 && is_word_char(code_[begin - 1])) --begin;
    static constexpr std::string_view not_types[] = {
        "return", "co_return", "co_yield", "co_await", "throw", "case", "else",   "do",
        "if",     "while",     "for",      "switch",   "and",   "or",   "not",    "sizeof",
        "new",    "delete",    "requires", "operator", "catch", "goto", "alignof"};
    auto const word = code_.substr(begin, last - begin);
    return std::ranges::find(not_types, word) == std::end(not_types);
  }

  std::string_view code_;
  std::size_t at_ = 0;
};

}  // namespace

void check_upcalls(Tree const& tree, Report& report) {
  for (auto const& source : tree.sources) {
    if (source.isa || source.assembly || tree.floors.callback_headers.contains(source.below))
      continue;
    Scanner scanner(source.code);
    for (std::size_t open = 0; (open = source.code.find('(', open)) != std::string::npos; ++open)
      if (scanner.is_function_pointer(open))
        report.add(source.path, source.line_of(open), gate,
                   "raw function-pointer type; declare an interface on the lower floor");
    for_each_word(source.code, [&](std::string_view word, std::size_t at) {
      bool const known =
          word == "function" || word == "move_only_function" || word == "function_ref";
      if (known && at >= 5 && std::string_view(source.code).substr(at - 5, 5) == "std::")
        report.add(source.path, source.line_of(at), gate,
                   "std::{}; declare an interface on the lower floor", word);
    });
  }
}

}  // namespace auk
