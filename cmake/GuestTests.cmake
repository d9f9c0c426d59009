# SPDX-License-Identifier: MIT
# Registers test programs for the runner (tests/runner).
#
#   ipcshim_guest_test(NAME <suite> KIND gtest|kself|plain TARGET <target>
#                      [TIMEOUT <seconds for each test>] [MODULE] [GUEST <name>])
#
# At generation every suite becomes a line '<kind> <suite> <file> <timeout>' of
# guest-tests.list in the top build folder, or with GUEST of
# guest-tests-<name>.list, for a guest that has more than others.  A build for this
# machine lists only the suites that do without the module; a build for the guest
# lists all.
#
#   gtest   GoogleTest; each test runs in a process of its own
#   kself   `FILE --list` prints a name on each line, `FILE --run NAME` exits
#           with 0 (passed), 4 (skipped; last line 'SKIP reason'), or else
#   plain   one test, exit codes as above
include_guard(GLOBAL)

# On for builds whose tests run in the guest.
if(CMAKE_CROSSCOMPILING)
  option(IPCSHIM_GUEST "Tests of this build run in the guest, with the module" ON)
else()
  option(IPCSHIM_GUEST "Tests of this build run in the guest, with the module" OFF)
endif()

function(ipcshim_guest_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "MODULE" "NAME;KIND;TARGET;TIMEOUT;GUEST" "")
  foreach(needed NAME KIND TARGET)
    if(NOT arg_${needed})
      message(FATAL_ERROR "ipcshim_guest_test: ${needed} is missing")
    endif()
  endforeach()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ipcshim_guest_test(${arg_NAME}): unknown: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_KIND MATCHES "^(gtest|kself|plain)$")
    message(FATAL_ERROR "ipcshim_guest_test(${arg_NAME}): KIND is '${arg_KIND}', not gtest, kself or plain")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  if(arg_MODULE AND NOT IPCSHIM_GUEST)
    return()
  endif()
  set(list guest-tests)
  if(arg_GUEST)
    string(APPEND list "-${arg_GUEST}")
  endif()
  set_property(GLOBAL APPEND PROPERTY IPCSHIM_GUEST_LISTS ${list})
  set_property(GLOBAL APPEND_STRING PROPERTY IPCSHIM_LIST_${list}
    "${arg_KIND} ${arg_NAME} $<TARGET_FILE:${arg_TARGET}> ${arg_TIMEOUT}\n")
endfunction()

# Written when everything is registered: once, at the end of the top folder.
function(_ipcshim_write_guest_tests)
  get_property(lists GLOBAL PROPERTY IPCSHIM_GUEST_LISTS)
  list(APPEND lists guest-tests)
  list(REMOVE_DUPLICATES lists)
  foreach(list IN LISTS lists)
    get_property(lines GLOBAL PROPERTY IPCSHIM_LIST_${list})
    file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/${list}.list" CONTENT "${lines}")
  endforeach()
endfunction()
cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL _ipcshim_write_guest_tests)
