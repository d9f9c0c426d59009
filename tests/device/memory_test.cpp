// SPDX-License-Identifier: MIT
// Memory: when it is taken, who is charged for it, and faults in mid-copy.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstring>
#include <thread>

#include "support.hpp"

namespace {

using test::matching;
using test::patterned;

constexpr std::size_t unit = ipcshim::capacity_unit;

TEST(Memory, OfTheRingIsTakenAtTheFirstWriteAndGivenBackAtTheEnd) {
    const auto before = test::totals().ring_bytes;
    {
        auto pair = test::raw_pair(ipcshim::capacity_max);
        EXPECT_EQ(test::totals().ring_bytes, before);
        pair.sender.write(patterned(1));
        EXPECT_GE(test::totals().ring_bytes, before + ipcshim::capacity_max);
    }
    EXPECT_EQ(test::totals().ring_bytes, before);
}

TEST(Memory, OfFailedWritesIsNotTaken) {
    const auto before = test::totals().ring_bytes;
    auto pair = test::message_pair();
    std::error_code error;
    pair.sender.write(patterned(ipcshim::message_max + 1), ipcshim::io_mode::all, error);
    EXPECT_EQ(error.value(), EMSGSIZE);
    EXPECT_EQ(test::totals().ring_bytes, before);
}

// The memory controller of the hierarchy that is mounted, or a skip.
class Charged : public ::testing::Test {
protected:
    void SetUp() override {
        if (test::file_content("/sys/fs/cgroup/cgroup.controllers").find("memory") ==
            std::string::npos)
            GTEST_SKIP() << "no memory controller in /sys/fs/cgroup (CONFIG_MEMCG, "
                            "cgroup_disable=memory, or cgroup2 is not mounted)";
        if (!test::write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
            GTEST_SKIP() << "the memory controller can't be turned on for groups";
        ASSERT_TRUE(::mkdir(group.c_str(), 0755) == 0 || errno == EEXIST);
    }
    void TearDown() override { ::rmdir(group.c_str()); }

    std::uint64_t current() const {
        return std::stoull(test::file_content(group + "/memory.current"));
    }

    const std::string group = "/sys/fs/cgroup/ipcshim-test-" + std::to_string(::getpid());
};

TEST_F(Charged, MemoryOfTheRingBelongsToTheGroupOfTheWriter) {
    test::process writer([&](const test::line& parent) {
        CHECK(test::write_file(group + "/cgroup.procs", std::to_string(::getpid())));
        auto pair = test::raw_pair(ipcshim::capacity_max);
        parent.put(1);
        static_cast<void>(parent.get());
        pair.sender.write(patterned(1));
        parent.put(2);
        static_cast<void>(parent.get());
    });
    static_cast<void>(writer.get());
    const auto before = current();
    writer.put(1);
    static_cast<void>(writer.get());
    // Charges are batched per processor: a megabyte of tolerance.
    EXPECT_GE(current() + (1U << 20), before + ipcshim::capacity_max);
    writer.put(1);
    writer.join();
}

TEST_F(Charged, MemoryBeyondTheLimitOfTheGroupIsENOMEM) {
    ASSERT_TRUE(test::write_file(group + "/memory.max", std::to_string(8U << 20)));
    test::process writer([&](const test::line& parent) {
        CHECK(test::write_file(group + "/cgroup.procs", std::to_string(::getpid())));
        auto pair = test::raw_pair(ipcshim::capacity_max);
        std::error_code error;
        pair.sender.write(patterned(1), ipcshim::io_mode::all, error);
        parent.put(static_cast<std::uint64_t>(error.value()));
        CHECK(pair.receiver.info().bytes_waiting() == 0);
    });
    // Refused, or the group's own OOM killer took the writer: nothing else.
    std::uint64_t answer = 0;
    try {
        answer = writer.get();
    } catch (const std::runtime_error&) {
        EXPECT_NE(test::file_content(group + "/memory.events").find("oom_kill 1"),
                  std::string::npos);
        return;
    }
    EXPECT_EQ(answer, static_cast<std::uint64_t>(ENOMEM));
    writer.join();
}

// A buffer whose later pages come only when somebody asks: the copy stops in
// its midst, while the rest of the pipe must go on.
class LatePage : public ::testing::Test {
protected:
    static constexpr std::size_t size = 2 * unit;

