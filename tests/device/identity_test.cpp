// SPDX-License-Identifier: MIT
// What other programs see of an end: fstat, /proc, flags, fdinfo.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <array>
#include <regex>
#include <set>

#include "support.hpp"

namespace {

using test::patterned;

struct stat state_of(int fd) {
    struct stat state {};
    CHECK_CALL(::fstat(fd, &state));
    return state;
}

std::string link_of(int fd) {
    std::array<char, 128> text{};
    const auto path = "/proc/self/fd/" + std::to_string(fd);
    const auto length = CHECK_CALL(::readlink(path.c_str(), text.data(), text.size()));
    return {text.data(), static_cast<std::size_t>(length)};
}

TEST(Identity, EndsAreFifosWithAnInodeEach) {
    auto first = test::raw_pair();
    auto second = test::message_pair();
    std::set<ino_t> inodes;
    for (const int fd :
         {first.sender.fd(), first.receiver.fd(), second.sender.fd(), second.receiver.fd()}) {
        const auto state = state_of(fd);
        EXPECT_TRUE(S_ISFIFO(state.st_mode));
        inodes.insert(state.st_ino);
    }
    EXPECT_EQ(inodes.size(), 4U);
    EXPECT_FALSE(inodes.contains(0));
}

TEST(Identity, TheSameEndHasTheSameInodeInEveryProcess) {
    const auto port = test::listening_port();
    auto pair = port.open_pipe();
    test::process other([](const test::line& parent) {
        const auto its_port = test::listening_port();
        parent.put(1);
        const auto event = its_port.read_event();
        const auto sender = its_port.claim_sender(event);
        CHECK(state_of(sender.fd()).st_ino == event.as_recv_pipe()->inode);
        parent.put(state_of(sender.fd()).st_ino);
        parent.put(state_of(sender.fd()).st_dev);
    });
    static_cast<void>(other.get());
    pair.sender.send_to(other.pid());
    EXPECT_EQ(other.get(), state_of(pair.sender.fd()).st_ino);
    EXPECT_EQ(other.get(), state_of(pair.sender.fd()).st_dev);
    EXPECT_EQ(pair.sender.info().inode(), state_of(pair.sender.fd()).st_ino);
    other.join();
}

TEST(Identity, ProcShowsWhatADescriptorIs) {
    auto pair = test::raw_pair();
    EXPECT_EQ(link_of(pair.sender.fd()),
              "ipcshim:[sender:" + std::to_string(pair.sender.info().inode()) + "]");
    EXPECT_EQ(link_of(pair.receiver.fd()),
              "ipcshim:[receiver:" + std::to_string(pair.receiver.info().inode()) + "]");
}

TEST(Identity, FdinfoTellsAboutThePipe) {
    auto pair = test::message_pair();
    pair.sender.write(patterned(12));
    const auto text = test::file_content("/proc/self/fdinfo/" + std::to_string(pair.receiver.fd()));
    // The kernel's own lines, and some of ours with what waits.
    EXPECT_NE(text.find("flags:"), std::string::npos);
    EXPECT_NE(text.find("ipcshim"), std::string::npos) << text;
    EXPECT_TRUE(std::regex_search(text, std::regex("(^|\\W)12(\\W|$)"))) << text;
}

TEST(Identity, NonblockingBelongsToTheOpenFile) {
    auto pair = test::raw_pair();
    const test::unique_fd twin(::dup(pair.receiver.fd()));
    pair.receiver.set_nonblocking(true);
    EXPECT_TRUE(::fcntl(twin.get(), F_GETFL) & O_NONBLOCK);
    char byte = 0;
    EXPECT_EQ(::read(twin.get(), &byte, 1), -1);
    EXPECT_EQ(errno, EAGAIN);
    int off = 0;
    EXPECT_EQ(::ioctl(twin.get(), FIONBIO, &off), 0);
    EXPECT_FALSE(pair.receiver.nonblocking());
}

TEST(Identity, NonblockingOfOneHolderIsNotThatOfAnother) {
    const auto port = test::listening_port();
    auto pair = port.open_pipe();
    const auto token = pair.receiver.send_to(::getpid());
    const auto other = std::get<ipcshim::receiver>(port.claim(token, true));
    EXPECT_TRUE(other.nonblocking());
    EXPECT_FALSE(pair.receiver.nonblocking());
}

TEST(Identity, FionreadCountsWhatWaits) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(60'000));
    int count = 0;
    ASSERT_EQ(::ioctl(pair.receiver.fd(), FIONREAD, &count), 0);
    EXPECT_EQ(count, 60'000);
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 59'999).size(), 59'999U);
    ASSERT_EQ(::ioctl(pair.receiver.fd(), FIONREAD, &count), 0);
    EXPECT_EQ(count, 1);
}

TEST(Identity, FstatOfAPortIsTheDevice) {
    const auto port = ipcshim::port::open();
    const auto state = state_of(port.fd());
    EXPECT_TRUE(S_ISCHR(state.st_mode));
}

TEST(Identity, FchmodFchownAndTruncateDoNoHarm) {
    auto pair = test::raw_pair();
    // Whatever they answer, the pipe works and its inode is its own.
    const auto before = state_of(pair.sender.fd()).st_ino;
    static_cast<void>(::fchmod(pair.sender.fd(), 0));
    if (::ftruncate(pair.sender.fd(), 10) == 0)
        ADD_FAILURE() << "a pipe was truncated";
    EXPECT_EQ(::fsync(pair.sender.fd()), -1);
    EXPECT_EQ(errno, EINVAL);
    pair.sender.write(patterned(4));
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 4).size(), 4U);
    EXPECT_EQ(state_of(pair.sender.fd()).st_ino, before);
}

} // namespace
