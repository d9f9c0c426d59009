// SPDX-License-Identifier: MIT
// liburing, if it is there: HAVE_LIBURING says so.
#ifndef IPCSHIM_TESTS_DEVICE_URING_HPP
#define IPCSHIM_TESTS_DEVICE_URING_HPP

#ifdef HAVE_LIBURING
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <liburing.h>
#pragma GCC diagnostic pop
#endif

#endif