    void SetUp() override {
        uffd =
            test::unique_fd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
        if (uffd.get() < 0)
            GTEST_SKIP() << "userfaultfd: " << ::strerrorname_np(errno);
        uffdio_api api{};
        api.api = UFFD_API;
        ASSERT_EQ(::ioctl(uffd.get(), UFFDIO_API, &api), 0);
        memory = static_cast<std::byte*>(
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_NE(memory, MAP_FAILED);
        uffdio_register area{};
        area.range = {reinterpret_cast<std::uintptr_t>(memory), size};
        area.mode = UFFDIO_REGISTER_MODE_MISSING;
        ASSERT_EQ(::ioctl(uffd.get(), UFFDIO_REGISTER, &area), 0);
    }
    void TearDown() override {
        if (memory != nullptr)
            ::munmap(memory, size);
    }

    // Gives pages as they are asked for, after "first" did its work once.
    void serve(const std::function<void()>& first) {
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        bool asked = false;
        for (;;) {
            pollfd wait[2] = {{uffd.get(), POLLIN, 0}, {stop_out.get(), POLLIN, 0}};
            CHECK_CALL(::poll(wait, 2, -1));
            uffd_msg message{};
            if (::read(uffd.get(), &message, sizeof(message)) != sizeof(message)) {
                if (wait[1].revents != 0)
                    return;
                continue;
            }
            if (!asked && first)
                first();
            asked = true;
            const auto place =
                (message.arg.pagefault.address & ~(static_cast<std::uint64_t>(page) - 1)) -
                reinterpret_cast<std::uintptr_t>(memory);
            auto content = patterned(page, 1, place);
            uffdio_copy copy{};
            copy.dst = reinterpret_cast<std::uintptr_t>(memory) + place;
            copy.src = reinterpret_cast<std::uintptr_t>(content.data());
            copy.len = page;
            CHECK(::ioctl(uffd.get(), UFFDIO_COPY, &copy) == 0 || errno == EEXIST);
        }
    }

    void with_server(const std::function<void()>& first, const std::function<void()>& work) {
        int pair[2];
        ASSERT_EQ(::pipe2(pair, O_CLOEXEC), 0);
        stop_out = test::unique_fd(pair[0]);
        test::unique_fd stop_in(pair[1]);
        std::thread server([&] { serve(first); });
        work();
        stop_in.reset();
        server.join();
    }

    test::unique_fd uffd;
    test::unique_fd stop_out;
    std::byte* memory = nullptr;
};

TEST_F(LatePage, AWriteWaitsForItsPagesAndIsWhole) {
    auto pair = test::raw_pair(4 * unit);
    with_server(
        [&] {
            // The writer is in the middle of its copy: nothing of that piece shows.
            EXPECT_EQ(pair.receiver.info().bytes_waiting() % 4'096, 0U);
        },
        [&] { EXPECT_EQ(::write(pair.sender.fd(), memory, size), static_cast<ssize_t>(size)); });
    EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), size), 1), size);
}

TEST_F(LatePage, AReadWaitsForItsPagesAndIsWhole) {
    auto pair = test::raw_pair(4 * unit);
    pair.sender.write(patterned(size, 2));
    with_server({}, [&] {
        std::size_t done = 0;
        while (done < size) {
            const auto count = ::read(pair.receiver.fd(), memory + done, size - done);
            ASSERT_GT(count, 0);
            done += static_cast<std::size_t>(count);
        }
    });
    EXPECT_EQ(matching({memory, size}, 2), size);
}

TEST_F(LatePage, TheOtherSideGoesOnWhileAWriterWaitsForItsPage) {
    auto pair = test::raw_pair(4 * unit);
    pair.sender.write(patterned(100, 3));
    with_server(
        [&] {
            EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), 100), 3), 100U);
            EXPECT_TRUE(pair.sender.info().write_locked());
        },
        [&] { EXPECT_EQ(::write(pair.sender.fd(), memory, size), static_cast<ssize_t>(size)); });
    EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), size), 1), size);
}

TEST_F(LatePage, ClosePipeEndsAWriteThatWaitsForItsPage) {
    auto pair = test::raw_pair(4 * unit);
    ssize_t result = 0;
    with_server([&] { pair.receiver.close_pipe(); },
                [&] {
                    ipcshim_pipe_io args = test::io_args(memory, size, IPCSHIM_IO_ALL);
                    result = ::ioctl(pair.sender.fd(), IPCSHIM_PIPE_WRITE, &args);
                });
    EXPECT_EQ(result, -1);
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), 0U);
}

// A write longer than the pipe, with a hole in its last quarter: pieces before
// the hole move.
class MidCopy : public ::testing::Test {
protected:
    static constexpr std::size_t size = 4 * unit;

    void SetUp() override {
        memory = static_cast<std::byte*>(
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_NE(memory, MAP_FAILED);
        const auto content = patterned(size, 4);
        std::memcpy(memory, content.data(), size);
        ASSERT_EQ(::mprotect(memory + size - unit, unit, PROT_NONE), 0);
    }
    void TearDown() override { ::munmap(memory, size); }

    // Writes, while another process reads to the end; what either of them had.
    std::pair<std::uint64_t, std::uint64_t>
    written_and_read(const std::function<std::uint64_t(int fd)>& write) {
        auto pair = test::raw_pair();
        test::process reader([&](const test::line& parent) {
            pair.sender.close();
            const auto bytes = test::read_bytes(pair.receiver.fd(), size);
            CHECK(matching(bytes, 4) == bytes.size());
            parent.put(bytes.size());
        });
        const std::uint64_t written = write(pair.sender.fd());
        pair.sender.close();
        const std::uint64_t read = reader.get();
        reader.join();
        return {written, read};
    }

    std::byte* memory = nullptr;
};

TEST_F(MidCopy, AHoleInALaterPieceMakesAWriteShort) {
    const auto [written, read] = written_and_read(
        [&](int fd) { return static_cast<std::uint64_t>(CHECK_CALL(::write(fd, memory, size))); });
    EXPECT_GT(written, 0U);
    EXPECT_LE(written, size - unit);
    EXPECT_EQ(read, written);
}

TEST_F(MidCopy, AHoleInALaterPieceIsSuccessWithCauseFaultForPipeWrite) {
    const auto [written, read] = written_and_read([&](int fd) {
        auto args = test::io_args(memory, size, IPCSHIM_IO_ALL);
        CHECK_CALL(::ioctl(fd, IPCSHIM_PIPE_WRITE, &args));
        CHECK(args.cause == IPCSHIM_CAUSE_FAULT);
        return static_cast<std::uint64_t>(args.moved);
    });
    EXPECT_GT(written, 0U);
    EXPECT_LE(written, size - unit);
    EXPECT_EQ(read, written);
}

} // namespace
