# The kernel image. Flags and linker facts: docs/decisions/0001-image.md.

auk_isa_overlay(x86_64)
set(AUK_LOAD_PHYS 0x100000)
set(AUK_PERCPU_DYNAMIC 16384)

file(GLOB_RECURSE kernel_sources CONFIGURE_DEPENDS
     ${CMAKE_SOURCE_DIR}/kernel/*.cpp ${CMAKE_SOURCE_DIR}/kernel/*.S)
# Tests of locks and threads on the machine (auk.test=torture) are for those who build the kernel.
if(AUK_PROFILE STREQUAL release)
  list(FILTER kernel_sources EXCLUDE REGEX "/init/torture\\.cpp$")
endif()
list(FILTER kernel_sources EXCLUDE REGEX "/host/|/(setup|unpack)\\.S$|/vdso/x86_64/code\\.cpp$")
include(cmake/vdso.cmake)
set_source_files_properties(${CMAKE_SOURCE_DIR}/kernel/vdso/x86_64/image.S PROPERTIES
  COMPILE_DEFINITIONS "AUK_VDSO=\"${AUK_VDSO}\"" OBJECT_DEPENDS ${AUK_VDSO})

add_compile_options(
  --target=x86_64-linux-gnu
  -fPIE -mcmodel=small -fvisibility=hidden -fdirect-access-external-data
  -mno-red-zone -mno-sse -mno-sse2 -mno-mmx -mno-avx -msoft-float
  -fno-omit-frame-pointer -g1 -O2)
set(kernel_cxx_flags
  -ffreestanding -nostdinc -nostdinc++ -fno-exceptions -fno-rtti -fno-threadsafe-statics
  -fno-c++-static-destructors -fno-asynchronous-unwind-tables -fstrict-flex-arrays=3
  -ftrivial-auto-var-init=zero -fcf-protection=branch
  -Werror=global-constructors -Werror=exit-time-destructors
  ${AUK_WARNINGS}
  -D_LIBCPP_REMOVE_TRANSITIVE_INCLUDES
  "SHELL:-isystem ${CMAKE_SOURCE_DIR}/cmake/freestanding/site"
  "SHELL:-isystem /usr/lib/llvm-19/include/c++/v1"
  "SHELL:-isystem /usr/lib/llvm-19/lib/clang/19/include"
  "SHELL:-isystem ${CMAKE_SOURCE_DIR}/cmake/freestanding/shims"
  "SHELL:-isystem ${CMAKE_BINARY_DIR}/boost"
  # A bare ">" would end the generator expression that these flags stand in below.
  "-DBOOST_PLATFORM_CONFIG=<cstddef$<ANGLE-R>")
set(stack_protector
  -fstack-protector-strong -mstack-protector-guard=tls -mstack-protector-guard-reg=gs
  -mstack-protector-guard-symbol=__stack_chk_guard)
set(checks_release
  -fsanitize=bounds,local-bounds,signed-integer-overflow,shift,null,return,unreachable
  -fsanitize-trap=bounds,local-bounds,signed-integer-overflow,shift,null,return,unreachable)
set(lto_and_cfi
  -flto=thin -fsplit-lto-unit -fsanitize=kcfi
  "SHELL:-Xclang -fsanitize=cfi-vcall,cfi-mfcall"
  "SHELL:-Xclang -fsanitize-trap=cfi-vcall,cfi-mfcall")

set(link_extra)
set(AUK_ALLOW_CONSTRUCTORS 0)
set(AUK_KASAN_SHADOW 0)
# Instrumentation fattens frames; what ships stays within 1 KiB each.
set(frame_limit 1024)
if(AUK_PROFILE STREQUAL dev)
  set(profile_flags ${stack_protector} -fsanitize=kcfi ${checks_release})
elseif(AUK_PROFILE STREQUAL debug)
  set(profile_flags ${stack_protector} -fsanitize=kcfi ${checks_release} -DAUK_LOCKDEP)
  set(frame_limit 2560)
  set(AUK_ALLOW_CONSTRUCTORS 1)
  # Shared tables, tables of the image's shadow, and the shadow of up to 12 MiB of image.
  math(EXPR AUK_KASAN_SHADOW "9 * 4096 + 1536 * 1024")
  set(kasan_flags
    -DAUK_KASAN -fsanitize=kernel-address -fsanitize-recover=kernel-address "SHELL:-mllvm -asan-mapping-offset=0xdffffc0000000000"
    "SHELL:-mllvm -asan-globals=1" "SHELL:-mllvm -asan-stack=1" "SHELL:-mllvm -asan-kernel-mem-intrinsic-prefix=1"
    "SHELL:-mllvm -asan-instrumentation-with-call-threshold=10000")
else()
  set(profile_flags ${stack_protector} ${checks_release} ${lto_and_cfi} -fzero-call-used-regs=used-gpr)
  set(link_extra --thinlto-cache-dir=${CMAKE_BINARY_DIR}/lto --thinlto-jobs=2 --icf=safe)
endif()

configure_file(kernel/boot/x86_64/kernel.ld.in ${CMAKE_BINARY_DIR}/kernel.ld @ONLY)

# The link is two-pass: the first image gives the symbol table and the init graph, the second one
# holds them. Both go behind the text, so no function moves in between.
set(CMAKE_CXX_LINK_EXECUTABLE
    "ld.lld-19 <LINK_FLAGS> <OBJECTS> -o <TARGET>")
string(JOIN " " kernel_link
  -pie --no-dynamic-linker -z text -static -nostdlib --pack-dyn-relocs=relr --gc-sections
  -z noexecstack -z max-page-size=4096 --orphan-handling=error --build-id=sha1
  -T ${CMAKE_BINARY_DIR}/kernel.ld ${link_extra})

add_library(auk_kernel OBJECT ${kernel_sources})
target_compile_definitions(auk_kernel PRIVATE AUK_LOAD_PHYS=${AUK_LOAD_PHYS}
  AUK_PERCPU_DYNAMIC=${AUK_PERCPU_DYNAMIC})
target_include_directories(auk_kernel PRIVATE ${CMAKE_SOURCE_DIR}/kernel ${CMAKE_BINARY_DIR}/overlay
  ${AUK_GENERATED} ${CMAKE_SOURCE_DIR}/build/uapi/include)
target_compile_options(auk_kernel PRIVATE
  "$<$<COMPILE_LANGUAGE:CXX>:${kernel_cxx_flags}>"
  "$<$<COMPILE_LANGUAGE:CXX>:${profile_flags};-Wframe-larger-than=${frame_limit}>"
  "$<$<COMPILE_LANGUAGE:CXX>:${kasan_flags}>")
auk_uapi(auk_kernel)
auk_precompile(auk_kernel)
# Before relocation, and before %gs is right, nothing that instruments code can run.
set_source_files_properties(${CMAKE_SOURCE_DIR}/kernel/boot/x86_64/stage1.cpp PROPERTIES
  SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS "-fno-stack-protector;-fno-jump-tables;-fno-sanitize=all")
set_source_files_properties(${CMAKE_SOURCE_DIR}/kernel/base/x86_64/runtime.cpp PROPERTIES
  SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS "-fno-builtin;-fno-stack-protector;-fno-sanitize=all")

set_source_files_properties(${CMAKE_SOURCE_DIR}/kernel/mem/kasan.cpp PROPERTIES
  SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS "-fno-sanitize=all;-fno-stack-protector")

set(image_tool /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tools/gen/image.py)
add_executable(vmlinux.pass1 $<TARGET_OBJECTS:auk_kernel>)
set_target_properties(vmlinux.pass1 PROPERTIES LINKER_LANGUAGE CXX LINK_FLAGS "${kernel_link}"
  LINK_DEPENDS ${CMAKE_BINARY_DIR}/kernel.ld)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/tables.S
  COMMAND ${image_tool} tables $<TARGET_FILE:vmlinux.pass1> ${CMAKE_BINARY_DIR}/tables.S
          ${CMAKE_BINARY_DIR}/init-graph.txt
  DEPENDS vmlinux.pass1 ${CMAKE_SOURCE_DIR}/tools/gen/image.py VERBATIM)
add_executable(vmlinux.pass2 $<TARGET_OBJECTS:auk_kernel> ${CMAKE_BINARY_DIR}/tables.S)
set_target_properties(vmlinux.pass2 PROPERTIES LINKER_LANGUAGE CXX LINK_FLAGS "${kernel_link}"
  LINK_DEPENDS ${CMAKE_BINARY_DIR}/kernel.ld)

# The real-mode half of bzImage.
set(flat_ld ${CMAKE_SOURCE_DIR}/kernel/boot/x86_64/flat.ld)
set(setup_src ${CMAKE_SOURCE_DIR}/kernel/boot/x86_64/setup.S)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/setup.elf
  COMMAND ${CMAKE_ASM_COMPILER} --target=i386-linux-gnu -m16 -DAUK_LOAD_PHYS=${AUK_LOAD_PHYS}
          -DAUK_SETUP_SECTS=4 "-DAUK_VERSION_STRING=\"${AUK_RELEASE} ${AUK_VERSION}\""
          -c ${setup_src} -o setup.o
  COMMAND ld.lld-19 -m elf_i386 -T ${flat_ld} setup.o -o setup.elf
  DEPENDS ${setup_src} ${flat_ld}
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR} VERBATIM)
# What stands before the compressed image in its other half.
set(unpack_src ${CMAKE_SOURCE_DIR}/kernel/boot/x86_64/unpack.S)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/unpack.elf
  COMMAND ${CMAKE_ASM_COMPILER} --target=x86_64-linux-gnu -c ${unpack_src} -o unpack.o
  COMMAND ld.lld-19 -T ${flat_ld} unpack.o -o unpack.elf
  DEPENDS ${unpack_src} ${flat_ld} WORKING_DIRECTORY ${CMAKE_BINARY_DIR} VERBATIM)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/vmlinux ${CMAKE_BINARY_DIR}/bzImage
  COMMAND ${image_tool} finish $<TARGET_FILE:vmlinux.pass2> ${CMAKE_BINARY_DIR}/setup.elf
          ${CMAKE_BINARY_DIR}/unpack.elf ${CMAKE_BINARY_DIR}/vmlinux ${CMAKE_BINARY_DIR}/bzImage
  DEPENDS vmlinux.pass2 ${CMAKE_BINARY_DIR}/setup.elf ${CMAKE_BINARY_DIR}/unpack.elf
          ${CMAKE_SOURCE_DIR}/tools/gen/image.py
  VERBATIM)
add_custom_target(kernel ALL DEPENDS ${CMAKE_BINARY_DIR}/vmlinux ${CMAKE_BINARY_DIR}/bzImage)
