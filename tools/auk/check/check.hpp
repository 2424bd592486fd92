// Purpose: the gates of `auk check`. Each looks at one tree and adds its findings to a report.
#pragma once

#include "check/compile_db.hpp"
#include "check/source.hpp"

#include <mutex>

namespace auk {

struct Finding {
  std::string path;  // relative to the tree
  int line;          // 0: the file as a whole
  std::string gate;
  std::string text;
  auto operator<=>(Finding const&) const = default;
};

// Gates add from several threads.
class Report {
 public:
  template <class... Args>
  void add(std::string path, int line, std::string gate, std::format_string<Args...> format,
           Args&&... args) {
    std::scoped_lock const lock(mutex_);
    findings_.push_back(
        {std::move(path), line, std::move(gate), std::format(format, std::forward<Args>(args)...)});
  }
  // In a stable order, without repetitions.
  std::vector<Finding> sorted();

 private:
  std::mutex mutex_;
  std::vector<Finding> findings_;
};

// law_include.cpp, law_link.cpp, law_upcall.cpp, law_isa.cpp
void check_includes(Tree const&, Report&);
void check_modules(Tree const&, Report&);  // every folder has a module
void check_links(Tree const&, std::vector<CompileEntry> const&, Report&);
void check_upcalls(Tree const&, Report&);
void check_isa(Tree const&, Report&);

// text.cpp: what can be seen in one file
void check_headers_text(Tree const&, Report&);
void check_unanalysed(Tree const&, Report&, fs::path const& list);
void check_words_and_length(Tree const&, Report&);

// system_calls.cpp: each row of the table has a test
void check_system_calls(Tree const&, Report&);

// objects.cpp
void check_static_constructors(Tree const&, std::vector<CompileEntry> const&, Report&);

// compiled.cpp: gates that run the compiler's tools, with remembered results
struct CompiledGates {
  fs::path cache;  // folder for remembered results
  bool forget;     // look at everything again
  bool tidies;     // clang-tidy looks at all sources
};
void check_self_contained(Tree const&, std::vector<CompileEntry> const&, CompiledGates const&,
                          Report&);
void check_tidy(Tree const&, std::vector<CompileEntry> const&, CompiledGates const&, Report&);
void check_format(Tree const&, CompiledGates const&, Report&);

}  // namespace auk
