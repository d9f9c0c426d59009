# SPDX-License-Identifier: MIT
# Builds for arm64 on another machine, with the packaged cross compiler and the
# arm64 libraries that qemu/fetch unpacked into build/sysroot.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# The C library comes with the cross compiler; everything else from here.
get_filename_component(_ipcshim_sysroot "${CMAKE_CURRENT_LIST_DIR}/../build/sysroot" ABSOLUTE)
if(DEFINED ENV{IPCSHIM_BUILD})
  set(_ipcshim_sysroot "$ENV{IPCSHIM_BUILD}/sysroot")
endif()
set(CMAKE_FIND_ROOT_PATH "${_ipcshim_sysroot}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Threads live in the C library, which the search above must not look for.
set(THREADS_PREFER_PTHREAD_FLAG ON)

set(ENV{PKG_CONFIG_SYSROOT_DIR} "${_ipcshim_sysroot}")
set(ENV{PKG_CONFIG_LIBDIR} "${_ipcshim_sysroot}/usr/lib/aarch64-linux-gnu/pkgconfig:${_ipcshim_sysroot}/usr/share/pkgconfig")

# So that a dynamic executable finds what its libraries need while linking.
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-Wl,-rpath-link,${_ipcshim_sysroot}/usr/lib/aarch64-linux-gnu -Wl,-rpath-link,${_ipcshim_sysroot}/lib/aarch64-linux-gnu")
