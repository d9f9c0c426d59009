// SPDX-License-Identifier: MIT
// The module itself: unloading while in use, loading again, and its tracepoints.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstdlib>

#include "support.hpp"

namespace {

using test::patterned;

bool loaded() {
    return ::access("/sys/module/ipcshim", F_OK) == 0;
}

// What rmmod does: 0 or an errno.
int unload() {
    return ::syscall(SYS_delete_module, "ipcshim", O_NONBLOCK) == 0 ? 0 : errno;
}

int load() {
    const char* path = std::getenv("IPCSHIM_KO");
    const test::unique_fd file(
        ::open(path != nullptr ? path : "/lib/ipcshim.ko", O_RDONLY | O_CLOEXEC));
    if (file.get() < 0)
        return errno;
    return ::syscall(SYS_finit_module, file.get(), "", 0) == 0 ? 0 : errno;
}

// Whatever happens in a test, the next one finds the module loaded.
class Module : public ::testing::Test {
protected:
    void TearDown() override {
        if (!loaded()) {
            EXPECT_EQ(load(), 0);
        }
    }
};

TEST_F(Module, CannotBeUnloadedWhileAPortIsOpen) {
    const auto port = ipcshim::port::open();
    EXPECT_EQ(unload(), EWOULDBLOCK);
    EXPECT_NO_THROW(static_cast<void>(port.query()));
}

TEST_F(Module, CannotBeUnloadedWhileAnEndIsOpen) {
    auto pair = test::raw_pair();
    pair.receiver.close();
    EXPECT_EQ(unload(), EWOULDBLOCK);
    EXPECT_FALSE(pair.sender.info().is_open());
}

TEST_F(Module, CannotBeUnloadedWhileAReaderWaits) {
    auto pair = test::raw_pair();
    test::process reader([&](const test::line&) {
        pair.sender.close();
        CHECK(test::read_bytes(pair.receiver.fd(), 2).size() == 2);
    });
    pair.receiver.close();
    test::wait_until([&] { return pair.sender.info().read_waits(); });
    EXPECT_EQ(unload(), EWOULDBLOCK);
    pair.sender.write(patterned(2));
    reader.join();
}

TEST_F(Module, UnloadsAndLoadsAgainAfterTheLastClose) {
    {
        const auto port = test::listening_port();
        auto pair = port.open_pipe();
        auto announced = port.open_sender(::getpid());
        pair.sender.write(patterned(50'000));
        EXPECT_EQ(unload(), EWOULDBLOCK);
    }
    ASSERT_EQ(unload(), 0);
    EXPECT_FALSE(loaded());
    EXPECT_EQ(::access(IPCSHIM_DEVICE, F_OK), -1);
    std::error_code error;
    static_cast<void>(ipcshim::port::open(error));
    EXPECT_EQ(error.value(), ENOENT);
    ASSERT_EQ(load(), 0);
    struct stat state {};
    ASSERT_EQ(::stat(IPCSHIM_DEVICE, &state), 0);
    EXPECT_EQ(state.st_mode & 07777, 0666U);
    auto pair = test::raw_pair();
    pair.sender.write(patterned(10));
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 10).size(), 10U);
    EXPECT_EQ(test::totals().pipes, 1U);
}

TEST_F(Module, UnloadsAfterItsUsersWereKilled) {
    {
        test::process user([](const test::line& parent) {
            const auto port = test::listening_port();
            auto pair = port.open_pipe();
            pair.sender.write(patterned(1'000));
            auto announced = port.open_sender(::getpid());
            parent.put(1);
            static_cast<void>(test::read_bytes(pair.receiver.fd(), 2'000));
        });
        static_cast<void>(user.get());
        user.kill();
    }
    EXPECT_EQ(unload(), 0);
    EXPECT_EQ(load(), 0);
}

// /sys/kernel/tracing or its old place.
std::string tracing() {
    for (const std::string path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"})
        if (::access((path + "/trace").c_str(), R_OK) == 0)
            return path;
    return {};
}

class Tracepoints : public ::testing::Test {
protected:
    void SetUp() override {
        root = tracing();
        if (root.empty())
            GTEST_SKIP() << "tracefs is not mounted or not in this kernel";
        // Opening it for writing with O_TRUNC empties it.
        const test::unique_fd empty(::open((root + "/trace").c_str(), O_WRONLY | O_TRUNC));
        ASSERT_GE(empty.get(), 0);
        ASSERT_TRUE(test::write_file(root + "/events/ipcshim/enable", "1"));
        ASSERT_TRUE(test::write_file(root + "/tracing_on", "1"));
    }
    void TearDown() override {
        if (!root.empty())
            static_cast<void>(test::write_file(root + "/events/ipcshim/enable", "0"));
    }
    // How often it has fired.
    std::size_t fired(const std::string& name) const {
        const auto text = test::file_content(root + "/trace");
        std::size_t count = 0;
        for (auto place = text.find(name + ": "); place != std::string::npos;
             place = text.find(name + ": ", place + 1))
            count++;
        return count;
    }
    std::string root;
};

TEST_F(Tracepoints, FireForOpenSendReceiveClaimAndClose) {
    const auto port = test::listening_port();
    auto sender = port.open_sender(::getpid());
    EXPECT_EQ(fired("ipcshim_open"), 1U);
    EXPECT_EQ(fired("ipcshim_receive"), 1U);
    auto receiver = port.claim_receiver(port.read_event());
    EXPECT_EQ(fired("ipcshim_claim"), 1U);
    sender.send_to(::getpid());
    EXPECT_EQ(fired("ipcshim_send"), 1U);
    EXPECT_EQ(fired("ipcshim_receive"), 2U);
    EXPECT_EQ(fired("ipcshim_close"), 0U);
    receiver.close();
    EXPECT_EQ(fired("ipcshim_close"), 1U);
    EXPECT_EQ(fired("ipcshim_refuse"), 0U);
}

TEST_F(Tracepoints, FireForARefusal) {
    const auto port = ipcshim::port::open();
    std::error_code error;
    static_cast<void>(port.open_sender(1, {}, error));
    EXPECT_EQ(error.value(), ECONNREFUSED);
    EXPECT_EQ(fired("ipcshim_refuse"), 1U);
    EXPECT_EQ(fired("ipcshim_open"), 0U);
}

} // namespace
