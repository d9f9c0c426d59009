// SPDX-License-Identifier: MIT
//
// Waiting for descriptors, on the real kernel.
#include "ready_set.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using detail::attempt;
using detail::ready_set;

detail::syscalls& real() {
    return detail::real_syscalls();
}

deadline at_once() {
    return {};
}

// A descriptor that becomes readable when it is told to.
class signal_fd final {
public:
    [[nodiscard]] int fd() const { return handle_.get(); }
    void raise() const {
        const std::uint64_t one = 1;
        EXPECT_EQ(real().write(fd(), &one, sizeof(one)), 8);
    }
    void take() const {
        std::uint64_t count = 0;
        EXPECT_EQ(real().read(fd(), &count, sizeof(count)), 8);
    }

private:
    detail::handle handle_{real(), real().eventfd()};
};

class ready_sets : public ::testing::Test {
protected:
    ready_set set{real(), attempt::run_service, "'x'"};
    signal_fd one;
    signal_fd other;
    std::error_code error;
};

TEST_F(ready_sets, tells_the_key_of_what_is_readable) {
    set.add(one.fd(), 5, false, error);
    set.add(other.fd(), ~std::uint64_t{0}, false, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(set.wait(at_once()), std::nullopt);
    other.raise();
    EXPECT_EQ(set.wait(no_deadline), ~std::uint64_t{0});
    EXPECT_EQ(set.wait(at_once()), ~std::uint64_t{0}) << "as long as it is readable";
    other.take();
    EXPECT_EQ(set.wait(at_once()), std::nullopt);
}

TEST_F(ready_sets, what_is_told_once_is_told_again_only_when_armed) {
    set.add(one.fd(), 5, true, error);
    one.raise();
    EXPECT_EQ(set.wait(no_deadline), 5U);
    EXPECT_EQ(set.wait(at_once()), std::nullopt);
    one.raise();
    EXPECT_EQ(set.wait(at_once()), std::nullopt) << "not before it is armed";
    set.arm(one.fd(), 5, true);
    EXPECT_EQ(set.wait(at_once()), 5U) << "what came in between is not lost";
    one.take();
    set.arm(one.fd(), 5, true);
    EXPECT_EQ(set.wait(at_once()), std::nullopt);
}

TEST_F(ready_sets, those_that_are_ready_take_turns) {
    set.add(one.fd(), 5, true, error);
    set.add(other.fd(), 6, true, error);
    one.raise();
    other.raise();
    EXPECT_EQ(set.wait(at_once()), 5U);
    set.arm(one.fd(), 5, true); // still readable: to the end of the line
    EXPECT_EQ(set.wait(at_once()), 6U);
    EXPECT_EQ(set.wait(at_once()), 5U);
}

TEST_F(ready_sets, removed_is_removed) {
    set.add(one.fd(), 5, false, error);
    one.raise();
    set.remove(one.fd());
    EXPECT_EQ(set.wait(at_once()), std::nullopt);
    set.arm(one.fd(), 5, false); // and stays it
    EXPECT_EQ(set.wait(at_once()), std::nullopt);
}

TEST_F(ready_sets, wakes_everybody_until_it_is_calmed) {
    std::optional<std::uint64_t> seen = 99;
    std::thread waiter([&] { seen = set.wait(no_deadline); });
    set.wake();
    waiter.join();
    EXPECT_EQ(seen, ready_set::woken);
    EXPECT_EQ(set.wait(no_deadline), ready_set::woken);
    set.calm();
    EXPECT_EQ(set.wait(at_once()), std::nullopt);
    set.calm(); // twice is no harm
}

TEST(ready_set_errors, says_what_could_not_be_done) {
    ipcshim::test::fake_kernel kernel;
    kernel.eventfd_answer = -EMFILE;
    const std::string text = ipcshim::test::thrown<std::system_error>(
        [&] { ready_set(kernel, attempt::run_service, "'store'"); });
    EXPECT_TRUE(text.starts_with("cannot run the service 'store': this process has too many"))
        << text;
    EXPECT_TRUE(kernel.open_fds().empty());
}

TEST(ready_set_errors, a_signal_does_not_end_the_wait) {
    ipcshim::test::fake_kernel kernel;
    int rounds = 0;
    kernel.on_epoll_wait = [&](std::span<::epoll_event> found, const timespec*) {
        if (++rounds == 1) {
            return -EINTR;
        }
        found[0].data.u64 = 3;
        return 1;
    };
    const ready_set set(kernel, attempt::run_service, {});
    EXPECT_EQ(set.wait(no_deadline), 3U);
}

} // namespace
