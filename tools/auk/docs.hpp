// Purpose: pages of docs/ that are made from other files, and the gate that keeps them true.
#pragma once

#include "check/check.hpp"

namespace auk {

// Finds docs/floors.md out of date.
void check_docs(Floors const&, Report&);
// The page made from the system-call table; after a build.
void check_absent(Report&);

}  // namespace auk
