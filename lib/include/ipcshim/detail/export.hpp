// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DETAIL_EXPORT_HPP
#define IPCSHIM_DETAIL_EXPORT_HPP

// What a program may link against; everything else in the library is hidden.
#if defined(__GNUC__) || defined(__clang__)
#define IPCSHIM_API __attribute__((visibility("default")))
#else
#define IPCSHIM_API
#endif

#endif
