// SPDX-License-Identifier: GPL-2.0-only
#include "event.h"
#include "pipe.h"
#include "process.h"
#include "service.h"
#include "socket.h"
#include "token.h"

#define CREATE_TRACE_POINTS
#include "trace.h"
