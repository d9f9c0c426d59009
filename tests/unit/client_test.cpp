// SPDX-License-Identifier: MIT
//
// A client without a device: what it does with each answer of the module.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

inline constexpr method<1, std::string, std::string> echo{};
inline constexpr method<2> ping{};
inline constexpr notification<9, std::string> changed{};

// A module with one service, that tells of one connection after another.
class client_calls : public ::testing::Test {
protected:
    client_calls() {
        kernel.on<::ipcshim_connect_service>(IPCSHIM_CONNECT_SERVICE,
                                             [this](int, ::ipcshim_connect_service& raw) {
                                                 if (refused != 0) {
                                                     return -refused;
                                                 }
                                                 raw.fd = kernel.make_fd();
                                                 raw.connection = ++connections;
                                                 raw.message_max = 4096;
                                                 return 0;
                                             });
        kernel.on<::ipcshim_call>(IPCSHIM_CALL, [this](int, ::ipcshim_call& raw) {
            ++asked;
            const auto next = on_call.empty() ? answered("") : on_call.front();
            if (!on_call.empty()) {
                on_call.pop_front();
            }
            return next(raw);
        });
        kernel.on<::ipcshim_read_sock_msg>(
            IPCSHIM_READ_SOCK_MSG, [this](int, ::ipcshim_read_sock_msg& raw) {
                if (waiting.empty()) {
                    raw.end = {.how = IPCSHIM_HOW_KILLED, .status = 9};
                    return ended ? -ECONNRESET : -EAGAIN;
                }
                const auto [header, text] = waiting.front();
                waiting.pop_front();
                raw.message = header;
                raw.message.length = text.size();
                std::memcpy(reinterpret_cast<void*>(raw.buffer), text.data(), text.size());
                return 0;
            });
        kernel.on<::ipcshim_send_sock_msg>(IPCSHIM_SEND_SOCK_MSG,
                                           [this](int, ::ipcshim_send_sock_msg& raw) {
                                               ++sent;
                                               raw.message.exchange = 100 + sent;
                                               return -send_error;
                                           });
        kernel.on<::ipcshim_end_service_conn>(IPCSHIM_END_SERVICE_CONN,
                                              [this](int, ::ipcshim_end_service_conn&) {
                                                  ++ends;
                                                  return 0;
                                              });
        kernel.on_write = [](int, const void*, std::size_t size) {
            return static_cast<ssize_t>(size);
        };
        kernel.on_read = [](int, void*, std::size_t size) { return static_cast<ssize_t>(size); };
    }
    ~client_calls() override {
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0);
    }

    using answer = std::function<int(::ipcshim_call&)>;
    static answer answered(std::string text, std::uint16_t error = 0) {
        return [text = std::move(text), error](::ipcshim_call& raw) {
            std::memcpy(reinterpret_cast<void*>(raw.buffer), text.data(), text.size());
            raw.message = {};
            raw.message.exchange = 50;
            raw.message.length = text.size();
            raw.message.error = error;
            return 0;
        };
    }
    /// The call fails, and the request is out.
    static answer failed_after(int error, exchange_id exchange = 50) {
        return [=](::ipcshim_call& raw) {
            raw.message.exchange = exchange;
            raw.flags |= IPCSHIM_CALL_SENT;
            return -error;
        };
    }
    static answer failed_before(int error) {
        return [=](::ipcshim_call& raw) {
            raw.end.how = error == EPIPE || error == ECONNRESET ? IPCSHIM_HOW_CLOSED : 0;
            return -error;
        };
    }
    void arrive(exchange_id exchange, std::string text, std::uint16_t status = 0,
                std::uint16_t code = 1) {
        ::ipcshim_message header{};
        header.exchange = exchange;
        header.code = code;
        header.status = status;
        waiting.emplace_back(header, std::move(text));
    }

    fake_kernel kernel;
    std::deque<answer> on_call;
    std::deque<std::pair<::ipcshim_message, std::string>> waiting;
    bool ended = false;
    int refused = 0;
    int send_error = 0;
    int asked = 0;
    unsigned sent = 0;
    int ends = 0;
    std::uint64_t connections = 60;
    client_parameters quiet{.own_thread = false};
};

TEST_F(client_calls, an_answer_is_returned_and_an_error_is_thrown) {
    client mine("x", quiet, kernel);
    on_call = {answered("hi"), answered("no such key", 12), answered("")};
    EXPECT_EQ(mine.call(echo, "ask"), "hi");
    try {
        mine.call(echo, "ask");
        FAIL();
    } catch (const service_error& error) {
        EXPECT_EQ(error.reason(), 12);
        EXPECT_EQ(error.text(), "no such key");
    }
    mine.call(ping);
    EXPECT_EQ(mine.connection(), 61U);
}

