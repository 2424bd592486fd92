// What a file system is asked for: names, most of them with a value. See mount(2), fsconfig(2).
//
// Data model: one text, in the order in which they came; each is a mark that tells whether there is
// a value, the name, the value, and the ends of both. The last one of a name counts, and is the
// only one that is kept. Locking: the owner's. Context: threads.
#pragma once
#include <array>
#include <string_view>

#include "base/result.hpp"
#include "mem/text.hpp"

namespace auk::vfs {

struct Parameter {
  std::string_view name, value;
  bool has_value = true;
};

/// What a file system says to one.
enum class Taken : u8 {
  yes,
  ignored,    ///< whatever it says
  unchanged,  ///< it cannot be changed any more, of which mount(2) takes no notice
  unknown,
  bad_value,
};

class Parameters {
  static constexpr char end = '\0', with_value = '=', alone = ' ';
  std::array<mem::Text, 2> texts_;
  u32 current_ = 0;

  static std::string_view take(std::string_view& rest) {
    const std::string_view s = rest.substr(0, rest.find(end));
    rest.remove_prefix(s.size() + 1);
    return s;
  }

 public:
  /// Neither text has a zero in it. ENOMEM: nothing has changed.
  Result<void> add(const Parameter& p) {
    mem::Text& fresh = texts_[1 - current_];
    fresh.clear();
    const auto put = [&](const Parameter& one) {
      fresh.put(one.has_value ? with_value : alone);
      for (const std::string_view s : {one.name, one.value}) {
        fresh.put(s);
        fresh.put(end);
      }
    };
    TRY(each([&](const Parameter& one) -> Result<void> {
      if (one.name != p.name) put(one);
      return {};
    }));
    put(p);
    if (fresh.failed()) return Errno::enomem;
    current_ = 1 - current_;
    return {};
  }
  void clear() { texts_[current_].clear(); }
  /// Calls f(Parameter), which answers with a Result, for each. What it is given stays until
  /// another is added.
  template <class F> Result<void> each(F f) const {
    for (std::string_view rest = texts_[current_].text(); !rest.empty();) {
      Parameter p;
      p.has_value = rest.front() == with_value;
      rest.remove_prefix(1);
      p.name = take(rest);
      p.value = take(rest);
      TRY(f(p));
    }
    return {};
  }
};

}  // namespace auk::vfs
