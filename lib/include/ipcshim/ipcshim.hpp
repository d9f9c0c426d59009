// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_IPCSHIM_HPP
#define IPCSHIM_IPCSHIM_HPP

/// \file
/// The whole library. Each noun has a header of its own; they can be had one by
/// one.

#include <ipcshim/child.hpp>
#include <ipcshim/command.hpp>
#include <ipcshim/dispatcher.hpp>
#include <ipcshim/dmabuf.hpp>
#include <ipcshim/driver_info.hpp>
#include <ipcshim/error.hpp>
#include <ipcshim/event.hpp>
#include <ipcshim/io_result.hpp>
#include <ipcshim/mapping.hpp>
#include <ipcshim/pipe.hpp>
#include <ipcshim/pipe_info.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/pty.hpp>
#include <ipcshim/pty_slave.hpp>
#include <ipcshim/segment.hpp>
#include <ipcshim/segment_info.hpp>
#include <ipcshim/segment_resource.hpp>
#include <ipcshim/signal.hpp>
#include <ipcshim/types.hpp>

#endif
