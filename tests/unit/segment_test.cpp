// SPDX-License-Identifier: MIT
//
// What a segment does with its kernel and with other processes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

constexpr std::size_t length = 8192;

class segment_test : public ::testing::Test {
protected:
    ~segment_test() override {
        mine.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }

    segment make(rights allowed = rights::read | rights::write | rights::execute) {
        return {detail::handle(kernel, kernel.make_fd()),
                {.size = length, .inode = 31, .rights = allowed, .mode = memory_mode::made}};
    }
    // SHARE_MEM succeeds; what was asked for is kept.
    void answer_share() {
        kernel.on<::ipcshim_share_mem>(IPCSHIM_SHARE_MEM, [this](int, ::ipcshim_share_mem& raw) {
            asked = raw;
            raw.token = 4711;
            raw.inode = 99;
            return 0;
        });
    }

    fake_kernel kernel;
    segment mine = make();
    ::ipcshim_share_mem asked{};
};

TEST_F(segment_test, share_passes_every_parameter_and_keeps_the_handle) {
    answer_share();
    const shared_grant given = mine.share(42, rights::read | rights::write, {.command = 7});
    EXPECT_EQ(asked.pid, 42U);
    EXPECT_EQ(asked.flags, 0U);
    EXPECT_EQ(asked.mode, IPCSHIM_MEM_MUTUAL);
    EXPECT_EQ(asked.rights, IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE);
    EXPECT_EQ(asked.command, 7);
    EXPECT_EQ(asked.deadline, 0U);
    EXPECT_EQ(asked.reserved0, 0U);
    EXPECT_EQ(asked.reserved, 0U);
    EXPECT_EQ(given, (shared_grant{.token = token{4711}, .inode = 99}));
    EXPECT_TRUE(mine.is_open());
}

TEST_F(segment_test, share_unannounced_asks_to_skip) {
    answer_share();
    mine.share(42, rights::read, {.announce = false});
    EXPECT_EQ(asked.flags, IPCSHIM_SHARE_SKIP);
}

TEST_F(segment_test, hand_over_asks_for_exclusive_and_consumes_the_handle) {
    answer_share();
    const shared_grant given = std::move(mine).hand_over(42, rights::read | rights::execute);
    EXPECT_EQ(asked.mode, IPCSHIM_MEM_EXCLUSIVE);
    EXPECT_EQ(asked.flags, 0U);
    EXPECT_EQ(asked.rights, IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_EXECUTE);
    EXPECT_EQ(given.token, token{4711});
    EXPECT_FALSE(mine.is_open()); // NOLINT(bugprone-use-after-move): that is the point
    EXPECT_TRUE(kernel.open_fds().empty());
}

TEST_F(segment_test, a_hand_over_that_fails_leaves_the_handle_as_it_was) {
    kernel.refuse(IPCSHIM_SHARE_MEM, EBUSY);
    const std::string text =
        thrown<std::system_error>([&] { std::move(mine).hand_over(42, rights::read); });
    EXPECT_NE(text.find("cannot hand the segment over to process 42: its pages can be reached "
                        "otherwise, and nothing has changed"),
              std::string::npos)
        << text;
    EXPECT_TRUE(mine.is_open());
    std::error_code error;
    std::move(mine).hand_over(42, rights::read, {}, error);
    EXPECT_EQ(error, std::errc::device_or_resource_busy);
    EXPECT_TRUE(mine.is_open());
    EXPECT_EQ(kernel.open_fds().size(), 1U);
}

TEST_F(segment_test, lend_tells_the_deadline_and_consumes_the_handle) {
    answer_share();
    const deadline until{std::chrono::nanoseconds(123456789)};
    std::move(mine).lend(42, rights::read | rights::write, until, {.announce = false});
    EXPECT_EQ(asked.mode, IPCSHIM_MEM_EXCLUSIVE);
    EXPECT_EQ(asked.flags, IPCSHIM_SHARE_LEND | IPCSHIM_SHARE_SKIP);
    EXPECT_EQ(asked.deadline, 123456789U);
    EXPECT_FALSE(mine.is_open());
}

TEST_F(segment_test, lend_without_a_deadline_asks_for_none) {
    answer_share();
    std::move(mine).lend(42, rights::read);
    EXPECT_EQ(asked.flags, IPCSHIM_SHARE_LEND);
    EXPECT_EQ(asked.deadline, 0U);
}

