// SPDX-License-Identifier: MIT
//
// What a socket asks of the module, and what it makes of the answers.
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

std::string text_at(std::uint64_t address, std::uint64_t length) {
    return {reinterpret_cast<const char*>(address), length};
}

const ::ipcshim_descriptor* descriptors_at(std::uint64_t address) {
    return reinterpret_cast<const ::ipcshim_descriptor*>(address);
}

void put(std::uint64_t address, std::string_view text) {
    std::memcpy(reinterpret_cast<void*>(address), text.data(), text.size());
}

class socket_calls : public ::testing::Test {
protected:
    ~socket_calls() override {
        side.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }

    void answer_send() {
        kernel.on<::ipcshim_send_sock_msg>(IPCSHIM_SEND_SOCK_MSG,
                                           [this](int, ::ipcshim_send_sock_msg& raw) {
                                               sent = raw;
                                               raw.message.exchange = 7;
                                               raw.message.counter = 1;
                                               raw.message.status |= IPCSHIM_MESSAGE_OPENS;
                                               raw.message.pid = 99;
                                               return 0;
                                           });
    }

    fake_kernel kernel;
    ipcshim::socket side{
        detail::handle(kernel, kernel.make_fd()),
        {.side = role::client, .message_max = 1U << 20, .connection = 41, .inode = 42}};
    ::ipcshim_send_sock_msg sent{};
};

TEST_F(socket_calls, open_exchange_passes_everything_and_tells_the_header) {
    answer_send();
    const sender end(detail::handle(kernel, kernel.make_fd()), pipe_mode::raw);
    const segment memory(detail::handle(kernel, kernel.make_fd()), {});
    const attachment carried[] = {end, attachment::hand_over(memory, rights::read)};
    const message_header header = side.open_exchange(
        5, bytes_of("abc"),
        {.attachments = carried, .until = deadline(std::chrono::nanoseconds(900))});
    EXPECT_EQ(sent.message.exchange, 0U);
    EXPECT_EQ(sent.message.code, 5);
    EXPECT_EQ(sent.message.status, 0);
    EXPECT_EQ(sent.message.length, 3U);
    EXPECT_EQ(sent.message.nr_descriptors, 2);
    EXPECT_EQ(text_at(sent.buffer, 3), "abc");
    EXPECT_EQ(sent.deadline, 900U);
    EXPECT_EQ(sent.flags, 0U);
    EXPECT_EQ(descriptors_at(sent.descriptors)[0].fd, end.fd());
    EXPECT_EQ(descriptors_at(sent.descriptors)[0].mode, 0);
    EXPECT_EQ(descriptors_at(sent.descriptors)[1].fd, memory.fd());
    EXPECT_EQ(descriptors_at(sent.descriptors)[1].mode, IPCSHIM_MEM_EXCLUSIVE);
    EXPECT_EQ(descriptors_at(sent.descriptors)[1].rights, IPCSHIM_RIGHT_READ);
    EXPECT_EQ(header.exchange, 7U);
    EXPECT_TRUE(header.opens);
    EXPECT_EQ(header.pid, 99);
}

TEST_F(socket_calls, send_once_concludes_and_nowait_has_no_deadline) {
    answer_send();
    side.send_once(5, {}, {.until = deadline(std::chrono::nanoseconds(900)), .nowait = true});
    EXPECT_EQ(sent.message.status, IPCSHIM_MESSAGE_CLOSE);
    EXPECT_EQ(sent.flags, unsigned{IPCSHIM_SOCK_NOWAIT});
    EXPECT_EQ(sent.deadline, 0U);
}

TEST_F(socket_calls, answers_conclude_unless_told_otherwise) {
    answer_send();
    side.answer(3, bytes_of("x"));
    EXPECT_EQ(sent.message.exchange, 3U);
    EXPECT_EQ(sent.message.status, IPCSHIM_MESSAGE_CLOSE);
    EXPECT_EQ(sent.message.code, 0);
    EXPECT_EQ(sent.message.error, 0);
    side.answer(3, bytes_of("x"), {.concludes = false});
    EXPECT_EQ(sent.message.status, 0);
    side.fail(3, 12, bytes_of("why"));
    EXPECT_EQ(sent.message.error, 12);
    EXPECT_EQ(text_at(sent.buffer, sent.message.length), "why");
}

