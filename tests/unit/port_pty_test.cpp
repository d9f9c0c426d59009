// SPDX-License-Identifier: MIT
//
// Making pseudo terminals, and claiming their slaves.
#include <gtest/gtest.h>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

class port_pty : public ::testing::Test {
protected:
    ~port_pty() override {
        opened.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }

    // CLAIM answers with a slave, whose words mean other things for pipes.
    void answer_claim() {
        kernel.on<::ipcshim_claim>(IPCSHIM_CLAIM, [this](int, ::ipcshim_claim& raw) {
            claimed = raw;
            raw.fd = kernel.make_fd();
            raw.rights = 0;
            raw.mode = IPCSHIM_PTY_SLAVE; // the number of a raw pipe
            raw.index = 65536;            // and the capacity of one
            raw.length = 0;
            raw.inode = 59;
            return 0;
        });
    }

    fake_kernel kernel;
    port opened = port::open(default_device, kernel);
    ::ipcshim_claim claimed{};
};

TEST_F(port_pty, open_passes_every_parameter_and_takes_every_answer) {
    ::ipcshim_open_pty asked{};
    kernel.on<::ipcshim_open_pty>(IPCSHIM_OPEN_PTY, [&](int fd, ::ipcshim_open_pty& raw) {
        EXPECT_EQ(fd, opened.fd());
        asked = raw;
        raw.fd = kernel.make_fd();
        raw.index = 3;
        raw.inode = 41;
        raw.slave_inode = 42;
        return 0;
    });
    const pty mine =
        opened.open_pty({.size = {.rows = 24, .columns = 80, .x_pixels = 640, .y_pixels = 480},
                         .nonblocking = true});
    EXPECT_EQ(asked.flags, unsigned{IPCSHIM_OPEN_NONBLOCK});
    EXPECT_EQ(asked.rows, 24);
    EXPECT_EQ(asked.columns, 80);
    EXPECT_EQ(asked.x_pixels, 640);
    EXPECT_EQ(asked.y_pixels, 480);
    EXPECT_EQ(asked.reserved0, 0U);
    EXPECT_EQ(asked.reserved, 0U);
    EXPECT_EQ(mine.index(), 3U);
    EXPECT_EQ(mine.inode(), 41U);
    EXPECT_EQ(mine.slave_inode(), 42U);
    EXPECT_EQ(mine.slave_path(), "/dev/ttyIPC3");
    (void)opened.open_pty();
    EXPECT_EQ(asked.flags, 0U);
    EXPECT_EQ(asked.rows, 0);
}

TEST_F(port_pty, a_refused_open_says_what_to_do) {
    kernel.refuse(IPCSHIM_OPEN_PTY, ENOSPC);
    const std::string text = thrown<std::system_error>([&] { (void)opened.open_pty(); });
    EXPECT_TRUE(text.starts_with("cannot open a pseudo terminal: as many as may be exist")) << text;
    EXPECT_NE(text.find("max_ptys"), std::string::npos) << text;
    std::error_code error;
    EXPECT_FALSE(opened.open_pty({}, error).is_open());
    EXPECT_EQ(error, std::errc::no_space_on_device);
}

TEST_F(port_pty, a_module_that_is_older_than_ptys_is_told_of) {
    kernel.answer_first_query();
    kernel.refuse(IPCSHIM_OPEN_PTY, ENOTTY);
    const std::string text = thrown<std::system_error>([&] { (void)opened.open_pty(); });
    EXPECT_NE(text.find("the module is older than pseudo terminals"), std::string::npos) << text;
}

TEST_F(port_pty, open_of_a_closed_port_is_a_logic_error_and_ebadf) {
    const port closed;
    EXPECT_THROW((void)closed.open_pty(), std::logic_error);
    std::error_code error;
    (void)closed.open_pty({}, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
}

TEST_F(port_pty, claim_gives_the_slave) {
    answer_claim();
    const port::claimed found = opened.claim(token{79});
    EXPECT_EQ(claimed.token, 79U);
    const auto* slave = std::get_if<pty_slave>(&found);
    ASSERT_NE(slave, nullptr);
    EXPECT_EQ(slave->index(), 65536U);
    EXPECT_EQ(slave->inode(), 59U);
    EXPECT_EQ(slave->path(), "/dev/ttyIPC65536");
    EXPECT_TRUE(slave->is_open());
}

TEST_F(port_pty, claim_pty_takes_what_an_event_announces) {
    answer_claim();
    const pty_slave slave = opened.claim_pty(event(raw_recv_pty(80)));
    EXPECT_EQ(claimed.token, 80U);
    EXPECT_EQ(claimed.flags, 0U);
    EXPECT_EQ(slave.inode(), 59U);
    (void)opened.claim_pty(token{81}, true);
    EXPECT_EQ(claimed.token, 81U);
    EXPECT_EQ(claimed.flags, unsigned{IPCSHIM_CLAIM_NONBLOCK});
}

TEST_F(port_pty, an_event_of_something_else_is_not_claimed) {
    answer_claim();
    const event pipe(raw_recv_pipe(pipe_end::sender));
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_pty(pipe); }), EINVAL);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_CLAIM], 0) << "the token must stay good";
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_segment(event(raw_recv_pty())); }), EINVAL);
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_sender(event(raw_recv_pty())); }), EINVAL);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_CLAIM], 0);
}

TEST_F(port_pty, a_token_of_something_else_is_einval_and_closed) {
    kernel.on<::ipcshim_claim>(IPCSHIM_CLAIM, [this](int, ::ipcshim_claim& raw) {
        raw.fd = kernel.make_fd();
        raw.end = IPCSHIM_END_SENDER;
        raw.mode = IPCSHIM_PIPE_RAW;
        return 0;
    });
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_pty(token{7}); }), EINVAL);
    answer_claim();
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_segment(token{7}); }), EINVAL);
    EXPECT_EQ(kernel.open_fds().size(), 1U) << "the port alone";
}

TEST_F(port_pty, a_kind_that_is_not_known_is_eproto_and_closed) {
    kernel.on<::ipcshim_claim>(IPCSHIM_CLAIM, [this](int, ::ipcshim_claim& raw) {
        raw.fd = kernel.make_fd();
        raw.end = 0;
        raw.mode = 9;
        return 0;
    });
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim(token{7}); }), EPROTO);
    EXPECT_EQ(kernel.open_fds().size(), 1U) << "the port alone";
}

TEST_F(port_pty, a_refused_claim_names_the_event_and_what_to_do) {
    kernel.refuse(IPCSHIM_CLAIM, EIO);
    const event announced(raw_recv_pty());
    const std::string text = thrown<std::system_error>([&] { (void)opened.claim_pty(announced); });
    EXPECT_NE(text.find("cannot claim a pseudo terminal by event 5, which is recv_pty from process "
                        "321: the pseudo terminal is locked"),
              std::string::npos)
        << text;
    kernel.refuse(IPCSHIM_CLAIM, ESTALE);
    std::error_code error;
    EXPECT_FALSE(opened.claim_pty(announced, false, error).is_open());
    EXPECT_EQ(error, std::error_condition(ESTALE, std::generic_category()));
}

} // namespace