TEST_F(segment_test, a_lend_that_fails_leaves_the_handle_as_it_was) {
    kernel.refuse(IPCSHIM_SHARE_MEM, ECONNREFUSED);
    const std::string text =
        thrown<std::system_error>([&] { std::move(mine).lend(42, rights::read); });
    EXPECT_NE(text.find("or this process itself, has no port"), std::string::npos) << text;
    EXPECT_TRUE(mine.is_open());
    std::error_code error;
    std::move(mine).lend(42, rights::read, no_deadline, {}, error);
    EXPECT_EQ(error, std::errc::connection_refused);
    EXPECT_TRUE(mine.is_open());
}

TEST_F(segment_test, pids_that_no_process_has_are_einval_and_nothing_is_asked) {
    answer_share();
    for (const pid_t pid : {0, -1}) {
        EXPECT_EQ(thrown_errno([&] { mine.share(pid, rights::read); }), EINVAL);
        EXPECT_EQ(thrown_errno([&] { std::move(mine).hand_over(pid, rights::read); }), EINVAL);
        EXPECT_EQ(thrown_errno([&] { std::move(mine).lend(pid, rights::read); }), EINVAL);
        // 0 would take it back from everybody.
        EXPECT_EQ(thrown_errno([&] { mine.unshare(pid); }), EINVAL);
    }
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_SHARE_MEM], 0);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_UNSHARE_MEM], 0);
    EXPECT_TRUE(mine.is_open());
}

TEST_F(segment_test, unshare_names_one_process_and_unshare_all_none) {
    std::uint32_t pid = 1;
    kernel.on<::ipcshim_unshare_mem>(IPCSHIM_UNSHARE_MEM, [&pid](int, ::ipcshim_unshare_mem& raw) {
        pid = raw.pid;
        raw.revoked = 3;
        return 0;
    });
    mine.unshare(42);
    EXPECT_EQ(pid, 42U);
    EXPECT_EQ(mine.unshare_all(), 3U);
    EXPECT_EQ(pid, 0U);
}

TEST_F(segment_test, unshare_of_who_has_nothing_says_so) {
    kernel.refuse(IPCSHIM_UNSHARE_MEM, ENOENT);
    const std::string text = thrown<std::system_error>([&] { mine.unshare(42); });
    EXPECT_NE(text.find("cannot take the segment back from process 42: it was not given"),
              std::string::npos)
        << text;
    std::error_code error;
    EXPECT_EQ(mine.unshare_all(error), 0U);
    EXPECT_EQ(error, std::errc::no_such_file_or_directory);
}

TEST_F(segment_test, give_back_consumes_the_handle_only_if_it_succeeds) {
    kernel.refuse(IPCSHIM_RETURN_MEM, EBUSY);
    EXPECT_EQ(thrown_errno([&] { std::move(mine).give_back(); }), EBUSY);
    EXPECT_TRUE(mine.is_open());
    kernel.on<::ipcshim_return_mem>(IPCSHIM_RETURN_MEM,
                                    [](int, ::ipcshim_return_mem&) { return 0; });
    std::move(mine).give_back();
    EXPECT_FALSE(mine.is_open());
}

TEST_F(segment_test, export_owns_the_descriptor_of_the_dmabuf) {
    kernel.on<::ipcshim_export_dmabuf>(IPCSHIM_EXPORT_DMABUF,
                                       [this](int, ::ipcshim_export_dmabuf& raw) {
                                           raw.fd = kernel.make_fd();
                                           return 0;
                                       });
    {
        const dmabuf exported = mine.export_dmabuf();
        EXPECT_TRUE(kernel.open_fds().contains(exported.fd()));
        EXPECT_EQ(kernel.open_fds().size(), 2U);
    }
    EXPECT_EQ(kernel.open_fds().size(), 1U);
    kernel.refuse(IPCSHIM_EXPORT_DMABUF, EOPNOTSUPP);
    const std::string text = thrown<std::system_error>([&] { (void)mine.export_dmabuf(); });
    EXPECT_NE(text.find("this kernel has no dma-bufs"), std::string::npos) << text;
    EXPECT_THROW((void)dmabuf().fd(), std::logic_error);
    EXPECT_THROW((void)dmabuf().release(), std::logic_error);
}

