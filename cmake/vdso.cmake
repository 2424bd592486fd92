# The shared object that the kernel maps into programs.  Built with the kernel's headers, but as code
# of programs: position-independent, without the kernel's instrumentation.

set(AUK_VDSO ${CMAKE_BINARY_DIR}/vdso.so)
set(vdso_dir ${CMAKE_SOURCE_DIR}/kernel/vdso/x86_64)

add_library(auk_vdso OBJECT ${vdso_dir}/code.cpp)
set_target_properties(auk_vdso PROPERTIES COMPILE_OPTIONS "")
target_compile_options(auk_vdso PRIVATE
  --target=x86_64-linux-gnu -fPIC -O2 -g0 -fvisibility=default -mcmodel=small
  -ffreestanding -nostdinc -nostdinc++ -fno-exceptions -fno-rtti -fno-builtin
  -fno-stack-protector -fasynchronous-unwind-tables -fcf-protection=none
  ${AUK_WARNINGS}
  "SHELL:-isystem ${CMAKE_SOURCE_DIR}/cmake/freestanding/site"
  "SHELL:-isystem /usr/lib/llvm-19/include/c++/v1"
  "SHELL:-isystem /usr/lib/llvm-19/lib/clang/19/include"
  "SHELL:-isystem ${CMAKE_SOURCE_DIR}/cmake/freestanding/shims")
target_include_directories(auk_vdso PRIVATE ${CMAKE_SOURCE_DIR}/kernel ${CMAKE_BINARY_DIR}/overlay
  ${AUK_GENERATED} ${CMAKE_SOURCE_DIR}/build/uapi/include)
auk_uapi(auk_vdso)

add_custom_command(OUTPUT ${AUK_VDSO}
  COMMAND ld.lld-19 -shared -Bsymbolic --no-undefined --hash-style=both --build-id=sha1
          --eh-frame-hdr -soname linux-vdso.so.1 -z noexecstack -z max-page-size=4096 --strip-all
          -T ${vdso_dir}/vdso.ld $<TARGET_OBJECTS:auk_vdso> -o ${AUK_VDSO}
  DEPENDS auk_vdso $<TARGET_OBJECTS:auk_vdso> ${vdso_dir}/vdso.ld VERBATIM COMMAND_EXPAND_LISTS)
add_custom_target(vdso DEPENDS ${AUK_VDSO})
