# The floors as libraries of a host process, their unit tests and their fuzzers, under sanitizers.
#
#   auk_module(<module> SOURCES <file>... USES <module>...)   library auk_<module>
#   auk_unit(<module> SOURCES <file>... USES <module>...)     tests/unit/<module>, run by CTest
#   auk_fuzz(<name> USES <module>... [DICT <file>])           tests/fuzz/<name>.cpp, short run by CTest
#
# Exceptions and RTTI are on, unlike in the kernel: a failed ASSERT is an exception here.
set(AUK_HOST_SANITIZER address CACHE STRING "address (with undefined behaviour) or thread")
set_property(CACHE AUK_HOST_SANITIZER PROPERTY STRINGS address thread)
if(NOT AUK_HOST_SANITIZER MATCHES "^(address|thread)$")
  message(FATAL_ERROR "AUK_HOST_SANITIZER is address or thread, not '${AUK_HOST_SANITIZER}'")
endif()

enable_testing()
include(GoogleTest)
find_package(Threads REQUIRED)

auk_isa_overlay(host)
# The boot parsers are pure functions over bytes; what else stands beside them is never built here.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/overlay/boot)
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/kernel/boot/x86_64 ${CMAKE_BINARY_DIR}/overlay/boot/isa SYMBOLIC)

include(cmake/sim.cmake)

add_compile_options(-stdlib=libc++ -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all
                    -D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_DEBUG)
add_link_options(-stdlib=libc++ -fuse-ld=lld-19)
if(AUK_HOST_SANITIZER STREQUAL address)
  # Coverage counters everywhere: the fuzzers need them, the tests do not feel them.
  add_compile_options(-fsanitize=address,undefined,fuzzer-no-link)
  add_link_options(-fsanitize=address,undefined)
else()
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
endif()

# Rows of the registration sections, bounded as kernel.ld bounds them. Empty ones need bounds too,
# which is why the linker's own __start_ symbols do not do.
set(sections)
foreach(name init_task param sysctl boot_test alloc_site)
  string(APPEND sections "  reg_${name} : ALIGN(8) { "
    "__ld_${name} = .; KEEP(*(reg_${name})) __ld_${name}_end = .; }\n")
endforeach()
# Bounds of an image that is not there: nothing of a host process lies in simulated RAM.
string(APPEND sections "  image_bounds : { __ld_image_start = .; __ld_ro_end = .;
    __ld_ro_after_init_start = .; __ld_ro_after_init_end = .; }\n")
set(AUK_HOST_SECTIONS ${CMAKE_BINARY_DIR}/sections.ld)
file(CONFIGURE OUTPUT ${AUK_HOST_SECTIONS} CONTENT "SECTIONS {\n${sections}} INSERT AFTER .data;\n")

add_library(auk_host INTERFACE)
target_include_directories(auk_host INTERFACE ${CMAKE_SOURCE_DIR}/kernel
  ${CMAKE_BINARY_DIR}/overlay ${AUK_GENERATED} ${CMAKE_SOURCE_DIR}/build/uapi/include)
# As in the kernel, globals live for ever: a list that is not empty is no mistake at the end.
target_compile_options(auk_host INTERFACE ${AUK_WARNINGS} -fno-c++-static-destructors)
target_link_libraries(auk_host INTERFACE Threads::Threads)
target_link_options(auk_host INTERFACE -Wl,-T,${AUK_HOST_SECTIONS})

