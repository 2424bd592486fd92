#include "check/remember.hpp"

#include <charconv>

namespace auk {

namespace {

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::uint64_t ContentHashes::of(fs::path const& file) {
  auto const name = file.lexically_normal().string();
  {
    std::scoped_lock const lock(mutex_);
    if (auto const known = known_.find(name); known != known_.end()) return known->second;
  }
  auto const text = try_read_file(name);
  auto const hash = text ? hash_text(*text) : 0;
  std::scoped_lock const lock(mutex_);
  return known_[name] = hash;
}

bool Passed::contains(std::string const& subject, std::uint64_t key) const {
  if (forget_) return false;
  auto const text = try_read_file(record(subject));
  if (!text) return false;
  auto const lines = lines_of(*text);
  if (lines.empty() || parse_hex(lines[0]) != key) return false;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    auto const space = lines[i].find(' ');
    if (space == std::string_view::npos) return false;
    auto const hash = parse_hex(lines[i].substr(0, space));
    if (!hash || *hash != hashes_.of(lines[i].substr(space + 1))) return false;
  }
  return true;
}

void Passed::add(std::string const& subject, std::uint64_t key,
                 std::vector<fs::path> const& files) const {
  auto text = std::format("{:x}\n", key);
  for (auto const& file : files) text += std::format("{:x} {}\n", hashes_.of(file), file.string());
  write_file(record(subject), text);
}

std::vector<fs::path> read_depfile(fs::path const& file, fs::path const& directory) {
  auto text = try_read_file(file).value_or("");
  auto const colon = text.find(": ");
  if (colon == text.npos) return {};
  text.erase(0, colon + 2);
  // A backslash before the line end continues the list.
  for (auto& c : text)
    if (c == '\n') c = ' ';
  std::string clean;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] != '\\' || i + 1 == text.size() || text[i + 1] != ' ') clean += text[i];
  std::vector<fs::path> files;
  for (auto const& word : split_shell(clean))
    files.push_back((directory / word).lexically_normal());
  return files;
}

}  // namespace auk
