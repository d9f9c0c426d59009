// SPDX-License-Identifier: MIT
//
// Opening pipes and claiming tokens.
#include <gtest/gtest.h>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

class port_pipe : public ::testing::Test {
protected:
    ~port_pipe() override {
        opened.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }

    // OPEN_PIPE succeeds; what was asked for is kept.
    void answer_open() {
        kernel.on<::ipcshim_open_pipe>(IPCSHIM_OPEN_PIPE, [this](int, ::ipcshim_open_pipe& raw) {
            asked = raw;
            raw.fd = kernel.make_fd();
            raw.peer_fd = raw.pid == 0 ? kernel.make_fd() : -1;
            raw.token = raw.pid == 0 ? 0 : 4711;
            return 0;
        });
    }
    void answer_claim(std::uint16_t end) {
        kernel.on<::ipcshim_claim>(IPCSHIM_CLAIM, [this, end](int, ::ipcshim_claim& raw) {
            claimed = raw;
            raw.fd = kernel.make_fd();
            raw.end = end;
            raw.mode = IPCSHIM_PIPE_MESSAGE;
            return 0;
        });
    }

    fake_kernel kernel;
    port opened = port::open(default_device, kernel);
    ::ipcshim_open_pipe asked{};
    ::ipcshim_claim claimed{};
};

TEST_F(port_pipe, open_sender_passes_every_parameter) {
    answer_open();
    const sender mine = opened.open_sender(42, {.mode = pipe_mode::message,
                                                .capacity = 3 * capacity_unit,
                                                .command = 7,
                                                .size_hint = 1000,
                                                .nonblocking = true});
    EXPECT_TRUE(mine.is_open());
    EXPECT_EQ(mine.mode(), pipe_mode::message);
    EXPECT_EQ(asked.pid, 42U);
    EXPECT_EQ(asked.direction, IPCSHIM_END_SENDER);
    EXPECT_EQ(asked.mode, IPCSHIM_PIPE_MESSAGE);
    EXPECT_EQ(asked.capacity, 3);
    EXPECT_EQ(asked.command, 7);
    EXPECT_EQ(asked.size_hint, 1000U);
    EXPECT_EQ(asked.flags, IPCSHIM_OPEN_NONBLOCK);
    EXPECT_EQ(asked.reserved[0], 0U);
    EXPECT_EQ(asked.reserved[1], 0U);
}

TEST_F(port_pipe, open_receiver_keeps_the_other_end) {
    answer_open();
    const receiver mine = opened.open_receiver(42);
    EXPECT_TRUE(mine.is_open());
    EXPECT_EQ(asked.direction, IPCSHIM_END_RECEIVER);
    EXPECT_EQ(asked.mode, IPCSHIM_PIPE_RAW);
    EXPECT_EQ(asked.flags, 0U);
}

TEST_F(port_pipe, capacity_is_rounded_up_to_units) {
    answer_open();
    const auto units_for = [&](std::size_t bytes) {
        (void)opened.open_sender(1, {.capacity = bytes});
        return asked.capacity;
    };
    EXPECT_EQ(units_for(0), 0);
    EXPECT_EQ(units_for(1), 1);
    EXPECT_EQ(units_for(65536), 1);
    EXPECT_EQ(units_for(65537), 2);
    EXPECT_EQ(units_for(capacity_max), 256);
}

TEST_F(port_pipe, a_capacity_that_does_not_fit_the_field_does_not_wrap) {
    answer_open();
    (void)opened.open_sender(1, {.capacity = std::size_t{65536} * 65536 + 1});
    EXPECT_EQ(asked.capacity, 65535);
    (void)opened.open_sender(1, {.capacity = ~std::size_t{0}});
    EXPECT_EQ(asked.capacity, 65535);
}

TEST_F(port_pipe, pid_zero_or_below_is_einval_and_nothing_is_asked) {
    answer_open();
    EXPECT_EQ(thrown_errno([&] { (void)opened.open_sender(0); }), EINVAL);
    EXPECT_EQ(thrown_errno([&] { (void)opened.open_receiver(-1); }), EINVAL);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_OPEN_PIPE], 0);
}

TEST_F(port_pipe, econnrefused_says_to_start_the_receiving_program) {
    kernel.refuse(IPCSHIM_OPEN_PIPE, ECONNREFUSED);
    const std::string text = thrown<std::system_error>([&] { (void)opened.open_sender(4711); });
    EXPECT_NE(text.find("cannot open a pipe to process 4711: it has no port that handles "
                        "recv_pipe; start the program that receives first"),
              std::string::npos)
        << text;
}