TEST_F(client_calls, it_ends_its_connection_in_order) {
    { const client mine("x", quiet, kernel); }
    EXPECT_EQ(ends, 1);
}

TEST_F(client_calls, a_signal_before_the_request_asks_again_and_one_after_it_reads) {
    client mine("x", quiet, kernel);
    on_call = {failed_before(EINTR), failed_after(EINTR)};
    arrive(50, "late, but mine");
    EXPECT_EQ(mine.call(echo, "ask"), "late, but mine");
    EXPECT_EQ(asked, 2) << "what is out is not sent again";
}

TEST_F(client_calls, a_late_answer_is_thrown_away) {
    client mine("x", quiet, kernel);
    on_call = {failed_after(ETIMEDOUT, 50), answered("right")};
    auto late = mine.try_call(echo, "ask");
    EXPECT_EQ(late.error(), std::errc::timed_out);
    EXPECT_TRUE(late.text().starts_with("cannot call method 1 of 'x': no answer came"))
        << late.text();
    arrive(50, "wrong");
    EXPECT_EQ(mine.call(echo, "ask"), "right");
    EXPECT_TRUE(waiting.empty()) << "it was read, so that it does not stay";
    const int reads = kernel.ioctl_count[IPCSHIM_READ_SOCK_MSG];
    mine.call(ping);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_READ_SOCK_MSG], reads) << "and looked for no more";
}

TEST_F(client_calls, answers_that_fill_the_socket_are_read_by_who_calls) {
    client mine("x", quiet, kernel);
    std::string told;
    mine.call_async(echo, "a", [&](outcome<std::string>&& result) { told = result.value(); });
    arrive(101, "async");
    on_call = {failed_before(ENOBUFS), answered("sync")};
    EXPECT_EQ(mine.call(echo, "ask"), "sync");
    EXPECT_EQ(told, "") << "callbacks run where dispatch() is called";
    EXPECT_EQ(mine.dispatch(), 1U);
    EXPECT_EQ(told, "async");
    on_call.assign(200, failed_before(ENOBUFS));
    EXPECT_EQ(mine.try_call(echo, "ask").error(), std::errc::no_buffer_space)
        << "nothing is there to be read: no endless loop";
}

TEST_F(client_calls, asynchronous_answers_come_in_futures) {
    client mine("x", quiet, kernel);
    auto first = mine.call_async(echo, "a");
    auto second = mine.call_async(ping);
    arrive(102, "");
    arrive(101, "one");
    EXPECT_EQ(mine.dispatch(), 2U);
    EXPECT_EQ(first.get(), "one");
    EXPECT_NO_THROW(second.get());
}

TEST_F(client_calls, an_asynchronous_call_that_is_late_ends_and_its_answer_is_nobodys) {
    client mine("x", quiet, kernel);
    auto late = mine.call_async(echo, "a", {.until = deadline(std::chrono::nanoseconds(1))});
    EXPECT_EQ(mine.next_deadline(), deadline(std::chrono::nanoseconds(1)));
    EXPECT_EQ(mine.dispatch(), 1U);
    EXPECT_EQ(thrown_errno([&] { late.get(); }), ETIMEDOUT);
    EXPECT_EQ(mine.next_deadline(), no_deadline);
    arrive(101, "wrong");
    EXPECT_EQ(mine.dispatch(), 0U);
}

TEST_F(client_calls, what_could_not_be_sent_is_told_at_once) {
    client mine("x", quiet, kernel);
    send_error = EMSGSIZE;
    auto result = mine.call_async(echo, "a");
    EXPECT_EQ(thrown_errno([&] { result.get(); }), EMSGSIZE);
    EXPECT_EQ(thrown_errno([&] { mine.notify(echo, "a"); }), EMSGSIZE);
}

TEST_F(client_calls, notifications_go_to_their_handlers_in_order_and_others_nowhere) {
    client mine("x", quiet, kernel);
    std::string order;
    mine.on(changed, [&](const std::string& what, message& whole) {
        order += what + std::to_string(whole.header.exchange) + ' ';
    });
    constexpr std::uint16_t opens =
        IPCSHIM_MESSAGE_NOTIFICATION | IPCSHIM_MESSAGE_OPENS | IPCSHIM_MESSAGE_CLOSE;
    arrive(5, "a", opens, 9);
    arrive(6, "b", opens, 8); // nobody handles it
    arrive(7, "c", opens, 9);
    EXPECT_EQ(mine.dispatch(), 2U);
    EXPECT_EQ(order, "a5 c7 ");
}

TEST_F(client_calls, what_a_handler_throws_is_forgotten_and_the_next_is_called) {
    client mine("x", quiet, kernel);
    int calls = 0;
    mine.on(changed, [&](const std::string&) {
        ++calls;
        throw std::runtime_error("own mistake");
    });
    constexpr std::uint16_t opens = IPCSHIM_MESSAGE_NOTIFICATION | IPCSHIM_MESSAGE_OPENS;
    arrive(5, "a", opens, 9);
    arrive(7, "c", opens, 9);
    EXPECT_NO_THROW(mine.dispatch());
    EXPECT_EQ(calls, 2);
}

