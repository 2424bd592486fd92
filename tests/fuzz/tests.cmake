# The fuzzers; see README.md.
auk_fuzz(command_line USES core)
auk_fuzz(boot_record USES boot)
auk_fuzz(acpi USES bus)
auk_fuzz(mptable USES bus)
auk_fuzz(cpio USES codec DICT archives.dict)
auk_fuzz(gzip USES codec DICT archives.dict)
auk_fuzz(initramfs USES codec DICT archives.dict)
auk_fuzz(zstd USES codec DICT archives.dict)
