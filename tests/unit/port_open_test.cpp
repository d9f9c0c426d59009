// SPDX-License-Identifier: MIT
//
// Opening the device, the fit of module and library, and who owns the
// descriptor of a port.
#include <gtest/gtest.h>

#include <fcntl.h>

#include <utility>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

class port_open : public ::testing::Test {
protected:
    ~port_open() override {
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }
    fake_kernel kernel;
};

TEST_F(port_open, asks_for_reading_writing_cloexec_and_nonblock) {
    std::string path;
    int flags = 0;
    kernel.on_open = [&](const char* asked, int with) {
        path = asked;
        flags = with;
        return kernel.make_fd();
    };
    const port opened = port::open(default_device, kernel);
    EXPECT_TRUE(opened.is_open());
    EXPECT_EQ(path, "/dev/ipcshim");
    EXPECT_EQ(flags, O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

TEST_F(port_open, tries_again_after_eintr) {
    int calls = 0;
    kernel.on_open = [&](const char*, int) { return ++calls < 3 ? -EINTR : kernel.make_fd(); };
    EXPECT_TRUE(port::open(default_device, kernel).is_open());
    EXPECT_EQ(calls, 3);
}

TEST_F(port_open, enoent_says_insmod) {
    kernel.on_open = [](const char*, int) { return -ENOENT; };
    const std::string text =
        thrown<std::system_error>([&] { (void)port::open(default_device, kernel); });
    EXPECT_NE(text.find("cannot open /dev/ipcshim: the module is not loaded"), std::string::npos)
        << text;
    EXPECT_NE(text.find("insmod ipcshim.ko"), std::string::npos) << text;
}

TEST_F(port_open, the_twin_answers_the_errno_and_a_closed_port) {
    kernel.on_open = [](const char*, int) { return -EACCES; };
    std::error_code error;
    const port opened = port::open(error, default_device, kernel);
    EXPECT_EQ(error, std::errc::permission_denied);
    EXPECT_FALSE(opened.is_open());
}

TEST_F(port_open, the_twin_clears_the_error_on_success) {
    std::error_code error = std::make_error_code(std::errc::io_error);
    const port opened = port::open(error, default_device, kernel);
    EXPECT_FALSE(error);
    EXPECT_TRUE(opened);
}

TEST_F(port_open, another_device_is_an_abi_error_enotty_and_is_closed) {
    kernel.refuse(IPCSHIM_QUERY, ENOTTY);
    const std::string text = thrown<abi_error>([&] { (void)port::open("/dev/null", kernel); });
    EXPECT_NE(text.find("cannot open /dev/null: it is not the device of ipcshim"),
              std::string::npos)
        << text;
}

TEST_F(port_open, the_twin_gives_no_port_of_another_device) {
    kernel.refuse(IPCSHIM_QUERY, ENOTTY);
    std::error_code error;
    const port opened = port::open(error, "/dev/null", kernel);
    EXPECT_EQ(error, std::errc::inappropriate_io_control_operation);
    EXPECT_FALSE(opened.is_open());
    EXPECT_TRUE(kernel.open_fds().empty());
}

TEST_F(port_open, a_module_without_pipes_is_an_abi_error_enotsup_that_names_them) {
    kernel.answer_query([](::ipcshim_query& q) { q.features = IPCSHIM_FEATURE_EVENTS; });
    EXPECT_EQ(thrown_errno([&] { (void)port::open(default_device, kernel); }), ENOTSUP);
    const std::string text = thrown<abi_error>([&] { (void)port::open(default_device, kernel); });
    EXPECT_NE(text.find("the loaded module has no pipes"), std::string::npos) << text;
    EXPECT_EQ(text.find("events"), std::string::npos) << text;
}

TEST_F(port_open, an_older_module_without_features_says_both_versions) {
    kernel.answer_query([](::ipcshim_query& q) {
        q.abi_version = 0;
        q.features = 0;
    });
    const std::string text = thrown<abi_error>([&] { (void)port::open(default_device, kernel); });
    EXPECT_NE(text.find("older than this library (interface version 0, the library's is 1)"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("no ports and events, no pipes"), std::string::npos) << text;
}

TEST_F(port_open, a_module_that_knows_only_the_first_query_is_asked_with_that) {
    kernel.answer_first_query();
    const port opened = port::open(default_device, kernel);
    const driver_info found = opened.query();
    EXPECT_EQ(found.totals().segment_bytes, 4096U) << "the last field of the first structure";
    EXPECT_FALSE(found.has(IPCSHIM_FEATURE_PTYS));
    EXPECT_EQ(found.limits().ptys, 0U);
    EXPECT_FALSE(found.events().contains(event_code::recv_pty));
    EXPECT_TRUE(found.events().contains(event_code::unshared_mem));
}

TEST_F(port_open, a_module_that_knows_the_whole_query_is_asked_once) {
    kernel.answer_query([](::ipcshim_query& q) {
        q.limit_ptys = 1024;
        q.ptys = 2;
    });
    const port opened = port::open(default_device, kernel);
    EXPECT_EQ(opened.query().limits().ptys, 1024U);
    EXPECT_EQ(opened.query().totals().ptys, 2U);
    EXPECT_EQ(kernel.ioctl_count.size(), 1U);
}

TEST_F(port_open, query_of_a_closed_port_is_ebadf) {
    std::error_code error;
    (void)port().query(error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
}

TEST_F(port_open, a_newer_module_opens_and_is_noted_in_a_sentence) {
    kernel.answer_query([](::ipcshim_query& q) {
        q.abi_version = 7;
        q.features = ~0ULL;
    });
    const port opened = port::open(default_device, kernel);
    EXPECT_EQ(opened.abi_note(), "the loaded module speaks version 7 of the interface, this "
                                 "library version 1: everything works, but a newer library is "
                                 "needed for what is new");
}

TEST_F(port_open, the_same_version_has_no_note) {
    EXPECT_EQ(port::open(default_device, kernel).abi_note(), "");
}

TEST_F(port_open, a_move_leaves_the_source_closed_and_one_owner) {
    port first = port::open(default_device, kernel);
    const int fd = first.fd();
    const port second = std::move(first);
    EXPECT_EQ(second.fd(), fd);
    EXPECT_FALSE(first.is_open()); // NOLINT(bugprone-use-after-move): that is the test
    EXPECT_EQ(kernel.open_fds().size(), 1U);
}

TEST_F(port_open, move_assignment_closes_what_was_owned_before) {
    port first = port::open(default_device, kernel);
    port second = port::open(default_device, kernel);
    const int kept = second.fd();
    first = std::move(second);
    EXPECT_EQ(kernel.open_fds(), std::set<int>{kept});
}

TEST_F(port_open, move_assignment_to_itself_keeps_it) {
    port only = port::open(default_device, kernel);
    port& same = only;
    only = std::move(same);
    EXPECT_TRUE(only.is_open());
}

TEST_F(port_open, release_gives_the_descriptor_away_without_closing_it) {
    port opened = port::open(default_device, kernel);
    const int fd = opened.release();
    EXPECT_FALSE(opened.is_open());
    EXPECT_TRUE(kernel.open_fds().contains(fd));
    kernel.close(fd);
}

TEST_F(port_open, close_closes_once) {
    port opened = port::open(default_device, kernel);
    opened.close();
    opened.close();
    EXPECT_TRUE(kernel.open_fds().empty());
}

TEST_F(port_open, every_call_on_a_closed_port_throws_logic_error) {
    const port closed;
    EXPECT_THROW((void)closed.fd(), std::logic_error);
    EXPECT_THROW(closed.handle(event_set::all()), std::logic_error);
    EXPECT_THROW(closed.unhandle(event_set::all()), std::logic_error);
    EXPECT_THROW((void)closed.is_handled(event_code::recv_pipe), std::logic_error);
    EXPECT_THROW(closed.ready(), std::logic_error);
    EXPECT_THROW(closed.set_access(access::anybody), std::logic_error);
    EXPECT_THROW((void)closed.query(), std::logic_error);
    EXPECT_THROW((void)closed.abi_note(), std::logic_error);
    EXPECT_THROW((void)closed.read_event(), std::logic_error);
    EXPECT_THROW((void)closed.try_read_event(), std::logic_error);
    EXPECT_THROW((void)closed.wait(), std::logic_error);
    EXPECT_THROW((void)closed.events_waiting(), std::logic_error);
    EXPECT_THROW((void)closed.dispatch({}), std::logic_error);
    EXPECT_THROW((void)closed.claim(token{1}), std::logic_error);
    EXPECT_THROW((void)closed.claim_sender(event()), std::logic_error);
    EXPECT_THROW((void)closed.claim_receiver(event()), std::logic_error);
    EXPECT_THROW((void)closed.open_sender(1), std::logic_error);
    EXPECT_THROW((void)closed.open_receiver(1), std::logic_error);
    EXPECT_THROW((void)closed.open_sender_unannounced(1), std::logic_error);
    EXPECT_THROW((void)closed.open_receiver_unannounced(1), std::logic_error);
    EXPECT_THROW((void)closed.open_pipe(), std::logic_error);
}

TEST_F(port_open, every_twin_on_a_closed_port_answers_ebadf) {
    const port closed;
    const auto bad = std::errc::bad_file_descriptor;
    std::error_code error;
    closed.handle(event_set::all(), notify::none(), error);
    EXPECT_EQ(std::exchange(error, {}), bad);
    closed.unhandle(event_set::all(), error);
    EXPECT_EQ(std::exchange(error, {}), bad);
    EXPECT_FALSE(closed.is_handled(event_code::recv_pipe, 0, error));
    EXPECT_EQ(std::exchange(error, {}), bad);
    closed.ready(error);
    EXPECT_EQ(std::exchange(error, {}), bad);
    closed.set_access(access::anybody, error);
    EXPECT_EQ(std::exchange(error, {}), bad);
    (void)closed.query(error);
    EXPECT_EQ(std::exchange(error, {}), bad);
    std::array<event, 1> events;
    EXPECT_EQ(closed.read_events(events, error), 0U);
    EXPECT_EQ(std::exchange(error, {}), bad);
    EXPECT_EQ(closed.try_read_events(events, error), 0U);
    EXPECT_EQ(std::exchange(error, {}), bad);
    EXPECT_FALSE(closed.wait(no_deadline, error));
    EXPECT_EQ(std::exchange(error, {}), bad);
    (void)closed.claim(token{1}, false, error);
    EXPECT_EQ(std::exchange(error, {}), bad);
    EXPECT_FALSE(closed.claim_sender(event(), false, error));
    EXPECT_EQ(std::exchange(error, {}), bad);
    EXPECT_FALSE(closed.open_sender(0, {}, error));
    EXPECT_EQ(std::exchange(error, {}), bad);
    EXPECT_FALSE(closed.open_receiver(1, {}, error));
    EXPECT_EQ(std::exchange(error, {}), bad);
    EXPECT_FALSE(closed.open_pipe({}, error).sender);
    EXPECT_EQ(std::exchange(error, {}), bad);
}

TEST_F(port_open, adopt_fd_takes_a_port_and_makes_it_nonblocking) {
    const int fd = kernel.make_fd();
    int flags = O_RDWR;
    kernel.on_fcntl = [&](int, int command, int argument) {
        if (command == F_SETFL) {
            flags = argument;
            return 0;
        }
        return flags;
    };
    const port adopted(adopt_fd, fd, kernel);
    EXPECT_EQ(adopted.fd(), fd);
    EXPECT_EQ(flags, O_RDWR | O_NONBLOCK);
}

TEST_F(port_open, adopt_fd_of_something_else_leaves_it_to_the_caller) {
    const int fd = kernel.make_fd();
    kernel.refuse(IPCSHIM_QUERY, ENOTTY);
    EXPECT_THROW(port(adopt_fd, fd, kernel), abi_error);
    EXPECT_TRUE(kernel.open_fds().contains(fd));
    kernel.refuse(IPCSHIM_QUERY, ENOMEM);
    EXPECT_EQ(thrown_errno([&] { (void)port(adopt_fd, fd, kernel); }), ENOMEM);
    EXPECT_TRUE(kernel.open_fds().contains(fd));
    kernel.answer_query();
    kernel.on_fcntl = [](int, int, int) { return -EINVAL; };
    EXPECT_EQ(thrown_errno([&] { (void)port(adopt_fd, fd, kernel); }), EINVAL);
    EXPECT_TRUE(kernel.open_fds().contains(fd));
    kernel.close(fd);
}

} // namespace
