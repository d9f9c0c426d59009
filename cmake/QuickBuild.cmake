# SPDX-License-Identifier: MIT
# ipcshim_quick_build(<target> <header>...): for tests and the demo, where the compiler's time
# counts more than the program's.  The headers are those that most of its files include; not for
# what clang-tidy reads, which can't use gcc's precompiled ones.
function(ipcshim_quick_build target)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    if(CMAKE_BUILD_TYPE STREQUAL "Release")
        target_compile_options(${target} PRIVATE -O1)
    endif()
endfunction()