TEST_F(socket_calls, an_answer_in_no_exchange_does_not_open_one) {
    answer_send();
    EXPECT_EQ(thrown_errno([&] { side.answer(0, {}); }), ENOENT);
    EXPECT_EQ(thrown_errno([&] { side.fail(0, 1); }), ENOENT);
    EXPECT_EQ(thrown_errno([&] { side.fail(1, 0); }), EINVAL);
    const std::vector<attachment> many(9, side);
    EXPECT_EQ(thrown_errno([&] { side.open_exchange(1, {}, {.attachments = many}); }), EINVAL);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_SEND_SOCK_MSG], 0);
}

TEST_F(socket_calls, a_broken_connection_says_how_the_other_side_ended) {
    kernel.on<::ipcshim_send_sock_msg>(IPCSHIM_SEND_SOCK_MSG,
                                       [](int, ::ipcshim_send_sock_msg& raw) {
                                           raw.end = {.how = IPCSHIM_HOW_KILLED, .status = 9};
                                           return -ECONNRESET;
                                       });
    try {
        side.open_exchange(1, bytes_of("abc"));
        FAIL();
    } catch (const socket_error& error) {
        EXPECT_EQ(error.code(), std::errc::connection_reset);
        EXPECT_EQ(error.end(), (side_end{.how = how::killed, .status = 9}));
        const std::string text = error.what();
        EXPECT_TRUE(text.starts_with("cannot send a message of 3 bytes: the connection has ended"))
            << text;
        EXPECT_NE(text.find("(other side: killed by signal 9)"), std::string::npos) << text;
    }
}

TEST_F(socket_calls, read_takes_a_short_message_with_one_call) {
    kernel.on<::ipcshim_read_sock_msg>(IPCSHIM_READ_SOCK_MSG,
                                       [](int, ::ipcshim_read_sock_msg& raw) {
                                           EXPECT_EQ(raw.message.exchange, 6U);
                                           EXPECT_GE(raw.size, 4096U);
                                           EXPECT_EQ(raw.room, unsigned{IPCSHIM_DESCRIPTORS_MAX});
                                           put(raw.buffer, "hello");
                                           raw.message.length = 5;
                                           raw.message.code = 2;
                                           raw.message.error = 3;
                                           raw.message.status = IPCSHIM_MESSAGE_CLOSE;
                                           raw.uid = 1000;
                                           return 0;
                                       });
    const message got = side.read({.exchange = 6});
    EXPECT_EQ(got.text(), "hello");
    EXPECT_EQ(got.header.uid, 1000U);
    EXPECT_EQ(got.header.error, 3);
    EXPECT_TRUE(got.header.concludes);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_READ_SOCK_MSG], 1);
}

// Answers with a message of this length, or EMSGSIZE where there is no room for it.
std::function<int(int, ::ipcshim_read_sock_msg&)> long_message(std::size_t length) {
    return [length](int, ::ipcshim_read_sock_msg& raw) {
        raw.message.length = length;
        if (raw.size < length) {
            return -EMSGSIZE;
        }
        put(raw.buffer, std::string(length, 'x'));
        return 0;
    };
}

