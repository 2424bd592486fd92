# The unit tests: one program for each module, one file for each file of the module.
auk_unit(base SOURCES atomic_test.cpp bits_test.cpp flags_test.cpp fmt_test.cpp list_test.cpp math_test.cpp
         own_test.cpp result_test.cpp text_test.cpp types_test.cpp USES base)
auk_unit(machine SOURCES host_test.cpp USES machine)
auk_unit(core SOURCES clock_test.cpp handover_test.cpp log_test.cpp panic_test.cpp param_test.cpp
         percpu_test.cpp USES core)
auk_unit(boot SOURCES protocol_test.cpp USES boot)
auk_unit(codec SOURCES checksum_test.cpp cpio_test.cpp gzip_test.cpp inflate_test.cpp
         initramfs_test.cpp window_test.cpp zstd_test.cpp USES codec)
auk_unit(bus SOURCES acpi_test.cpp fw_cfg_test.cpp mptable_test.cpp pci_header_test.cpp qemu_test.cpp virtqueue_test.cpp USES bus)
auk_unit(mem SOURCES boot_memory_test.cpp box_test.cpp buddy_test.cpp machine.cpp pages_test.cpp
         slab_test.cpp threads_test.cpp vmalloc_test.cpp USES mem)
auk_unit(time SOURCES discipline_test.cpp USES time)
auk_unit(vm SOURCES area_tree_test.cpp folio_tree_test.cpp ../mem/machine.cpp USES vm mem)
auk_unit(dev SOURCES object_test.cpp ../mem/machine.cpp USES dev mem)
auk_unit(fs SOURCES erofs_test.cpp USES fs)
auk_unit(net SOURCES attribute_test.cpp USES net)
