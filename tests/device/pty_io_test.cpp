// SPDX-License-Identifier: MIT
// Other ways to move bytes than read(2) and write(2): io_uring, splice, sendfile.
#include <sys/mman.h>
#include <sys/sendfile.h>

#include <algorithm>
#include <atomic>

#include "pty_support.hpp"
#include "uring.hpp"

namespace {

using test::matching;
using test::patterned;
using test::put;
using test::take;
using test::terminal;

class PtyIo : public test::pty_test {
protected:
    void SetUp() override { test::make_raw(slave()); }
    int master() const { return pair.master.get(); }
    int slave() const { return pair.slave.get(); }
    terminal pair{GetParam()};
};
ON_BOTH_KINDS_OF_PTY(PtyIo);

struct kernel_pipe {
    kernel_pipe() {
        std::array<int, 2> ends{};
        CHECK_CALL(::pipe2(ends.data(), O_CLOEXEC));
        out = test::unique_fd(ends[0]);
        in = test::unique_fd(ends[1]);
    }
    test::unique_fd out;
    test::unique_fd in;
};

std::size_t splice_all(int from, int to, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count = CHECK_CALL(::splice(from, nullptr, to, nullptr, size - done, 0));
        if (count == 0)
            break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

TEST_P(PtyIo, SpliceOffTheMasterAndIntoIt) {
    const kernel_pipe between;
    test::write_bytes(slave(), patterned(3'000, 1));
    ASSERT_EQ(splice_all(master(), between.in.get(), 3'000), 3'000U);
    EXPECT_EQ(matching(test::read_bytes(between.out.get(), 3'000), 1), 3'000U);
    test::write_bytes(between.in.get(), patterned(3'000, 2));
    ASSERT_EQ(splice_all(between.out.get(), master(), 3'000), 3'000U);
    EXPECT_EQ(matching(test::read_bytes(slave(), 3'000), 2), 3'000U);
}

TEST_P(PtyIo, SpliceWaitsForDataAndAnswersEIOAtTheEnd) {
    const kernel_pipe between;
    test::nonblocking(master());
    EXPECT_EQ(::splice(master(), nullptr, between.in.get(), nullptr, 10, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    test::nonblocking(master(), false);
    test::worker mover([&] { CHECK(splice_all(master(), between.in.get(), 4) == 4); });
    mover.wait_until_in(SYS_splice, master());
    put(slave(), "late");
    mover.join();
    EXPECT_EQ(take(between.out.get(), 4), "late");
    pair.slave.reset();
    EXPECT_EQ(::splice(master(), nullptr, between.in.get(), nullptr, 10, 0), -1);
    EXPECT_EQ(errno, EIO);
}

TEST_P(PtyIo, TeeIsBetweenPipesAlone) {
    const kernel_pipe other;
    put(slave(), "x");
    EXPECT_EQ(::tee(master(), other.in.get(), 1, 0), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(take(master(), 1), "x");
}

TEST_P(PtyIo, SendfileIntoTheMaster) {
    const test::unique_fd file(CHECK_CALL(::memfd_create("content", MFD_CLOEXEC)));
    test::write_bytes(file.get(), patterned(20'000, 3));
    off_t place = 0;
    test::worker sender([&] {
        while (place < 20'000)
            CHECK_CALL(
                ::sendfile(master(), file.get(), &place, 20'000 - static_cast<std::size_t>(place)));
    });
    EXPECT_EQ(matching(test::read_bytes(slave(), 20'000), 3), 20'000U);
    sender.join();
}

#ifdef HAVE_LIBURING
class PtyUring : public PtyIo {
protected:
    void SetUp() override {
        PtyIo::SetUp();
        const int result = ::io_uring_queue_init(8, &ring, 0);
        if (result < 0)
            GTEST_SKIP() << "io_uring_setup: " << ::strerrorname_np(-result);
        ready = true;
    }
    void TearDown() override {
        if (ready)
            ::io_uring_queue_exit(&ring);
    }
    void submit(const std::function<void(io_uring_sqe*)>& prepare) {
        io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
        CHECK(sqe != nullptr);
        prepare(sqe);
        CHECK_CALL(::io_uring_submit(&ring));
    }
    int result() {
        io_uring_cqe* cqe = nullptr;
        CHECK(::io_uring_wait_cqe(&ring, &cqe) == 0);
        const int value = cqe->res;
        ::io_uring_cqe_seen(&ring, cqe);
        return value;
    }
    bool nothing_completed() {
        io_uring_cqe* cqe = nullptr;
        return ::io_uring_peek_cqe(&ring, &cqe) == -EAGAIN;
    }
    void submit_read(int fd) {
        submit([&](io_uring_sqe* sqe) {
            ::io_uring_prep_read(sqe, fd, in.data(), static_cast<unsigned>(in.size()), 0);
        });
    }
    std::string got(int count) const { return {in.data(), static_cast<std::size_t>(count)}; }

    io_uring ring{};
    bool ready = false;
    std::array<char, 64> in{};
};
ON_BOTH_KINDS_OF_PTY(PtyUring);

TEST_P(PtyUring, AReadOfTheMasterWaitsForDataAndForTheEnd) {
    submit_read(master());
    EXPECT_TRUE(nothing_completed());
    put(slave(), "data");
    EXPECT_EQ(result(), 4);
    EXPECT_EQ(got(4), "data");
    submit_read(master());
    EXPECT_TRUE(nothing_completed());
    pair.slave.reset();
    EXPECT_EQ(result(), -EIO);
}

TEST_P(PtyUring, AReadOfTheSlaveSeesTheMastersClose) {
    submit_read(slave());
    put(master(), "data");
    EXPECT_EQ(result(), 4);
    EXPECT_EQ(got(4), "data");
    submit_read(slave());
    EXPECT_TRUE(nothing_completed());
    pair.master.reset();
    const int end = result();
    // One of devpts may be told EIO before the hangup.
    EXPECT_TRUE(end == 0 || (end == -EIO && GetParam() == test::pty_kind::devpts)) << end;
}

TEST_P(PtyUring, AWriteToTheMasterWaitsForRoom) {
    const auto size = test::fill(master());
    const std::string text(20'000, 'w');
    // With Linux 6.12 one of devpts is waited for by who submits; and what a thread has
    // submitted is cancelled when it ends.
    std::atomic<bool> submitted = false;
    std::atomic<bool> finished = false;
    test::worker writer([&] {
        submit([&](io_uring_sqe* sqe) {
            ::io_uring_prep_write(sqe, master(), text.data(), static_cast<unsigned>(text.size()),
                                  0);
        });
        submitted = true;
        finished.wait(false);
    });
    if (GetParam() != test::pty_kind::devpts)
        test::wait_until([&] { return submitted.load(); });
    EXPECT_EQ(test::read_bytes(slave(), size).size(), size);
    // All at once or the part that found room.
    std::atomic<std::size_t> written = 0;
    test::worker reader([&] {
        test::nonblocking(slave());
        for (std::size_t seen = 0; written == 0 || seen < written;) {
            test::wait_for(slave(), POLLIN);
            seen += test::take_some(slave()).size();
        }
    });
    test::wait_until([&] { return submitted.load(); });
    const int count = result();
    EXPECT_GT(count, 0);
    // Before the last byte: after it the reader would look only once.
    written = static_cast<std::size_t>(count) + 1;
    put(master(), "x");
    reader.join();
    finished = true;
    finished.notify_one();
    writer.join();
}

TEST_P(PtyUring, APollOfTheMaster) {
    submit([&](io_uring_sqe* sqe) { ::io_uring_prep_poll_add(sqe, master(), POLLIN); });
    EXPECT_TRUE(nothing_completed());
    put(slave(), "x");
    EXPECT_NE(result() & POLLIN, 0);
}

TEST_P(PtyUring, AReadThatWaitsIsCancelled) {
    submit_read(master());
    submit([&](io_uring_sqe* sqe) { ::io_uring_prep_cancel64(sqe, 0, 0); });
    const std::array<int, 2> results{result(), result()};
    EXPECT_TRUE(std::any_of(results.begin(), results.end(),
                            [](int one) { return one == -ECANCELED || one == -EINTR; }));
    put(slave(), "kept");
    EXPECT_EQ(take(master(), 4), "kept");
}
#else
TEST(PtyUring, IsNotTested) {
    GTEST_SKIP() << "built without liburing";
}
#endif

} // namespace