TEST_F(socket_calls, read_grows_to_what_is_needed_and_keeps_that_for_the_next) {
    kernel.on<::ipcshim_read_sock_msg>(IPCSHIM_READ_SOCK_MSG, long_message(100'000));
    message got;
    std::error_code error;
    side.read(got, {}, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(got.text(), std::string(100'000, 'x'));
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_READ_SOCK_MSG], 2);
    side.read(got, {}, error);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_READ_SOCK_MSG], 3) << "one call was enough";
    kernel.on<::ipcshim_read_sock_msg>(IPCSHIM_READ_SOCK_MSG, long_message(5));
    side.read(got, {}, error);
    EXPECT_EQ(got.text(), "xxxxx");
}

TEST_F(socket_calls, a_length_that_asks_for_nothing_more_ends_in_the_error) {
    kernel.on<::ipcshim_read_sock_msg>(IPCSHIM_READ_SOCK_MSG,
                                       [](int, ::ipcshim_read_sock_msg& raw) {
                                           raw.message.length = 1;
                                           return -EMSGSIZE;
                                       });
    EXPECT_EQ(thrown_errno([&] { (void)side.read(); }), EMSGSIZE);
}

TEST_F(socket_calls, what_came_with_a_message_is_owned_and_what_was_taken_back_is_nothing) {
    kernel.on<::ipcshim_read_sock_msg>(
        IPCSHIM_READ_SOCK_MSG, [this](int, ::ipcshim_read_sock_msg& raw) {
            auto* const out = reinterpret_cast<::ipcshim_descriptor*>(raw.descriptors);
            raw.message.nr_descriptors = 6;
            const auto made = [this](int kind, int mode) {
                ::ipcshim_descriptor one{};
                one.fd = kernel.make_fd();
                one.kind = static_cast<std::uint16_t>(kind);
                one.mode = static_cast<std::uint16_t>(mode);
                return one;
            };
            out[0] = made(IPCSHIM_KIND_PIPE, IPCSHIM_PIPE_RAW);
            out[0].end = IPCSHIM_END_SENDER;
            out[1] = made(IPCSHIM_KIND_PIPE, IPCSHIM_PIPE_MESSAGE);
            out[1].end = IPCSHIM_END_RECEIVER;
            out[2] = made(IPCSHIM_KIND_SEGMENT, IPCSHIM_MEM_EXCLUSIVE);
            out[2].rights = IPCSHIM_RIGHT_READ;
            out[2].inode = 61;
            out[2].length = 8192;
            out[3] = made(IPCSHIM_KIND_SOCKET, IPCSHIM_SOCKET);
            out[3].role = IPCSHIM_ROLE_SERVICE;
            out[3].message_max = 4096;
            out[3].connection = 62;
            out[4] = {};
            out[4].fd = -1;
            out[4].kind = IPCSHIM_KIND_SEGMENT;
            out[4].error = ESTALE;
            out[5] = made(77, 0); // of a newer module
            return 0;
        });
    const message got = side.read();
    ASSERT_EQ(got.descriptors.size(), 6U);
    EXPECT_EQ(std::get<sender>(got.descriptors[0]).mode(), pipe_mode::raw);
    EXPECT_EQ(std::get<receiver>(got.descriptors[1]).mode(), pipe_mode::message);
    const auto& memory = std::get<segment>(got.descriptors[2]);
    EXPECT_EQ(memory.size(), 8192U);
    EXPECT_EQ(memory.inode(), 61U);
    EXPECT_EQ(memory.mode(), memory_mode::exclusive);
    const auto& passed = std::get<ipcshim::socket>(got.descriptors[3]);
    EXPECT_EQ(passed.side(), role::service);
    EXPECT_EQ(passed.connection(), 62U);
    EXPECT_EQ(passed.message_max(), 4096U);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(got.descriptors[4]));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(got.descriptors[5]));
}

TEST_F(socket_calls, call_asks_and_answers_in_one) {
    kernel.on<::ipcshim_call>(IPCSHIM_CALL, [](int, ::ipcshim_call& raw) {
        EXPECT_EQ(text_at(raw.request, raw.message.length), "ask");
        EXPECT_EQ(raw.message.code, 4);
        EXPECT_EQ(raw.flags, 0U);
        put(raw.buffer, "told");
        raw.message.exchange = 9;
        raw.message.length = 4;
        return 0;
    });
    const message got = side.call(4, bytes_of("ask"));
    EXPECT_EQ(got.text(), "told");
    EXPECT_EQ(got.header.exchange, 9U);
}

TEST_F(socket_calls, call_goes_on_waiting_with_more_room_and_sends_nothing_twice) {
    int rounds = 0;
    kernel.on<::ipcshim_call>(IPCSHIM_CALL, [&](int, ::ipcshim_call& raw) {
        if (++rounds == 1) {
            raw.message.exchange = 9;
            raw.message.length = 5000;
            raw.flags |= IPCSHIM_CALL_SENT;
            return -EMSGSIZE;
        }
        EXPECT_EQ(raw.flags, unsigned{IPCSHIM_CALL_SENT});
        EXPECT_EQ(raw.message.exchange, 9U);
        EXPECT_GE(raw.size, 5000U);
        put(raw.buffer, std::string(5000, 'y'));
        return 0;
    });
    EXPECT_EQ(side.call(4, bytes_of("ask")).text(), std::string(5000, 'y'));
    EXPECT_EQ(rounds, 2);
}