TEST_F(port_pipe, the_twin_answers_the_errno_and_a_closed_end) {
    kernel.refuse(IPCSHIM_OPEN_PIPE, ESRCH);
    std::error_code error;
    EXPECT_FALSE(opened.open_sender(4711, {}, error));
    EXPECT_EQ(error, std::errc::no_such_process);
    EXPECT_FALSE(opened.open_pipe({}, error).receiver);
    EXPECT_EQ(error, std::errc::no_such_process);
}

TEST_F(port_pipe, unannounced_asks_to_skip_and_gives_the_token) {
    answer_open();
    const auto result = opened.open_sender_unannounced(42);
    EXPECT_EQ(asked.flags, IPCSHIM_OPEN_SKIP);
    EXPECT_EQ(result.token, token{4711});
    EXPECT_TRUE(result.end.is_open());
    const auto other = opened.open_receiver_unannounced(42);
    EXPECT_EQ(asked.direction, IPCSHIM_END_RECEIVER);
    EXPECT_TRUE(other.end.is_open());
}

TEST_F(port_pipe, open_pipe_owns_both_ends) {
    answer_open();
    {
        const pipe_pair pair = opened.open_pipe({.mode = pipe_mode::message});
        EXPECT_EQ(asked.pid, 0U);
        EXPECT_EQ(asked.direction, IPCSHIM_END_SENDER);
        EXPECT_NE(pair.sender.fd(), pair.receiver.fd());
        EXPECT_EQ(pair.receiver.mode(), pipe_mode::message);
        EXPECT_EQ(kernel.open_fds().size(), 3U);
    }
    EXPECT_EQ(kernel.open_fds().size(), 1U);
}

TEST_F(port_pipe, claim_makes_the_end_that_the_kernel_names) {
    answer_claim(IPCSHIM_END_SENDER);
    const auto first = opened.claim(token{77}, true);
    EXPECT_TRUE(std::holds_alternative<sender>(first));
    EXPECT_EQ(std::get<sender>(first).mode(), pipe_mode::message);
    EXPECT_EQ(claimed.token, 77U);
    EXPECT_EQ(claimed.flags, IPCSHIM_CLAIM_NONBLOCK);
    answer_claim(IPCSHIM_END_RECEIVER);
    EXPECT_TRUE(std::holds_alternative<receiver>(opened.claim(token{78})));
    EXPECT_EQ(claimed.flags, 0U);
}

TEST_F(port_pipe, claim_of_an_unknown_end_is_eproto_and_leaks_nothing) {
    answer_claim(3);
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim(token{77}); }), EPROTO);
}

TEST_F(port_pipe, claim_enoent_names_the_token) {
    kernel.refuse(IPCSHIM_CLAIM, ENOENT);
    const std::string text = thrown<std::system_error>([&] { (void)opened.claim(token{77}); });
    EXPECT_NE(text.find("cannot claim token 77: this process has no such token"), std::string::npos)
        << text;
}

TEST_F(port_pipe, claim_receiver_takes_the_token_of_the_event) {
    answer_claim(IPCSHIM_END_RECEIVER);
    const receiver mine = opened.claim_receiver(event(raw_recv_pipe(pipe_end::receiver, 5)));
    EXPECT_TRUE(mine.is_open());
    EXPECT_EQ(claimed.token, 5U);
}

TEST_F(port_pipe, claiming_the_wrong_end_is_einval_and_spares_the_token) {
    answer_claim(IPCSHIM_END_RECEIVER);
    const event announced(raw_recv_pipe(pipe_end::receiver));
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_sender(announced); }), EINVAL);
    EXPECT_EQ(
        thrown_errno([&] { (void)opened.claim_receiver(event(raw_pipe_closed(how::closed, 0))); }),
        EINVAL);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_CLAIM], 0);
}

TEST_F(port_pipe, a_kernel_that_contradicts_its_event_is_eproto_and_leaks_nothing) {
    answer_claim(IPCSHIM_END_SENDER);
    std::error_code error;
    EXPECT_FALSE(
        opened.claim_receiver(event(raw_recv_pipe(pipe_end::receiver)), false, error).is_open());
    EXPECT_EQ(error, std::errc::protocol_error);
}

} // namespace
