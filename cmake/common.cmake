# What the kernel image and the host libraries share: configuration, version, ISA overlay.

# Kconfig's answers, copied into this profile so that a change rebuilds what includes them.
set(AUK_CONFIG_DIR ${CMAKE_SOURCE_DIR}/build/config)
if(NOT EXISTS ${AUK_CONFIG_DIR}/autoconf.h)
  message(FATAL_ERROR "build/config/autoconf.h is missing: run ./auk config defconfig (./auk build does)")
endif()
set(AUK_GENERATED ${CMAKE_BINARY_DIR}/include)
configure_file(${AUK_CONFIG_DIR}/autoconf.h ${AUK_GENERATED}/generated/autoconf.h COPYONLY)

set(AUK_RELEASE "7.1.0-auk")
set(AUK_VERSION "#1 SMP PREEMPT_DYNAMIC")
file(CONFIGURE OUTPUT ${AUK_GENERATED}/generated/version.hpp CONTENT
"#pragma once
#define AUK_RELEASE \"@AUK_RELEASE@\"
#define AUK_VERSION \"@AUK_VERSION@\"
" @ONLY)

# "X/isa/y.hpp" is kernel/X/<isa>/y.hpp of the machine being built: one link per module.
function(auk_isa_overlay isa)
  file(GLOB_RECURSE dirs LIST_DIRECTORIES true RELATIVE ${CMAKE_SOURCE_DIR}/kernel
       CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernel/*)
  foreach(dir IN LISTS dirs)
    if(dir MATCHES "(.+)/${isa}$" AND IS_DIRECTORY ${CMAKE_SOURCE_DIR}/kernel/${dir})
      set(module ${CMAKE_MATCH_1})
      file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/overlay/${module})
      file(CREATE_LINK ${CMAKE_SOURCE_DIR}/kernel/${dir} ${CMAKE_BINARY_DIR}/overlay/${module}/isa
           SYMBOLIC)
    endif()
  endforeach()
endfunction()

# Boost.Intrusive alone, away from the C library's headers beside it.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/boost)
file(CREATE_LINK /usr/include/boost ${CMAKE_BINARY_DIR}/boost/boost SYMBOLIC)

set(AUK_WARNINGS -Wall -Wextra -Werror -Wthread-safety -Wthread-safety-beta
    -Wno-unused-parameter -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
    -Wno-gnu-statement-expression-from-macro-expansion -Wno-missing-field-initializers)

# Half of a compilation is reading the C++ library's templates, so each set of flags reads them once.
# Never headers of our own: a change of one would compile everything. What a source forgets to
# include is found by `./auk check`, which compiles without this.
set(AUK_PRECOMPILED <algorithm> <array> <bit> <concepts> <optional> <span> <string_view> <type_traits>
    <utility> <boost/intrusive/rbtree.hpp>)

# auk_precompile(<target> [MORE <header>...])   compiles AUK_PRECOMPILED for the target's flags
function(auk_precompile target)
  cmake_parse_arguments(arg "" "" "MORE" ${ARGN})
  set(headers ${AUK_PRECOMPILED} ${arg_MORE})
  list(TRANSFORM headers REPLACE ">" "$<ANGLE-R>")
  target_precompile_headers(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${headers}>")
endfunction()

# auk_precompiled_by(<target> <other>)   uses what <other>, compiled with the same flags, has made
function(auk_precompiled_by target other)
  target_precompile_headers(${target} REUSE_FROM ${other})
endfunction()
