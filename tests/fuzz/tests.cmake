# The fuzzers; see README.md.
auk_fuzz(command_line USES core)
auk_fuzz(boot_record USES boot)
auk_fuzz(acpi USES bus)
auk_fuzz(mptable USES bus)
