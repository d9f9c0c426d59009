// SPDX-License-Identifier: MIT
// The library's pseudo terminals against the module: what is read and written,
// handed over and dispatched. Commands are in pty_spawn_test.cpp.
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <sstream>

#include "pty_support.hpp"

namespace {

using ipcshim::bytes_of;

ipcshim::pty open_pty(const ipcshim::pty_parameters& parameters = {}) {
    return ipcshim::port::open().open_pty(parameters);
}

// What one read gives.
std::string read_some(const ipcshim::pty& pty) {
    std::array<std::byte, 4'096> bytes{};
    const auto count = pty.read(bytes);
    return {reinterpret_cast<const char*>(bytes.data()), count};
}

ino_t inode_of(int fd) {
    struct stat status {};
    CHECK_CALL(::fstat(fd, &status));
    return status.st_ino;
}

TEST(PtyLibrary, OpensAPairWithASize) {
    const auto pty = open_pty({.size = {24, 80, 0, 0}});
    EXPECT_EQ(pty.size(), (ipcshim::window_size{24, 80, 0, 0}));
    EXPECT_EQ(pty.inode(), inode_of(pty.fd()));
    EXPECT_EQ(pty.slave_path(), "/dev/ttyIPC" + std::to_string(pty.index()));
    EXPECT_TRUE(std::filesystem::is_character_file(pty.slave_path()));
    EXPECT_FALSE(pty.is_locked());
    EXPECT_FALSE(pty.nonblocking());
    EXPECT_EQ(pty.foreground(), 0);
    EXPECT_EQ(::fcntl(pty.fd(), F_GETFD), FD_CLOEXEC);
    const auto slave = pty.open_slave();
    EXPECT_EQ(slave.inode(), inode_of(slave.fd()));
    EXPECT_EQ(slave.inode(), pty.slave_inode());
    EXPECT_EQ(slave.index(), pty.index());
    EXPECT_EQ(slave.path(), pty.slave_path());
    EXPECT_EQ(::isatty(slave.fd()), 1);
    EXPECT_EQ(::fcntl(slave.fd(), F_GETFD), FD_CLOEXEC);
    EXPECT_LT(::tcgetsid(slave.fd()), 0) << "it controls nobody";
    slave.resize({1, 2, 3, 4});
    EXPECT_EQ(pty.size(), (ipcshim::window_size{1, 2, 3, 4}));
    pty.resize({5, 6, 7, 8});
    EXPECT_EQ(slave.size(), (ipcshim::window_size{5, 6, 7, 8}));
    std::ostringstream text;
    text << pty;
    EXPECT_NE(text.str().find(pty.slave_path()), std::string::npos) << text.str();
    text.str({});
    text << slave;
    EXPECT_NE(text.str().find(pty.slave_path()), std::string::npos) << text.str();
}

TEST(PtyLibrary, ReadAnswers0AfterTheLastCloseUntilItIsOpenedAgain) {
    const auto pty = open_pty();
    auto slave = pty.open_slave();
    EXPECT_EQ(pty.write(bytes_of("typed\r")), 6U);
    EXPECT_EQ(test::take(pty.fd(), 7), "typed\r\n");
    EXPECT_EQ(test::take_some(slave.fd()), "typed\n");
    test::put(slave.fd(), "left");
    slave.close();
    EXPECT_EQ(read_some(pty), "left");
    EXPECT_EQ(read_some(pty), "");
    std::array<std::byte, 8> room{};
    auto error = std::make_error_code(std::errc::io_error);
    EXPECT_EQ(pty.read(room, error), 0U);
    EXPECT_FALSE(error) << error.message();
    slave = pty.open_slave();
    test::put(slave.fd(), "more");
    EXPECT_EQ(read_some(pty), "more");
}

TEST(PtyLibrary, ANonblockingOneNeverWaits) {
    const auto pty = open_pty({.nonblocking = true});
    EXPECT_TRUE(pty.nonblocking());
    test::make_raw(pty.fd());
    std::array<std::byte, 8> room{};
    std::error_code error;
    EXPECT_EQ(pty.read(room, error), 0U);
    EXPECT_EQ(error, std::errc::resource_unavailable_try_again);
    const auto bytes = test::patterned(100'000);
    const auto written = pty.write(bytes);
    EXPECT_GT(written, 0U);
    EXPECT_LT(written, bytes.size());
    pty.set_nonblocking(false);
    EXPECT_FALSE(pty.nonblocking());
    const auto slave = pty.open_slave(true);
    EXPECT_NE(::fcntl(slave.fd(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(PtyLibrary, LockedAndPacketMode) {
    const auto pty = open_pty();
    pty.lock();
    EXPECT_TRUE(pty.is_locked());
    std::error_code error;
    EXPECT_FALSE(pty.open_slave(false, error).is_open());
    EXPECT_EQ(error.value(), EIO);
    EXPECT_THROW(static_cast<void>(pty.open_slave()), std::system_error);
    pty.unlock();
    const auto slave = pty.open_slave();
    pty.set_packet_mode(true);
    test::put(slave.fd(), "x");
    EXPECT_EQ(read_some(pty), std::string{TIOCPKT_DATA} + "x");
    pty.set_packet_mode(false);
    test::put(slave.fd(), "x");
    EXPECT_EQ(read_some(pty), "x");
    EXPECT_THROW(pty.signal_foreground(SIGKILL), std::system_error);
}

TEST(PtyLibrary, AdoptsItsOwnKindAlone) {
    auto pty = open_pty();
    const auto index = pty.index();
    const auto inode = pty.inode();
    const test::terminal other(test::pty_kind::devpts);
    EXPECT_THROW(ipcshim::pty(ipcshim::adopt_fd, other.master.get()), std::system_error);
    EXPECT_EQ(test::polled(other.slave.get()) & POLLHUP, 0) << "it is the caller's still";
    const auto slave = pty.open_slave();
    EXPECT_THROW(ipcshim::pty(ipcshim::adopt_fd, slave.fd()), std::system_error);
    const ipcshim::pty again(ipcshim::adopt_fd, pty.release());
    EXPECT_FALSE(pty.is_open());
    EXPECT_EQ(again.index(), index);
    EXPECT_EQ(again.inode(), inode);
    EXPECT_THROW(static_cast<void>(pty.size()), std::logic_error);
}

TEST(PtyLibrary, CloseHangsUpTheSlave) {
    auto pty = open_pty();
    const auto path = pty.slave_path();
    const auto slave = pty.open_slave();
    pty.close();
    EXPECT_EQ(test::read_error(slave.fd()), -1);
    EXPECT_EQ(test::write_error(slave.fd()), EIO);
    EXPECT_THROW(static_cast<void>(slave.size()), std::system_error);
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(PtyLibrary, ASlaveIsHandedToAnotherProcess) {
    const auto pty = open_pty({.size = {10, 20, 30, 40}});
    const auto index = pty.index();
    test::process other([index](const test::line& parent) {
        const auto port = test::listening_port();
        parent.put(1);
        const auto event = port.read_event();
        const auto what = event.as_recv_pty();
        CHECK(what.has_value());
        CHECK(what->index == index);
        CHECK((what->size == ipcshim::window_size{10, 20, 30, 40}));
        CHECK(event.command() == 77);
        CHECK(event.pid() == ::getppid());
        parent.put(2);
        static_cast<void>(parent.get());
        const auto slave = port.claim_pty(event);
        CHECK(slave.index() == index);
        CHECK(slave.inode() == what->inode);
        CHECK(slave.inode() == inode_of(slave.fd()));
        CHECK(::tcgetsid(slave.fd()) < 0); // it controls nobody
        test::put(slave.fd(), "here I am");
        parent.put(3);
        static_cast<void>(parent.get());
    });
    static_cast<void>(other.get());
    EXPECT_NE(pty.send_to(other.pid(), {.command = 77}), ipcshim::no_token);
    static_cast<void>(other.get());
    pty.set_nonblocking(true);
    EXPECT_EQ(test::read_error(pty.fd()), EAGAIN) << "a token is no open";
    EXPECT_EQ(test::polled(pty.fd()) & POLLHUP, 0);
    pty.set_nonblocking(false);
    other.put(1);
    EXPECT_EQ(test::take(pty.fd(), 9), "here I am");
    static_cast<void>(other.get());
    other.put(1);
    other.join();
    EXPECT_EQ(read_some(pty), "");
}

TEST(PtyLibrary, ATokenIsClaimedByWhatItStandsFor) {
    const auto port = test::listening_port();
    auto pty = port.open_pty();
    const auto token = pty.send_to(::getpid(), {.announce = false});
    EXPECT_EQ(port.events_waiting(), 0U);
    {
        const auto what = port.claim(token);
        ASSERT_TRUE(std::holds_alternative<ipcshim::pty_slave>(what));
        EXPECT_EQ(std::get<ipcshim::pty_slave>(what).index(), pty.index());
    }
    std::error_code error;
    static_cast<void>(port.claim_pty(token, false, error));
    EXPECT_EQ(error.value(), ENOENT) << "used up";

    // Locked: the token stays. Closed: it is of no use any more.
    static_cast<void>(pty.send_to(::getpid()));
    const auto event = port.read_event();
    pty.lock();
    static_cast<void>(port.claim_pty(event, false, error));
    EXPECT_EQ(error.value(), EIO);
    pty.unlock();
    EXPECT_TRUE(port.claim_pty(event, false, error).is_open()) << error.message();
    const auto late = pty.send_to(::getpid(), {.announce = false});
    pty.close();
    static_cast<void>(port.claim_pty(late, false, error));
    EXPECT_EQ(error.value(), ESTALE);
    static_cast<void>(port.claim_pty(late, false, error));
    EXPECT_EQ(error.value(), ENOENT);
}

TEST(PtyLibrary, ADispatcherHandsItToItsFunction) {
    const auto port = test::listening_port();
    ipcshim::dispatcher loop(port);
    ipcshim::pty_slave slave;
    loop.on_pty([&](const ipcshim::event& event, const ipcshim::recv_pty& what) {
        slave = port.claim_pty(event, true);
        EXPECT_EQ(what.index, slave.index());
        loop.stop();
    });
    const auto pty = port.open_pty();
    pty.send_to(::getpid());
    EXPECT_EQ(loop.run(), 1U);
    ASSERT_TRUE(slave.is_open());
    EXPECT_EQ(test::read_error(slave.fd()), EAGAIN);
    pty.write(bytes_of("x\n"));
    test::wait_for(slave.fd(), POLLIN);
    EXPECT_EQ(test::take_some(slave.fd()), "x\n");
}

TEST(PtyLibrary, AMasterThatWasInheritedIsOfUse) {
    const auto pty = open_pty();
    const auto slave = pty.open_slave();
    test::process other([&](const test::line&) {
        pty.resize({3, 4, 0, 0});
        pty.write(bytes_of("typed there\n"));
    });
    EXPECT_EQ(test::take_some(slave.fd()), "typed there\n");
    other.join();
    EXPECT_EQ(slave.size(), (ipcshim::window_size{3, 4, 0, 0}));
}

TEST(PtyLibrary, ASignalThatInterruptsIsTold) {
    const auto pty = open_pty();
    test::process waits([&](const test::line&) {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        CHECK_CALL(::sigaction(SIGUSR1, &action, nullptr));
        std::array<std::byte, 8> room{};
        std::error_code error;
        CHECK(pty.read(room, error) == 0 && error == std::errc::interrupted);
    });
    test::wait_until_in(waits.pid(), SYS_read, pty.fd());
    CHECK_CALL(::kill(waits.pid(), SIGUSR1));
    waits.join();
}

} // namespace