TEST_F(client_calls, an_end_is_told_and_fails_what_waits) {
    client mine("x", quiet, kernel);
    disconnection seen;
    int told = 0;
    mine.on_disconnect([&](const disconnection& what) {
        seen = what;
        ++told;
    });
    auto open = mine.call_async(echo, "a");
    ended = true;
    EXPECT_EQ(mine.dispatch(), 2U);
    EXPECT_EQ(thrown_errno([&] { open.get(); }), ECONNRESET);
    EXPECT_EQ(seen.connection, 61U);
    EXPECT_EQ(seen.end, (side_end{.how = how::killed, .status = 9}));
    EXPECT_FALSE(mine.is_connected());
    EXPECT_EQ(mine.dispatch(), 0U);
    EXPECT_EQ(told, 1);
    EXPECT_EQ(mine.try_call(echo, "a").error(), std::errc::broken_pipe);
    EXPECT_EQ(asked, 0);
}

TEST_F(client_calls, a_call_that_was_out_when_the_service_died_is_not_repeated) {
    quiet.reconnect = true;
    client mine("x", quiet, kernel);
    on_call = {failed_after(ECONNRESET)};
    ended = true;
    EXPECT_EQ(mine.try_call(echo, "a").error(), std::errc::connection_reset);
    EXPECT_EQ(asked, 1);
    ended = false;
    on_call = {answered("new")};
    EXPECT_EQ(mine.call(echo, "a"), "new");
    EXPECT_EQ(mine.connection(), 62U);
}

TEST_F(client_calls, a_call_that_never_went_out_goes_by_the_new_connection) {
    quiet.reconnect = true;
    client mine("x", quiet, kernel);
    std::string order;
    mine.on_disconnect([&](const disconnection&) { order += "gone "; });
    mine.on_reconnect([&] { order += "back "; });
    on_call = {[this](::ipcshim_call& raw) {
                   ended = true; // for who reads now
                   raw.end.how = IPCSHIM_HOW_CLOSED;
                   return -EPIPE;
               },
               [this](::ipcshim_call& raw) {
                   ended = false;
                   return answered("new")(raw);
               }};
    EXPECT_EQ(mine.call(echo, "a"), "new");
    EXPECT_EQ(mine.connection(), 62U);
    EXPECT_TRUE(mine.is_connected());
    mine.dispatch();
    EXPECT_EQ(order, "gone back ");
}

TEST_F(client_calls, a_closed_pipe_that_it_was_to_carry_is_not_the_end) {
    client mine("x", quiet, kernel);
    on_call = {[](::ipcshim_call&) { return -EPIPE; }};
    EXPECT_EQ(mine.try_call(echo, "a").error(), std::errc::broken_pipe);
    EXPECT_TRUE(mine.is_connected());
}

TEST_F(client_calls, a_service_that_always_dies_at_once_is_given_up) {
    quiet.reconnect = true;
    client mine("x", quiet, kernel);
    on_call.assign(20, failed_before(ECONNRESET));
    ended = true;
    EXPECT_EQ(mine.try_call(echo, "a").error(), std::errc::connection_reset);
    EXPECT_LT(asked, 10);
}

TEST_F(client_calls, dispatch_connects_again_and_says_when_to_try_the_next_time) {
    quiet.reconnect = true;
    client mine("x", quiet, kernel);
    int back = 0;
    mine.on_reconnect([&] { ++back; });
    ended = true;
    refused = ECONNREFUSED;
    mine.dispatch();
    EXPECT_FALSE(mine.is_connected());
    EXPECT_NE(mine.next_deadline(), no_deadline);
    EXPECT_GT(mine.next_deadline(), deadline::clock::now());
    EXPECT_THROW(mine.reconnect(), refused_error);
    refused = 0;
    ended = false;
    mine.reconnect();
    EXPECT_TRUE(mine.is_connected());
    mine.dispatch();
    EXPECT_EQ(back, 1);
    EXPECT_EQ(mine.next_deadline(), no_deadline);
}

TEST_F(client_calls, what_waits_when_it_is_destroyed_ends_canceled) {
    std::future<std::string> left;
    {
        client mine("x", quiet, kernel);
        left = mine.call_async(echo, "a");
    }
    EXPECT_EQ(thrown_errno([&] { left.get(); }), ECANCELED);
}

TEST_F(client_calls, nobody_to_connect_to_is_an_exception_and_no_leak) {
    refused = ENOENT;
    EXPECT_EQ(thrown_errno([&] { client("x", quiet, kernel); }), ENOENT);
}

} // namespace
