// SPDX-License-Identifier: MIT
// splice between a pipe of ours and a pipe of the kernel.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <array>

#include "support.hpp"

namespace {

using test::matching;
using test::patterned;

struct kernel_pipe {
    kernel_pipe() {
        std::array<int, 2> pair{};
        CHECK_CALL(::pipe2(pair.data(), O_CLOEXEC));
        out = test::unique_fd(pair[0]);
        in = test::unique_fd(pair[1]);
    }
    test::unique_fd out;
    test::unique_fd in;
};

TEST(Splice, FromOursToAKernelPipe) {
    auto pair = test::raw_pair();
    const kernel_pipe theirs;
    pair.sender.write(patterned(10'000, 1));
    std::size_t done = 0;
    while (done < 10'000)
        done += static_cast<std::size_t>(CHECK_CALL(
            ::splice(pair.receiver.fd(), nullptr, theirs.in.get(), nullptr, 10'000 - done, 0)));
    EXPECT_EQ(matching(test::read_bytes(theirs.out.get(), 10'000), 1), 10'000U);
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), 0U);
}

TEST(Splice, FromAKernelPipeToOurs) {
    auto pair = test::raw_pair();
    const kernel_pipe theirs;
    test::write_bytes(theirs.in.get(), patterned(10'000, 2));
    std::size_t done = 0;
    while (done < 10'000)
        done += static_cast<std::size_t>(CHECK_CALL(
            ::splice(theirs.out.get(), nullptr, pair.sender.fd(), nullptr, 10'000 - done, 0)));
    EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), 10'000), 2), 10'000U);
}

TEST(Splice, OfALongStreamThroughBothKindsOfPipe) {
    constexpr std::size_t total = 1'000'000;
    auto first = test::raw_pair();
    auto second = test::raw_pair();
    test::process writer([&](const test::line&) { first.sender.write(patterned(total, 3)); });
    test::process mover([&](const test::line&) {
        first.sender.close();
        const kernel_pipe between;
        for (;;) {
            const ssize_t in = CHECK_CALL(::splice(first.receiver.fd(), nullptr, between.in.get(),
                                                   nullptr, 65'536, SPLICE_F_MOVE));
            if (in == 0)
                return;
            for (ssize_t left = in; left > 0;)
                left -= CHECK_CALL(::splice(between.out.get(), nullptr, second.sender.fd(), nullptr,
                                            static_cast<std::size_t>(left), SPLICE_F_MOVE));
        }
    });
    first.sender.close();
    second.sender.close();
    const auto bytes = test::read_bytes(second.receiver.fd(), total + 1);
    EXPECT_EQ(bytes.size(), total);
    EXPECT_EQ(matching(bytes, 3), total);
    writer.join();
    mover.join();
}

TEST(Splice, OfAMessageKeepsItWhole) {
    auto pair = test::message_pair();
    const kernel_pipe theirs;
    pair.sender.write(patterned(3'000, 4));
    pair.sender.write(patterned(100, 5));
    EXPECT_EQ(
        ::splice(pair.receiver.fd(), nullptr, theirs.in.get(), nullptr, 65'536, SPLICE_F_NONBLOCK),
        3'000);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), 1U);
    EXPECT_EQ(matching(test::read_bytes(theirs.out.get(), 3'000), 4), 3'000U);
}

TEST(Splice, NonblockingOfAnEmptyPipeIsEAGAIN) {
    auto pair = test::raw_pair();
    const kernel_pipe theirs;
    pair.receiver.set_nonblocking(true);
    EXPECT_EQ(
        ::splice(pair.receiver.fd(), nullptr, theirs.in.get(), nullptr, 10, SPLICE_F_NONBLOCK), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST(Splice, ToAFullPipeNonblockingIsEAGAINAndLosesNothing) {
    auto pair = test::raw_pair();
    const kernel_pipe theirs;
    pair.sender.set_nonblocking(true);
    pair.sender.write(patterned(ipcshim::capacity_unit));
    test::write_bytes(theirs.in.get(), patterned(10, 6));
    EXPECT_EQ(::splice(theirs.out.get(), nullptr, pair.sender.fd(), nullptr, 10, SPLICE_F_NONBLOCK),
              -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(matching(test::read_bytes(theirs.out.get(), 10), 6), 10U);
}

TEST(Splice, OfAClosedPipeDrainsAndIs0) {
    auto pair = test::raw_pair();
    const kernel_pipe theirs;
    pair.sender.write(patterned(5));
    pair.sender.close();
    EXPECT_EQ(::splice(pair.receiver.fd(), nullptr, theirs.in.get(), nullptr, 100, 0), 5);
    EXPECT_EQ(::splice(pair.receiver.fd(), nullptr, theirs.in.get(), nullptr, 100, 0), 0);
}

TEST(Splice, SendfileOfAFileArrives) {
    auto pair = test::raw_pair(4 * ipcshim::capacity_unit);
    const test::unique_fd file(CHECK_CALL(::memfd_create("content", MFD_CLOEXEC)));
    test::write_bytes(file.get(), patterned(200'000, 7));
    off_t from = 0;
    while (from < 200'000)
        CHECK_CALL(::sendfile(pair.sender.fd(), file.get(), &from,
                              static_cast<std::size_t>(200'000 - from)));
    EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), 200'000), 7), 200'000U);
}

} // namespace