function(auk_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES" ${ARGN})
  list(TRANSFORM arg_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/kernel/${name}/)
  list(TRANSFORM arg_USES PREPEND auk_)
  add_library(auk_${name} STATIC ${arg_SOURCES})
  target_link_libraries(auk_${name} PUBLIC auk_host ${arg_USES})
  auk_uapi(auk_${name})
  if(name STREQUAL base)
    auk_precompile(auk_base)
  else()
    auk_precompiled_by(auk_${name} auk_base)
  endif()
endfunction()

# What of each module runs on the host.
auk_module(base SOURCES fmt.cpp text.cpp host/bug.cpp host/sim.cpp)
auk_module(codec SOURCES cpio.cpp crc32.cpp gzip.cpp inflate.cpp initramfs.cpp window.cpp xxh64.cpp
           zstd.cpp zstd/fse.cpp zstd/literals.cpp zstd/sequences.cpp USES base)
auk_module(machine SOURCES host/cpu.cpp host/port.cpp host/pte.cpp USES base)
auk_module(core SOURCES clock.cpp cpu_mask.cpp log.cpp panic.cpp param.cpp percpu.cpp preempt.cpp
           sysctl.cpp sysctl_table.cpp rcu.cpp smp_call.cpp spin.cpp thread_core.cpp tlb.cpp USES machine base)
auk_module(mem SOURCES alloc_site.cpp boot_memory.cpp buddy.cpp folio.cpp kernel_map.cpp pages.cpp slab.cpp
           text.cpp vmalloc.cpp host/percpu_area.cpp host/ram.cpp USES core machine base)
auk_module(time SOURCES discipline.cpp USES core machine base)
auk_module(vm SOURCES area_tree.cpp folio_tree.cpp USES mem core machine base)
auk_module(dev SOURCES object.cpp USES mem core machine base)
auk_module(bus SOURCES acpi/fadt.cpp acpi/hpet.cpp acpi/madt.cpp acpi/rsdp.cpp acpi/sleep.cpp
           acpi/tables.cpp fw_cfg.cpp mptable.cpp pci/header.cpp virtio/queue.cpp USES core machine base)
auk_module(proc SOURCES exec/elf.cpp exec/script.cpp USES core machine base)
auk_module(net SOURCES netlink/attribute.cpp netlink/link_rules.cpp USES core machine base)
auk_module(fs SOURCES erofs/image.cpp USES core machine base)
auk_module(boot SOURCES x86_64/protocol.cpp USES core machine base)

# The package's own build makes four libraries; its one-file form is all we need.
set(gtest_dir /usr/src/googletest/googletest)
add_library(gtest STATIC ${gtest_dir}/src/gtest-all.cc)
target_include_directories(gtest SYSTEM PUBLIC ${gtest_dir}/include PRIVATE ${gtest_dir})
target_link_libraries(gtest PUBLIC Threads::Threads)

add_library(auk_test_support STATIC ${CMAKE_SOURCE_DIR}/tests/unit/support/main.cpp)
target_include_directories(auk_test_support PUBLIC ${CMAKE_SOURCE_DIR}/tests/unit)
target_link_libraries(auk_test_support PUBLIC gtest auk_core)
auk_uapi(auk_test_support)
auk_precompile(auk_test_support MORE <gtest/gtest.h>)

function(auk_unit name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES" ${ARGN})
  list(TRANSFORM arg_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/tests/unit/${name}/)
  list(TRANSFORM arg_USES PREPEND auk_)
  add_executable(unit_${name} ${arg_SOURCES})
  target_compile_definitions(unit_${name} PRIVATE
    AUK_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/unit/${name}/data")
  target_link_libraries(unit_${name} PRIVATE auk_test_support ${arg_USES})
  auk_uapi(unit_${name})
  auk_precompiled_by(unit_${name} auk_test_support)
  gtest_discover_tests(unit_${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT 60)
endfunction()

function(auk_fuzz name)
  if(NOT AUK_HOST_SANITIZER STREQUAL address)
    return()
  endif()
  cmake_parse_arguments(arg "" "DICT" "USES" ${ARGN})
  if(NOT arg_DICT)
    set(arg_DICT firmware.dict)
  endif()
  list(TRANSFORM arg_USES PREPEND auk_)
  add_executable(fuzz_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/${name}.cpp)
  target_link_libraries(fuzz_${name} PRIVATE ${arg_USES})
  target_include_directories(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  # Debian's libFuzzer is built against the other C++ library.
  target_link_libraries(fuzz_${name} PRIVATE -l:libstdc++.so.6)
  auk_uapi(fuzz_${name})
  auk_precompiled_by(fuzz_${name} auk_base)
  # A fixed seed: the short run looks for what is broken today, and is the same every time.
  add_test(NAME fuzz.${name} COMMAND fuzz_${name} -runs=100000 -seed=1 -max_len=8192
    -timeout=5 -dict=${CMAKE_SOURCE_DIR}/tests/fuzz/${arg_DICT})
  set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 120)
endfunction()

include(${CMAKE_SOURCE_DIR}/tests/unit/tests.cmake)
include(${CMAKE_SOURCE_DIR}/tests/fuzz/tests.cmake)
