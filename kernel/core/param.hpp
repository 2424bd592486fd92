// Command-line parameters, one registration per parameter, next to the code that obeys it.
//
// Data model: `PARAM("name", setter)` is a row in the section reg_param. Words of the command line
// that no row claims go to init, as Linux does: after `--` as arguments, `k=v` as environment.
// Context: parsed once on the boot CPU, before memory management; setters only store values.
// Source: Linux Documentation/admin-guide/kernel-parameters.rst (quoting, `-` equals `_`).
#pragma once
#include <string_view>

#include "base/types.hpp"

namespace auk::core {

struct Param {
  const char* name;
  /// `value` is what stands behind `=`, empty without one. Returns false when it is not understood.
  bool (*set)(std::string_view value);
};

/// One word of a command line: `name` or `name=value`, quotes removed from around the value.
struct ParamWord {
  std::string_view name;
  std::string_view value;
  bool has_value = false;
};

/// Takes the next word off `line`; false at the end. Pure.
bool next_param(std::string_view& line, ParamWord& word);

/// Two parameter names are equal when they differ only in `-` and `_`.
bool same_param_name(std::string_view a, std::string_view b);

/// Somebody in the kernel obeys this parameter.
bool is_known_param(std::string_view name);

/// Gives every word to its rows, up to `--`. The text stays for ever.
void apply_command_line(std::string_view line);
/// What that was given; empty before.
std::string_view command_line();

}  // namespace auk::core

#define AUK_PARAM_JOIN2(a, b) a##b
#define AUK_PARAM_JOIN(a, b) AUK_PARAM_JOIN2(a, b)
#define PARAM(name, setter)                                                                        \
  [[gnu::section("reg_param"), gnu::used]] constinit const ::auk::core::Param AUK_PARAM_JOIN(      \
      param_row_, __LINE__) = {name, setter}