TEST_F(segment_test, info_is_what_the_kernel_said_within_reason) {
    kernel.on<::ipcshim_mem_info>(IPCSHIM_MEM_SHARING_INFO, [](int, ::ipcshim_mem_info& raw) {
        EXPECT_EQ(raw.holders, 0U);
        EXPECT_EQ(raw.nr_holders, 0U);
        raw.flags = IPCSHIM_MEM_INFO_OWNER | IPCSHIM_MEM_INFO_EXPORTED;
        raw.mode = IPCSHIM_MEM_MADE;
        raw.rights = IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE;
        raw.length = 8192;
        raw.allocated = 16384; // cannot be
        raw.inode = 31;
        raw.deadline = 0;
        raw.sharer = 0x80000000; // no pid
        raw.nr_holders = 2;
        return 0;
    });
    const segment_info found = mine.info();
    EXPECT_TRUE(found.is_owner());
    EXPECT_TRUE(found.is_exported());
    EXPECT_EQ(found.mode(), memory_mode::made);
    EXPECT_EQ(found.rights(), rights::read | rights::write);
    EXPECT_EQ(found.length(), 8192U);
    EXPECT_EQ(found.allocated(), 8192U);
    EXPECT_EQ(found.inode(), 31U);
    EXPECT_EQ(found.lease_end(), no_deadline);
    EXPECT_EQ(found.sharer(), 0);
    EXPECT_EQ(found.holder_count(), 2U);
    std::ostringstream out;
    out << found;
    EXPECT_EQ(out.str(), "made segment, inode 31, rw-, 8192 of 8192 bytes have pages, made by "
                         "process 0, owned here, shared with 2, exported");
}

TEST_F(segment_test, holders_asks_again_until_all_fit) {
    std::uint32_t now = 1;
    kernel.on<::ipcshim_mem_info>(IPCSHIM_MEM_SHARING_INFO, [&now](int, ::ipcshim_mem_info& raw) {
        // One more each time, up to three.
        const std::uint32_t room = raw.nr_holders;
        now = std::min(now + 1, 3U);
        auto* pids = reinterpret_cast<std::uint32_t*>(raw.holders);
        for (std::uint32_t i = 0; i < std::min(room, now); ++i) {
            pids[i] = 100 + i;
        }
        raw.nr_holders = now;
        return 0;
    });
    EXPECT_EQ(mine.holders(), (std::vector<pid_t>{100, 101, 102}));
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_MEM_SHARING_INFO], 3);
}

TEST_F(segment_test, holders_that_left_in_between_are_not_told) {
    int calls = 0;
    kernel.on<::ipcshim_mem_info>(IPCSHIM_MEM_SHARING_INFO, [&calls](int, ::ipcshim_mem_info& raw) {
        if (++calls == 2) {
            *reinterpret_cast<std::uint32_t*>(raw.holders) = 7;
        }
        raw.nr_holders = calls == 1 ? 3 : 1;
        return 0;
    });
    EXPECT_EQ(mine.holders(), std::vector<pid_t>{7});
}

TEST_F(segment_test, stale_is_told_by_a_poll_that_does_not_wait) {
    short found = 0;
    kernel.on_poll = [&found](std::span<pollfd> entries, const timespec* timeout) {
        EXPECT_EQ(timeout->tv_sec, 0);
        EXPECT_EQ(timeout->tv_nsec, 0);
        entries[0].revents = found;
        return found == 0 ? 0 : 1;
    };
    EXPECT_FALSE(mine.is_stale());
    found = POLLHUP;
    EXPECT_TRUE(mine.is_stale());
    found = POLLNVAL;
    EXPECT_EQ(thrown_errno([&] { (void)mine.is_stale(); }), EBADF);
}

TEST_F(segment_test, a_stale_one_says_what_became_of_it) {
    kernel.refuse(IPCSHIM_MEM_SHARING_INFO, ESTALE);
    const std::string text = thrown<std::system_error>([&] { (void)mine.info(); });
    EXPECT_NE(text.find("cannot ask about segment 31 of 8192 bytes: it was handed over, taken "
                        "back, or its lease has ended"),
              std::string::npos)
        << text;
    EXPECT_EQ(thrown_errno([&] { (void)mine.holders(); }), ESTALE);
}

