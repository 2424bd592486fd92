#include "support.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace auk {

namespace {
fs::path the_repository;
}

fs::path const& repository() { return the_repository; }
void set_repository(fs::path path) { the_repository = std::move(path); }

void print_note(std::string_view text) {
  // Standard output comes first where both streams end in one file.
  std::fflush(stdout);
  std::fprintf(stderr, "auk: %.*s\n", static_cast<int>(text.size()), text.data());
}

std::optional<std::string> try_read_file(fs::path const& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::string read_file(fs::path const& path) {
  auto text = try_read_file(path);
  if (!text) fail("cannot read {}", path.string());
  return *std::move(text);
}

void write_file(fs::path const& path, std::string_view text) {
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  // A reader never sees half a file, and a killed tool leaves none.
  fs::path const fresh = path.string() + ".new";
  {
    std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!out.flush()) fail("cannot write {}", path.string());
  }
  fs::rename(fresh, path);
}

bool write_if_changed(fs::path const& path, std::string_view text) {
  if (auto old = try_read_file(path); old && *old == text) return false;
  write_file(path, text);
  return true;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    auto const end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::string_view trimmed(std::string_view text) {
  auto const first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string join(std::span<std::string const> parts, std::string_view separator) {
  std::string text;
  for (auto const& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = pattern.npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<std::string> split_shell(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    char const c = line[i];
    if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      word += line[++i];
      in_word = true;
    } else if (quote) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t') {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (in_word) words.push_back(word);
  return words;
}

std::uint64_t hash_text(std::string_view text, std::uint64_t seed) {
  for (char const c : text) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return seed;
}

std::vector<fs::path> files_below(fs::path const& folder) {
  std::vector<fs::path> files;
  if (!fs::is_directory(folder)) return files;
  // No range-for: it walks with a copy, which would not hear of the folders left out.
  for (fs::recursive_directory_iterator at(folder), end; at != end; ++at) {
    auto const name = at->path().filename().string();
    if (name.starts_with(".") || name == "fixtures" || name == "__pycache__")
      at.disable_recursion_pending();
    else if (at->is_regular_file())
      files.push_back(at->path());
  }
  std::ranges::sort(files);
  return files;
}

bool is_newer(fs::path const& file, fs::path const& than) {
  std::error_code error;
  auto const file_time = fs::last_write_time(file, error);
  if (error) return false;
  auto const than_time = fs::last_write_time(than, error);
  return error || file_time > than_time;
}

namespace {
std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
}  // namespace

Stopwatch::Stopwatch() : start_(now_ns()) {}
double Stopwatch::seconds() const { return static_cast<double>(now_ns() - start_) / 1e9; }

}  // namespace auk
