// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_IPCSHIM_HPP
#define IPCSHIM_IPCSHIM_HPP

/// \file
/// The whole library. Each noun has a header of its own; they can be had one by
/// one. Not among them: cbor_codec.hpp, which needs a package that the library does
/// without, and uring.hpp and task.hpp, which are the library ipcshim-uring's.

#include <ipcshim/batch.hpp>
#include <ipcshim/call_context.hpp>
#include <ipcshim/child.hpp>
#include <ipcshim/client.hpp>
#include <ipcshim/codec.hpp>
#include <ipcshim/command.hpp>
#include <ipcshim/dispatcher.hpp>
#include <ipcshim/dmabuf.hpp>
#include <ipcshim/driver_info.hpp>
#include <ipcshim/error.hpp>
#include <ipcshim/event.hpp>
#include <ipcshim/io_result.hpp>
#include <ipcshim/mapped.hpp>
#include <ipcshim/mapping.hpp>
#include <ipcshim/message.hpp>
#include <ipcshim/message_header.hpp>
#include <ipcshim/method.hpp>
#include <ipcshim/outcome.hpp>
#include <ipcshim/pipe.hpp>
#include <ipcshim/pipe_info.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/pty.hpp>
#include <ipcshim/pty_slave.hpp>
#include <ipcshim/published_service.hpp>
#include <ipcshim/segment.hpp>
#include <ipcshim/segment_info.hpp>
#include <ipcshim/segment_resource.hpp>
#include <ipcshim/service.hpp>
#include <ipcshim/service_error.hpp>
#include <ipcshim/signal.hpp>
#include <ipcshim/socket.hpp>
#include <ipcshim/types.hpp>

#endif
