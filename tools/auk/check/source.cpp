#include "check/source.hpp"

#include <algorithm>

namespace auk {

namespace {

bool is_source_extension(fs::path const& extension) {
  static constexpr std::string_view known[] = {".cpp", ".hpp", ".c", ".h", ".S", ".inc"};
  return std::ranges::find(known, extension.string()) != std::end(known);
}

// Walks over one string or character literal, or one comment, blanking as it goes.
class Blanker {
 public:
  explicit Blanker(std::string_view text) : in_(text), out_(text) {}

  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  void step() {
    char const c = in_[at_];
    if (in_.substr(at_, 2) == "//") return line_comment();
    if (in_.substr(at_, 2) == "/*") return block_comment();
    if (c == '"') return is_raw() ? raw_string() : quoted('"');
    // An apostrophe inside a number separates digits.
    if (c == '\'' && !in_number()) return quoted('\'');
    ++at_;
  }

  void blank_to(std::size_t end) {
    for (end = std::min(end, in_.size()); at_ < end; ++at_)
      if (in_[at_] != '\n') out_[at_] = ' ';
  }

  void line_comment() {
    auto end = in_.find('\n', at_);
    while (end != in_.npos && in_[end - 1] == '\\') end = in_.find('\n', end + 1);
    blank_to(end);
  }

  void block_comment() {
    auto const end = in_.find("*/", at_ + 2);
    blank_to(end == in_.npos ? end : end + 2);
  }

  void quoted(char quote) {
    auto end = at_ + 1;
    while (end < in_.size() && in_[end] != quote && in_[end] != '\n')
      end += in_[end] == '\\' ? 2 : 1;
    ++at_;  // the quotes stay
    blank_to(end);
    if (at_ < in_.size() && in_[at_] == quote) ++at_;
  }

  void raw_string() {
    auto const open = in_.find('(', at_);
    auto const close = ")" + std::string(in_.substr(at_ + 1, open - at_ - 1)) + "\"";
    auto const end = open == in_.npos ? open : in_.find(close, open);
    ++at_;
    blank_to(end == in_.npos ? end : end + close.size() - 1);
    if (at_ < in_.size()) ++at_;
  }

  [[nodiscard]] std::string_view word_before() const {
    auto begin = at_;
    while (begin > 0 && (is_word_char(in_[begin - 1]) || in_[begin - 1] == '\'')) --begin;
    return in_.substr(begin, at_ - begin);
  }

  [[nodiscard]] bool is_raw() const {
    auto const word = word_before();
    return word == "R" || word == "u8R" || word == "uR" || word == "UR" || word == "LR";
  }

  [[nodiscard]] bool in_number() const {
    auto const word = word_before();
    return !word.empty() && std::isdigit(static_cast<unsigned char>(word[0]));
  }

  std::string_view in_;
  std::string out_;
  std::size_t at_ = 0;
};

void find_lines(Source& source) {
  source.line_starts.push_back(0);
  for (std::size_t i = 0; i + 1 < source.text.size(); ++i)
    if (source.text[i] == '\n') source.line_starts.push_back(i + 1);
}

void find_includes(Source& source) {
  int number = 0;
  for (auto const start : source.line_starts) {
    ++number;
    // In assembly a comment may begin with '#', hence the look at the word behind it.
    auto const end = source.text.find('\n', start);
    std::string_view code = std::string_view(source.code).substr(start, end - start);
    std::string_view text = std::string_view(source.text).substr(start, end - start);
    auto const hash = code.find_first_not_of(" \t");
    if (hash == code.npos || code[hash] != '#') continue;
    auto const word = code.find_first_not_of(" \t", hash + 1);
    if (word == code.npos) continue;
    auto const word_end = std::min(code.find_first_of(" \t\"<", word), code.size());
    auto const directive = code.substr(word, word_end - word);
    if (directive != "include" && directive != "include_next" && directive != "import") continue;
    auto const open = code.find_first_not_of(" \t", word_end);
    bool const angle = open != code.npos && code[open] == '<';
    bool const quote = open != code.npos && code[open] == '"';
    if (!angle && !quote) {
      source.includes.push_back({number, {}, false});
      continue;
    }
    auto const close = text.find(angle ? '>' : '"', open + 1);
    source.includes.push_back(
        {number, std::string(text.substr(open + 1, close - open - 1)), angle});
  }
}

}  // namespace

std::string blank_comments_and_strings(std::string_view text) { return Blanker(text).run(); }

int Source::line_of(std::size_t offset) const {
  auto const after = std::ranges::upper_bound(line_starts, offset);
  return static_cast<int>(after - line_starts.begin());
}

std::string_view Source::line_text(int line) const {
  auto const start = line_starts.at(static_cast<std::size_t>(line) - 1);
  return std::string_view(text).substr(start, text.find('\n', start) - start);
}

Tree load_tree(fs::path const& root) {
  Tree tree{.root = root, .floors = load_floors(root / "floors.toml"), .sources = {}};
  if (!fs::exists(root / "kernel")) fail("{} has no folder kernel/", root.string());
  for (auto const& file : files_below(root / "kernel")) {
    if (!is_source_extension(file.extension())) continue;
    Source source{};
    source.path = file.lexically_relative(root).generic_string();
    source.below = source.path.substr(std::string_view("kernel/").size());
    source.header = source.path.ends_with(".hpp") || source.path.ends_with(".h");
    source.assembly = source.path.ends_with(".S");
    source.module = tree.floors.module_of(source.below);
    source.isa = tree.floors.in_isa_dir(source.below);
    source.text = read_file(file);
    source.code = blank_comments_and_strings(source.text);
    find_lines(source);
    find_includes(source);
    tree.sources.push_back(std::move(source));
  }
  return tree;
}

}  // namespace auk
