// One allocation that fails on purpose: `auk.fail=N` names the row of the table of sites.
//
// Purpose: each place that allocates shows that it can bear a failure (reliability R4).
// Data model: the injector fails the first visit of its site after it was armed, and says so.
// `auk.report=sites` lists at power-off which sites were reached since then.
// Context: arm_failures() once; report_sites() in threads.
#pragma once

namespace auk::mem {

/// From here on: the boot is over, programs run.
void arm_failures();
void report_sites();

}  // namespace auk::mem
