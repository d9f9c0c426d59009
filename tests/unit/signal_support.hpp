// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TESTS_SIGNAL_SUPPORT_HPP
#define IPCSHIM_TESTS_SIGNAL_SUPPORT_HPP

#include <signal.h> // NOLINT(modernize-deprecated-headers)
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include <gtest/gtest.h>

#include "fake_kernel.hpp"

namespace ipcshim::test {

/// The siginfo that the module makes for an event.
inline siginfo_t siginfo_of(const ::ipcshim_event& raw, int signo) {
    ::ipcshim_signal carried{};
    carried.code = raw.code;
    carried.command = raw.command;
    carried.pid = raw.pid;
    carried.token = raw.token;
    std::memcpy(carried.data, raw.data, sizeof(carried.data));
    siginfo_t info{};
    info.si_signo = signo;
    info.si_code = IPCSHIM_SIGNAL_CODE;
    std::memcpy(reinterpret_cast<char*>(&info) + IPCSHIM_SIGINFO_OFFSET, &carried, sizeof(carried));
    return info;
}

/// Raises it in this thread: the kernel lets a process send itself any siginfo.
inline void raise_as_module(siginfo_t info) {
    ASSERT_EQ(::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::gettid(), info.si_signo, &info), 0);
}

/// Raises it as any other process would.
inline void raise_as_process(int signo) {
    siginfo_t info{};
    info.si_signo = signo;
    info.si_code = SI_QUEUE;
    raise_as_module(info);
}

} // namespace ipcshim::test

#endif