TEST_F(socket_calls, a_call_that_failed_tells_whether_the_request_is_out) {
    bool out = false;
    kernel.on<::ipcshim_call>(IPCSHIM_CALL, [&](int, ::ipcshim_call& raw) {
        raw.message.exchange = 9;
        raw.flags = out ? IPCSHIM_CALL_SENT : 0;
        return -EINTR;
    });
    message got;
    std::error_code error;
    side.call(4, {}, got, {}, error);
    EXPECT_EQ(error, std::errc::interrupted);
    EXPECT_EQ(got.header.exchange, 0U);
    out = true;
    side.call(4, {}, got, {}, error);
    EXPECT_EQ(got.header.exchange, 9U);
    try {
        (void)side.call(4, {});
        FAIL();
    } catch (const socket_error& wrong) {
        EXPECT_EQ(wrong.header().exchange, 9U);
    }
}

TEST_F(socket_calls, ends_are_asked_of_the_module) {
    kernel.refuse(IPCSHIM_END_SERVICE_CONN, EPERM);
    kernel.refuse(IPCSHIM_CLOSE_SERV_SOCK, EINVAL);
    EXPECT_EQ(thrown<std::system_error>([&] { side.end(); }),
              "cannot end the connection by the client's side of connection 41: only the client "
              "ends it in order; a service closes its socket: Operation not permitted");
    EXPECT_EQ(thrown_errno([&] { side.close_both(); }), EINVAL);
}

TEST_F(socket_calls, a_closed_one_is_a_logic_error_and_ebadf) {
    const ipcshim::socket closed;
    EXPECT_THROW((void)closed.fd(), std::logic_error);
    EXPECT_THROW((void)closed.read(), std::logic_error);
    EXPECT_THROW(closed.open_exchange(1, {}), std::logic_error);
    EXPECT_THROW(attachment{closed}, std::logic_error);
    std::error_code error;
    message got;
    closed.call(1, {}, got, {}, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    closed.read(got, {}, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    closed.answer(1, {}, {}, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    std::ostringstream out;
    out << closed << ", " << side;
    EXPECT_EQ(out.str(), "closed socket, client's socket (descriptor " + std::to_string(side.fd()) +
                             ", connection 41)");
}

class socket_adopt : public ::testing::Test {
protected:
    socket_adopt() {
        kernel.on_open = [this](const char* path, int) {
            EXPECT_EQ(std::string(path), "/proc/self/fdinfo/" + std::to_string(fd));
            given = 0;
            return kernel.make_fd();
        };
        kernel.on_read = [this](int, void* buffer, std::size_t size) {
            // A few bytes at a time, as /proc may.
            const std::size_t part = std::min({size, told.size() - given, std::size_t{7}});
            std::memcpy(buffer, told.data() + given, part);
            given += part;
            return static_cast<ssize_t>(part);
        };
        kernel.on_fstat = [](int, struct ::stat& found) {
            found.st_ino = 77;
            return 0;
        };
    }
    fake_kernel kernel;
    int fd = kernel.make_fd();
    std::string told = "pos:\t0\nflags:\t02\nipcshim-role:\tservice\nipcshim-connection:\t12\n"
                       "ipcshim-peer-inode:\t3\nipcshim-message-max:\t8192\n";
    std::size_t given = 0;
};

TEST_F(socket_adopt, asks_proc_what_it_is) {
    const ipcshim::socket side(adopt_fd, fd, kernel);
    EXPECT_EQ(side.side(), role::service);
    EXPECT_EQ(side.connection(), 12U);
    EXPECT_EQ(side.message_max(), 8192U);
    EXPECT_EQ(side.inode(), 77U);
}

TEST_F(socket_adopt, leaves_what_is_no_socket_to_the_caller) {
    told = "pos:\t0\nxipcshim-role:\tservice\n";
    EXPECT_EQ(thrown_errno([&] { ipcshim::socket(adopt_fd, fd, kernel); }), ENOTTY);
    kernel.on_open = [](const char*, int) { return -ENOENT; };
    EXPECT_EQ(thrown_errno([&] { ipcshim::socket(adopt_fd, fd, kernel); }), ENOENT);
    EXPECT_EQ(kernel.open_fds(), (std::set<int>{fd}));
}

} // namespace
