// Variables of the kernel that programs read, and set, as files below /proc/sys; on the kernel's
// command line "sysctl.a.b=value" sets a/b.
//
// Data model: an object for each variable, constant-initialised, next to the code that obeys it;
// SYSCTL(object) puts its address into the section reg_sysctl. What is no variable of the kernel
// has no object: a file that could be set without effect would lie to programs. Locking: each
// variable's own; most are one word. Context: threads; store() also before memory management.
// Source: Linux Documentation/admin-guide/sysctl.
#pragma once
#include <span>
#include <string_view>

#include "base/atomic.hpp"
#include "base/fmt.hpp"
#include "base/result.hpp"

namespace auk::core {

class Sysctl {
  std::string_view path_;
  bool is_writable_;

 protected:
  constexpr Sysctl(std::string_view path, bool is_writable)
      : path_(path),
        is_writable_(is_writable) {}
  ~Sysctl() = default;

 public:
  static constexpr usize max_text = 256;
  /// "kernel/pid_max"
  std::string_view path() const { return path_; }
  bool is_writable() const { return is_writable_; }
  /// The value, without a newline.
  virtual void show(Writer& out) const = 0;
  /// Text without space around it. EINVAL.
  virtual Result<void> store(std::string_view) { return Errno::eperm; }
};

/// What cannot be changed.
class ConstantSysctl final : public Sysctl {
  FormatArg value_;

 public:
  constexpr ConstantSysctl(std::string_view path, u64 n)
      : Sysctl(path, false),
        value_(format_arg(n)) {}
  constexpr ConstantSysctl(std::string_view path, std::string_view text)
      : Sysctl(path, false),
        value_(format_arg(text)) {}
  void show(Writer& out) const override { vformat(out, "{}", {&value_, 1}); }
};

/// A number that the kernel changes, and nobody else.
class ShownSysctl final : public Sysctl {
  const Atomic<i64>& value_;

 public:
  constexpr ShownSysctl(std::string_view path, const Atomic<i64>& value)
      : Sysctl(path, false),
        value_(value) {}
  void show(Writer& out) const override { format_to(out, "{}", value_.load_relaxed()); }
};

/// A whole number between bounds.
class NumberSysctl final : public Sysctl {
  Atomic<i64>& value_;
  i64 least_, most_;

 public:
  constexpr NumberSysctl(std::string_view path, Atomic<i64>& value, i64 least, i64 most)
      : Sysctl(path, true),
        value_(value),
        least_(least),
        most_(most) {}
  void show(Writer& out) const override { format_to(out, "{}", value_.load_relaxed()); }
  Result<void> store(std::string_view text) override;
};

std::span<Sysctl* const> all_sysctls();
/// By its path, or by its name on the command line, with dots. Null.
Sysctl* find_sysctl(std::string_view path);

}  // namespace auk::core

#define SYSCTL(object)                                                                             \
  [[gnu::section("reg_sysctl"), gnu::used]] constinit ::auk::core::Sysctl* const sysctl_##object = \
      &(object)
