# Linux ABI facts: generated constants, and the proof that they and our structs agree with Linux.
#
#   auk_uapi(<target>...)   the target may include "generated/uapi/fcntl.hpp" and "uapi/fcntl.hpp"
#   uapi_headers            makes the generated headers (auk_uapi depends on it)
#   uapi_tests              compiles the test units; compiling is passing
#
# The headers stand in build/uapi of the source tree and are shared by all profiles.  The generator
# looks at contents under a lock, so profiles may build at the same time.
include_guard(GLOBAL)

set(AUK_UAPI_DIR "${CMAKE_SOURCE_DIR}/build/uapi")
set(AUK_UAPI_INCLUDE "${AUK_UAPI_DIR}/include")
set(AUK_UAPI_TOOL "${CMAKE_SOURCE_DIR}/tools/gen/uapi/uapi.py")
set(AUK_UAPI_PYTHON /usr/bin/python3)

file(GLOB AUK_UAPI_INPUTS CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tools/gen/uapi/*.py"
     "${CMAKE_SOURCE_DIR}/tools/gen/uapi/*.toml")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             "${CMAKE_SOURCE_DIR}/tools/gen/uapi/constants.toml")

# The build system must know the names: only then does it look at a header's time again after the
# generator ran, and compile what includes a header that changed in this very build.
execute_process(COMMAND ${AUK_UAPI_PYTHON} ${AUK_UAPI_TOOL} ${AUK_UAPI_DIR} list
                OUTPUT_VARIABLE AUK_UAPI_HEADERS OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" AUK_UAPI_HEADERS "${AUK_UAPI_HEADERS}")

add_custom_command(
  OUTPUT "${AUK_UAPI_DIR}/built"
  BYPRODUCTS ${AUK_UAPI_HEADERS}
  COMMAND ${AUK_UAPI_PYTHON} ${AUK_UAPI_TOOL} ${AUK_UAPI_DIR} build
  COMMAND ${CMAKE_COMMAND} -E touch "${AUK_UAPI_DIR}/built"
  DEPENDS ${AUK_UAPI_INPUTS} /usr/src/linux-source-6.12.tar.xz
  COMMENT "Linux ABI headers"
  VERBATIM)
add_custom_target(uapi_headers DEPENDS "${AUK_UAPI_DIR}/built")

add_custom_target(uapi_tests
  COMMAND ${AUK_UAPI_PYTHON} ${AUK_UAPI_TOOL} ${AUK_UAPI_DIR} check
  DEPENDS uapi_headers
  COMMENT "Linux ABI layout and constants"
  USES_TERMINAL
  VERBATIM)

function(auk_uapi)
  foreach(target IN LISTS ARGN)
    get_target_property(kind ${target} TYPE)
    if(kind STREQUAL "INTERFACE_LIBRARY")
      set(scope INTERFACE)
    else()
      set(scope PRIVATE)
    endif()
    add_dependencies(${target} uapi_headers)
    target_include_directories(${target} ${scope} "${AUK_UAPI_INCLUDE}")
  endforeach()
endfunction()