TEST_F(segment_test, a_foreign_descriptor_is_adopted_if_it_is_a_segment) {
    const int fd = kernel.make_fd();
    kernel.refuse(IPCSHIM_MEM_SHARING_INFO, ENOTTY);
    EXPECT_EQ(thrown_errno([&] { segment(adopt_fd, fd, kernel); }), ENOTTY);
    EXPECT_TRUE(kernel.open_fds().contains(fd)) << "it was the caller's still";
    kernel.on<::ipcshim_mem_info>(IPCSHIM_MEM_SHARING_INFO, [](int, ::ipcshim_mem_info& raw) {
        raw.length = 4096;
        raw.inode = 8;
        raw.mode = IPCSHIM_MEM_LENT;
        raw.rights = IPCSHIM_RIGHT_READ;
        return 0;
    });
    const segment taken(adopt_fd, fd, kernel);
    EXPECT_EQ(taken.fd(), fd);
    EXPECT_EQ(taken.size(), 4096U);
    EXPECT_EQ(taken.inode(), 8U);
    EXPECT_EQ(taken.mode(), memory_mode::lent);
    EXPECT_EQ(taken.rights(), rights::read);
}

TEST_F(segment_test, release_gives_the_descriptor_away) {
    const int fd = mine.release();
    EXPECT_FALSE(mine.is_open());
    EXPECT_EQ(kernel.close(fd), 0);
}

TEST_F(segment_test, a_closed_one_is_a_mistake_and_its_twins_answer_ebadf) {
    segment closed;
    const auto pid = 42;
    EXPECT_THROW((void)closed.fd(), std::logic_error);
    EXPECT_THROW((void)closed.release(), std::logic_error);
    EXPECT_THROW((void)closed.info(), std::logic_error);
    EXPECT_THROW((void)closed.holders(), std::logic_error);
    EXPECT_THROW((void)closed.is_stale(), std::logic_error);
    EXPECT_THROW((void)closed.share(pid, rights::read), std::logic_error);
    EXPECT_THROW((void)std::move(closed).hand_over(pid, rights::read), std::logic_error);
    EXPECT_THROW((void)std::move(closed).lend(pid, rights::read), std::logic_error);
    EXPECT_THROW(std::move(closed).give_back(), std::logic_error);
    EXPECT_THROW(closed.unshare(pid), std::logic_error);
    EXPECT_THROW(closed.unshare_all(), std::logic_error);
    EXPECT_THROW((void)closed.export_dmabuf(), std::logic_error);
    EXPECT_THROW((void)closed.map(), std::logic_error);
    EXPECT_THROW((void)closed.map_private(), std::logic_error);
    EXPECT_THROW((void)closed.map_const(), std::logic_error);
    EXPECT_THROW((void)closed.map_executable(), std::logic_error);
    std::error_code error;
    const auto expect_ebadf = [&error] {
        EXPECT_EQ(error, std::errc::bad_file_descriptor);
        error.clear();
    };
    (void)closed.info(error), expect_ebadf();
    (void)closed.is_stale(error), expect_ebadf();
    (void)closed.share(pid, rights::read, {}, error), expect_ebadf();
    (void)closed.share(0, rights::read, {}, error), expect_ebadf();
    (void)std::move(closed).hand_over(pid, rights::read, {}, error), expect_ebadf();
    (void)std::move(closed).lend(pid, rights::read, no_deadline, {}, error), expect_ebadf();
    std::move(closed).give_back(error), expect_ebadf();
    closed.unshare(pid, error), expect_ebadf();
    closed.unshare(0, error), expect_ebadf();
    closed.unshare_all(error), expect_ebadf();
    (void)closed.export_dmabuf(error), expect_ebadf();
    (void)closed.map({}, error), expect_ebadf();
    (void)closed.map_private({}, error), expect_ebadf();
    (void)closed.map_const({}, error), expect_ebadf();
    (void)closed.map_executable({}, error), expect_ebadf();
}

TEST_F(segment_test, prints_its_descriptor_size_and_rights) {
    std::ostringstream out;
    out << mine << ", " << segment();
    EXPECT_EQ(out.str(), "segment (descriptor " + std::to_string(mine.fd()) +
                             ", 8192 bytes, rwx), closed segment");
}

} // namespace
