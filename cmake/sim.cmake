# The deterministic simulation: floors base, core, time and sched over simulated CPUs.
#
#   auk_sim(<test>)   tests/sim/<test>.cpp becomes build/host/sim/<test>, run by CTest; each file
#                     tests/sim/broken/<test>-* becomes the same test of a kernel with one source
#                     changed (tests/sim/break.py): there CTest passes when a seed fails
#
# Without sanitizers (the stacks are our own) and optimised: a hundred thousand seeds in a minute.
# Included before the options of the other host targets are set.

set(AUK_SIM_DIR ${CMAKE_BINARY_DIR}/sim)
set(AUK_SIM_QUICK 2000 CACHE STRING "seeds of each simulation test in the quick set")

# Few CPUs and a small log, so that the state of one seed is small too.
file(READ ${AUK_CONFIG_DIR}/autoconf.h sim_config)
string(REGEX REPLACE "CONFIG_NR_CPUS [0-9]+" "CONFIG_NR_CPUS 4" sim_config "${sim_config}")
string(REGEX REPLACE "CONFIG_LOG_BUF_SHIFT [0-9]+" "CONFIG_LOG_BUF_SHIFT 12" sim_config
       "${sim_config}")
file(CONFIGURE OUTPUT ${AUK_SIM_DIR}/include/generated/autoconf.h CONTENT "${sim_config}" @ONLY)

set(sim_sources
  base/fmt.cpp base/text.cpp machine/host/sim.cpp machine/host/switch.S
  core/clock.cpp core/cpu_mask.cpp core/lockdep.cpp core/log.cpp core/oops.cpp core/panic.cpp
  core/percpu.cpp core/preempt.cpp core/rcu.cpp core/smp_call.cpp core/spin.cpp core/sysctl.cpp core/thread_core.cpp
  time/timer.cpp
  sched/placement.cpp sched/rcu.cpp sched/runqueue.cpp sched/softirq.cpp sched/thread.cpp sched/wait.cpp sched/workqueue.cpp
  vfs/names.cpp)
list(TRANSFORM sim_sources PREPEND ${CMAKE_SOURCE_DIR}/kernel/)

add_library(auk_sim_flags INTERFACE)
target_include_directories(auk_sim_flags INTERFACE ${AUK_SIM_DIR}/include
  ${CMAKE_SOURCE_DIR}/kernel ${CMAKE_BINARY_DIR}/overlay ${AUK_GENERATED}
  ${AUK_UAPI_INCLUDE} ${CMAKE_SOURCE_DIR}/tests/sim)
# What the kernel checks with a trap is checked here the same way.
set(sim_checks bounds,signed-integer-overflow,shift,return,unreachable)
target_compile_options(auk_sim_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-stdlib=libc++> -g1 -O2 -fno-pie -fno-omit-frame-pointer
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions> $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>
  $<$<COMPILE_LANGUAGE:CXX>:-fno-c++-static-destructors>
  -fsanitize=${sim_checks} -fsanitize-trap=${sim_checks}
  $<$<COMPILE_LANGUAGE:CXX>:${AUK_WARNINGS}>)
target_compile_definitions(auk_sim_flags INTERFACE
  _LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_FAST)
# Its own switch points thin out the others: bugs are found later with it.
option(AUK_SIM_LOCKDEP "the lock validator in the simulation" OFF)
if(AUK_SIM_LOCKDEP)
  target_compile_definitions(auk_sim_flags INTERFACE AUK_LOCKDEP)
endif()
# Addresses belong to what a seed repeats.
target_link_options(auk_sim_flags INTERFACE -stdlib=libc++ -fuse-ld=lld-19 -no-pie -Wl,-z,now)

set(sim_support main.cpp memory.cpp world.cpp)
list(TRANSFORM sim_support PREPEND ${CMAKE_SOURCE_DIR}/tests/sim/support/)
add_library(auk_sim STATIC ${sim_sources} ${sim_support})
target_link_libraries(auk_sim PUBLIC auk_sim_flags)
auk_uapi(auk_sim)
auk_precompile(auk_sim)

# What of the kernel includes a header that a variant may change, the support included.
set(sim_sched ${sim_sources})
list(FILTER sim_sched INCLUDE REGEX "/(core|sched|time)/[a-z_]+\\.cpp$")
list(APPEND sim_sched ${sim_support})

function(auk_sim_program name source)
  add_executable(sim_${name} ${source} ${ARGN})
  auk_uapi(sim_${name})
  auk_precompiled_by(sim_${name} auk_sim)
  set_target_properties(sim_${name} PROPERTIES OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY ${AUK_SIM_DIR})
endfunction()

# The changed source, or for a header everything that includes it, is linked before the library,
# which then has nothing to add for it.
function(auk_sim_broken test variant_file)
  get_filename_component(variant ${variant_file} NAME)
  file(STRINGS ${variant_file} file_line REGEX "^file: ")
  string(REPLACE "file: " "" file "${file_line}")
  set(dir ${AUK_SIM_DIR}/broken/${variant})
  add_custom_command(OUTPUT ${dir}/${file}
    COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tests/sim/break.py ${variant_file}
            ${CMAKE_SOURCE_DIR}/kernel ${dir}
    DEPENDS ${variant_file} ${CMAKE_SOURCE_DIR}/kernel/${file}
            ${CMAKE_SOURCE_DIR}/tests/sim/break.py VERBATIM)
  if(file MATCHES "\\.hpp$")
    set(sources ${dir}/${file} ${sim_sched})
  else()
    set(sources ${dir}/${file})
  endif()
  auk_sim_program(${variant} ${CMAKE_SOURCE_DIR}/tests/sim/${test}.cpp ${sources})
  target_include_directories(sim_${variant} BEFORE PRIVATE ${dir})
  target_link_libraries(sim_${variant} PRIVATE auk_sim)
  add_test(NAME sim.broken.${variant} COMMAND sim_${variant} --broken --count 100000)
  set_tests_properties(sim.broken.${variant} PROPERTIES TIMEOUT 120)
endfunction()

function(auk_sim test)
  auk_sim_program(${test} ${CMAKE_SOURCE_DIR}/tests/sim/${test}.cpp)
  target_link_libraries(sim_${test} PRIVATE auk_sim)
  add_test(NAME sim.${test} COMMAND sim_${test} --count ${AUK_SIM_QUICK})
  set_tests_properties(sim.${test} PROPERTIES TIMEOUT 120)
  file(GLOB variants CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/broken/${test}-*)
  foreach(variant IN LISTS variants)
    auk_sim_broken(${test} ${variant})
  endforeach()
endfunction()

include(${CMAKE_SOURCE_DIR}/tests/sim/tests.cmake)
