#include "init/first_words.hpp"

#include "core/log.hpp"
#include "core/param.hpp"

namespace auk::init {
namespace {

constinit std::string_view init_path;
constinit std::string_view ramdisk_path = "/init";

bool set_init(std::string_view v) {
  init_path = v;
  return true;
}
bool set_ramdisk_init(std::string_view v) {
  ramdisk_path = v;
  return true;
}
PARAM("init", set_init);
PARAM("rdinit", set_ramdisk_init);

}  // namespace

void FirstWords::add_argument(std::string_view s) {
  if (argument_count_ == most) return core::log_warn("Too many arguments for init: {}", s);
  arguments_[argument_count_++] = s;
}

void FirstWords::add_environment(std::string_view name, std::string_view value) {
  const usize size = name.size() + 1 + value.size();
  // A later word replaces an earlier one of the same name.
  usize at = 0;
  while (at < environment_count_ && (environment_[at].substr(0, name.size()) != name ||
                                     environment_[at].substr(name.size(), 1) != "="))
    ++at;
  if (at == most || size > text_.size() - text_size_)
    return core::log_warn("Too much environment for init: {}", name);
  char* const to = text_.data() + text_size_;
  name.copy(to, name.size());
  to[name.size()] = '=';
  value.copy(to + name.size() + 1, value.size());
  text_size_ += size;
  environment_[at] = {to, size};
  if (at == environment_count_) ++environment_count_;
}

void FirstWords::read(std::string_view line) {
  add_environment("HOME", "/");
  add_environment("TERM", "linux");
  bool rest = false;
  core::ParamWord word;
  while (core::next_param(line, word)) {
    if (!rest && word.name == "--") {
      rest = true;
      continue;
    }
    // A dot names a parameter of a module, which may come later or never.
    if (!rest && (core::is_known_param(word.name) || word.name.find('.') != std::string_view::npos))
      continue;
    if (word.has_value && !rest) {
      add_environment(word.name, word.value);
    } else if (word.has_value) {
      // As it stood there: the sign lies between the two.
      const char* const start = word.name.data();
      add_argument({start, static_cast<usize>(word.value.data() + word.value.size() - start)});
    } else {
      add_argument(word.name);
    }
  }
}

proc::FirstProgram FirstWords::program() const {
  return {.ramdisk_path = ramdisk_path,
          .path = init_path,
          .arguments = std::span(arguments_).first(argument_count_),
          .environment = std::span(environment_).first(environment_count_)};
}

}  // namespace auk::init
