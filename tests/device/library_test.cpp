// SPDX-License-Identifier: MIT
// The library against the module: what a program sees of errors, loops and
// processes that know each other's pid only.
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <thread>

#include "support.hpp"

namespace {

using test::patterned;
using namespace std::chrono_literals;

// Runs and gives the sentence of the exception that has to come.
std::string sentence_of(int expected, const std::function<void()>& call) {
    try {
        call();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), expected) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "no exception";
    return {};
}

TEST(Library, NoSuchProcessIsToldWithItsPid) {
    pid_t pid = 0;
    {
        test::process gone([](const test::line&) {});
        pid = gone.pid();
        gone.join();
    }
    const auto port = ipcshim::port::open();
    const auto text = sentence_of(ESRCH, [&] { static_cast<void>(port.open_sender(pid)); });
    EXPECT_NE(text.find(std::to_string(pid)), std::string::npos) << text;
}

TEST(Library, NoHandlerIsTold) {
    const auto port = ipcshim::port::open();
    sentence_of(ECONNREFUSED, [&] { static_cast<void>(port.open_sender(1)); });
}

TEST(Library, AnotherUserIsTold) {
    const auto port = test::listening_port();
    const pid_t target = ::getpid();
    test::process other([target](const test::line&) {
        test::become(4711);
        const auto its_port = ipcshim::port::open();
        std::error_code error;
        static_cast<void>(its_port.open_sender(target, {}, error));
        CHECK(error.value() == EPERM);
    });
    other.join();
}

TEST(Library, ADispatcherHandsEachEventToItsFunction) {
    const auto port = test::listening_port();
    ipcshim::dispatcher loop(port);
    std::vector<std::string> lines;
    ipcshim::receiver receiver;
    loop.on_pipe([&](const ipcshim::event& event, const ipcshim::recv_pipe& what) {
        EXPECT_EQ(what.mode, ipcshim::pipe_mode::message);
        receiver = port.claim_receiver(event);
    });
    loop.on_closed([&](const ipcshim::event&, const ipcshim::pipe_closed& what) {
        EXPECT_EQ(what.how, ipcshim::how::exited);
        EXPECT_EQ(what.status, 0);
        std::string text;
        while (receiver.read_message(text))
            lines.push_back(text);
        loop.stop();
    });
    const pid_t target = ::getpid();
    test::process other([target](const test::line&) {
        const auto its_port = ipcshim::port::open();
        ipcshim::pipe_parameters parameters;
        parameters.mode = ipcshim::pipe_mode::message;
        const auto sender = its_port.open_sender(target, parameters);
        sender.write(ipcshim::bytes_of("one"));
        sender.write(ipcshim::bytes_of("two"));
        ::_exit(0); // without closing
    });
    EXPECT_EQ(loop.run(), 2U);
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
    other.join();
}

TEST(Library, ADispatcherIsStoppedByAnotherThread) {
    const auto port = test::listening_port();
    ipcshim::dispatcher loop(port);
    const auto owner = test::own_tid();
    std::jthread stopper([&] {
        test::wait_until([&] { return test::sleeps(owner); });
        loop.stop();
    });
    EXPECT_EQ(loop.run(), 0U);
}

TEST(Library, ReadEventKeepsItsDeadline) {
    const auto port = test::listening_port();
    const auto until = std::chrono::steady_clock::now() + 30ms;
    EXPECT_FALSE(port.read_event(until));
    EXPECT_GE(std::chrono::steady_clock::now(), until);
    static_cast<void>(port.open_sender(::getpid()));
    EXPECT_TRUE(port.read_event(std::chrono::steady_clock::now() + 600s));
}

TEST(Library, AClosedObjectIsALogicErrorAndItsTwinEBADF) {
    auto pair = test::raw_pair();
    auto moved = std::move(pair.sender);
    EXPECT_THROW(static_cast<void>(pair.sender.info()), std::logic_error);
    moved.close();
    std::error_code error;
    moved.write(patterned(1), ipcshim::io_mode::all, error);
    EXPECT_EQ(error.value(), EBADF);
}

TEST(Library, AdoptRefusesWhatIsNoEnd) {
    auto pair = test::raw_pair();
    const auto port = ipcshim::port::open();
    EXPECT_THROW(ipcshim::sender(ipcshim::adopt_fd, port.fd()), std::system_error);
    EXPECT_THROW(ipcshim::sender(ipcshim::adopt_fd, pair.receiver.fd()), std::system_error);
    // They are the caller's still.
    EXPECT_NO_THROW(static_cast<void>(pair.receiver.info()));
    EXPECT_NO_THROW(static_cast<void>(port.query()));
}

TEST(Library, QueryTellsTheModuleOfThisLibrary) {
    const auto info = ipcshim::port::open().query();
    EXPECT_EQ(info.abi_version(), static_cast<std::uint32_t>(IPCSHIM_ABI_VERSION));
    EXPECT_TRUE(info.abi_note().empty());
    EXPECT_EQ(info.capacity_max(), ipcshim::capacity_max);
    EXPECT_GT(info.limits().events, 0U);
}

TEST(Library, WhatIsPrintedNamesWhatHappened) {
    auto port = test::listening_port();
    std::ostringstream text;
    auto pair = port.open_pipe();
    pair.sender.close();
    text << port.read_event();
    EXPECT_NE(text.str().find("pipe_closed"), std::string::npos) << text.str();
}

} // namespace
