// SPDX-License-Identifier: MIT
//
// A service without a device: what it does with requests and messages.
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

// A module that tells of what the test puts into its queues.
class service_calls : public ::testing::Test {
protected:
    service_calls() {
        kernel.on<::ipcshim_publish>(IPCSHIM_PUBLISH, [](int, ::ipcshim_publish& raw) {
            raw.service = 70;
            return 0;
        });
        kernel.on<::ipcshim_withdraw>(IPCSHIM_WITHDRAW, [this](int, ::ipcshim_withdraw&) {
            ++withdrawn;
            return 0;
        });
        kernel.on<::ipcshim_accept>(IPCSHIM_ACCEPT, [this](int, ::ipcshim_accept& raw) {
            if (accept_error != 0) {
                return -accept_error;
            }
            raw.fd = kernel.make_fd();
            raw.message_max = 4096;
            return 0;
        });
        kernel.on<::ipcshim_reject>(IPCSHIM_REJECT, [this](int, ::ipcshim_reject& raw) {
            rejected.push_back(raw.reason);
            return 0;
        });
        kernel.on<::ipcshim_read_sock_msg>(
            IPCSHIM_READ_SOCK_MSG, [this](int, ::ipcshim_read_sock_msg& raw) {
                if (waiting.empty()) {
                    raw.end = {.how = IPCSHIM_HOW_EXITED, .status = 3};
                    return -when_empty;
                }
                const auto [header, text] = waiting.front();
                waiting.pop_front();
                raw.message = header;
                raw.message.length = text.size();
                std::memcpy(reinterpret_cast<void*>(raw.buffer), text.data(), text.size());
                return 0;
            });
        kernel.on<::ipcshim_send_sock_msg>(
            IPCSHIM_SEND_SOCK_MSG, [this](int, ::ipcshim_send_sock_msg& raw) {
                const int error = send_errors.empty() ? 0 : send_errors.front();
                if (!send_errors.empty()) {
                    send_errors.pop_front();
                }
                if (error == ECONNRESET) {
                    raw.end.how = IPCSHIM_HOW_KILLED;
                }
                if (error == 0) {
                    sent.emplace_back(
                        raw.message,
                        std::string(reinterpret_cast<const char*>(raw.buffer), raw.message.length));
                }
                return -error;
            });
        kernel.on_write = [](int, const void*, std::size_t size) {
            return static_cast<ssize_t>(size);
        };
        kernel.on_poll = [](std::span<pollfd>, const timespec*) { return 0; };
        kernel.on_epoll_wait = [this](std::span<::epoll_event> found, const timespec*) {
            if (ready.empty()) {
                return 0;
            }
            found[0].data.u64 = ready.front();
            ready.pop_front();
            return 1;
        };
    }
    ~service_calls() override {
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0);
    }

    static constexpr std::uint64_t port_key = ~std::uint64_t{0};

    /// Somebody wants to connect, and is served.
    void come(service& mine, std::uint64_t connection) {
        ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
        raw.token = connection;
        raw.command = 4;
        queue_events(kernel, {raw});
        ready.push_back(port_key);
        EXPECT_TRUE(mine.run_once());
    }
    /// A message comes, and is served.
    void ask(service& mine, std::uint64_t connection, std::uint16_t code, std::string text,
             std::uint16_t status = IPCSHIM_MESSAGE_OPENS) {
        ::ipcshim_message header{};
        header.exchange = ++exchange;
        header.code = code;
        header.status = status;
        waiting.emplace_back(header, std::move(text));
        ready.push_back(connection);
        EXPECT_TRUE(mine.run_once());
    }

    fake_kernel kernel;
    std::deque<std::uint64_t> ready;
    std::deque<std::pair<::ipcshim_message, std::string>> waiting;
    std::vector<std::pair<::ipcshim_message, std::string>> sent;
    std::deque<int> send_errors;
    std::vector<std::uint16_t> rejected;
    int when_empty = EAGAIN;
    int accept_error = 0;
    int withdrawn = 0;
    exchange_id exchange = 0;
};

TEST_F(service_calls, a_method_is_decoded_called_and_answered) {
    service mine("x", {}, kernel);
    mine.on(echo, [](const std::string& text, call_context& context) {
        EXPECT_EQ(context.client(), client_id{61});
        return text + "!";
    });
    mine.on(ping, [] {});
    come(mine, 61);
    ask(mine, 61, 1, "hi");
    ask(mine, 61, 2, "");
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].second, "hi!");
    EXPECT_EQ(sent[0].first.exchange, 1U);
    EXPECT_EQ(sent[0].first.status, IPCSHIM_MESSAGE_CLOSE);
    EXPECT_EQ(sent[0].first.error, 0);
    EXPECT_EQ(sent[1].second, "");
    EXPECT_EQ(mine.counts().taken, 3U);
    EXPECT_EQ(mine.counts().vain, 0U);
}

TEST_F(service_calls, what_goes_wrong_is_answered_with_its_code) {
    service mine("x", {}, kernel);
    std::vector<service_failure> failures;
    mine.on_error([&](const service_failure& what) { failures.push_back(what); });
    mine.on(echo, [](const std::string& text) -> std::string {
        if (text == "own") {
            throw service_error(12, "no such key");
        }
        throw std::runtime_error("secret");
    });
    mine.on(ping, [] {});
    come(mine, 61);
    ask(mine, 61, 1, "own");
    ask(mine, 61, 1, "other");
    ask(mine, 61, 2, "ping takes nothing");
    ask(mine, 61, 3, "");
    ASSERT_EQ(sent.size(), 4U);
    EXPECT_EQ(sent[0].first.error, 12);
    EXPECT_EQ(sent[0].second, "no such key");
    EXPECT_EQ(sent[1].first.error, static_cast<std::uint16_t>(service_errc::handler_failed));
    EXPECT_EQ(sent[1].second, "");
    EXPECT_EQ(sent[2].first.error, static_cast<std::uint16_t>(service_errc::malformed));
    EXPECT_EQ(sent[3].first.error, static_cast<std::uint16_t>(service_errc::unknown_method));
    ASSERT_EQ(failures.size(), 2U);
    EXPECT_EQ(failures[0].text, "secret");
    EXPECT_EQ(failures[0].code, 1);
    EXPECT_EQ(failures[0].client, client_id{61});
    EXPECT_EQ(failures[1].error, service_errc::malformed);
}

TEST_F(service_calls, what_wants_no_answer_gets_none) {
    service mine("x", {}, kernel);
    int calls = 0;
    mine.on(ping, [&](call_context& context) {
        EXPECT_TRUE(context.one_way());
        ++calls;
    });
    come(mine, 61);
    ask(mine, 61, 2, "", IPCSHIM_MESSAGE_OPENS | IPCSHIM_MESSAGE_CLOSE);
    ask(mine, 61, 3, "", IPCSHIM_MESSAGE_OPENS | IPCSHIM_MESSAGE_CLOSE);
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(sent.empty());
}

TEST_F(service_calls, an_answer_that_can_not_go_becomes_an_error_that_can) {
    service mine("x", {}, kernel);
    int failures = 0;
    mine.on_error([&](const service_failure&) { ++failures; });
    mine.on(echo, [&](const std::string& text, call_context& context) {
        if (text == "carry") {
            context.give(sender(detail::handle(kernel, kernel.make_fd()), pipe_mode::raw));
        }
        return text;
    });
    come(mine, 61);
    send_errors = {EMSGSIZE};
    ask(mine, 61, 1, "long");
    send_errors = {ECONNRESET};
    ask(mine, 61, 1, "carry");
    EXPECT_EQ(failures, 1) << "a client that has gone is nobody's failure";
    send_errors = {EPIPE}; // the pipe is closed, the connection is not
    ask(mine, 61, 1, "carry");
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].first.error, static_cast<std::uint16_t>(service_errc::answer_too_long));
    EXPECT_EQ(sent[1].first.error, static_cast<std::uint16_t>(service_errc::attachment_failed));
    EXPECT_EQ(failures, 2);
}

TEST_F(service_calls, clients_are_accepted_or_rejected_and_told_of) {
    service mine("x", {}, kernel);
    std::vector<client_info> seen;
    mine.on_connect([](const client_info& who) -> std::optional<std::uint16_t> {
        EXPECT_EQ(who.command, 4);
        EXPECT_EQ(who.pid, 321);
        if (who.client == client_id{62}) {
            return 5;
        }
        if (who.client == client_id{63}) {
            throw std::runtime_error("undecided");
        }
        return std::nullopt;
    });
    mine.on_client([&](const client_info& who) { seen.push_back(who); });
    for (const std::uint64_t connection : {61, 62, 63}) {
        come(mine, connection);
    }
    EXPECT_EQ(rejected, (std::vector<std::uint16_t>{
                            5, static_cast<std::uint16_t>(service_errc::handler_failed)}));
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].client, client_id{61});
    EXPECT_EQ(mine.clients().size(), 1U);
    accept_error = EMFILE;
    come(mine, 64);
    EXPECT_EQ(rejected.back(), static_cast<std::uint16_t>(service_errc::overloaded));
    accept_error = ENOENT; // it has given up
    come(mine, 65);
    EXPECT_EQ(rejected.size(), 3U);
}

TEST_F(service_calls, a_client_that_goes_is_told_of_once_with_how) {
    service mine("x", {}, kernel);
    std::vector<client_gone> gone;
    mine.on_client_gone([&](const client_gone& what) { gone.push_back(what); });
    come(mine, 61);
    come(mine, 62);
    when_empty = ECONNRESET;
    ready = {61, 61};
    mine.dispatch();
    when_empty = EPIPE;
    ready = {62};
    mine.dispatch();
    ASSERT_EQ(gone.size(), 2U);
    EXPECT_EQ(gone[0].client, client_id{61});
    EXPECT_EQ(gone[0].pid, 321);
    EXPECT_EQ(gone[0].end, (side_end{.how = how::exited, .status = 3}));
    EXPECT_FALSE(gone[0].in_order);
    EXPECT_TRUE(gone[1].in_order);
    EXPECT_TRUE(mine.clients().empty());
    EXPECT_EQ(kernel.watched.size(), 2U) << "the port, and what wakes it";
}

TEST_F(service_calls, a_client_that_is_let_go_gets_no_answer_and_is_not_told_of) {
    service mine("x", {}, kernel);
    int gone = 0;
    mine.on_client_gone([&](const client_gone&) { ++gone; });
    mine.on(echo, [&](const std::string& text, call_context& context) {
        mine.disconnect(context.client());
        return text;
    });
    come(mine, 61);
    ask(mine, 61, 1, "hi");
    EXPECT_TRUE(sent.empty());
    EXPECT_EQ(gone, 0);
    EXPECT_TRUE(mine.clients().empty());
}

TEST_F(service_calls, an_event_without_a_message_is_counted) {
    service mine("x", {}, kernel);
    come(mine, 61);
    ready = {61, port_key, 99};
    queue_events(kernel, {});
    EXPECT_EQ(mine.dispatch(), 3U);
    EXPECT_EQ(mine.counts().vain, 2U);
    EXPECT_TRUE(sent.empty());
}

TEST_F(service_calls, notifications_go_to_one_or_to_all) {
    service mine("x", {}, kernel);
    int failures = 0;
    mine.on_error([&](const service_failure&) { ++failures; });
    come(mine, 61);
    come(mine, 62);
    mine.notify(client_id{61}, changed, "key");
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].second, "key");
    EXPECT_EQ(sent[0].first.code, 9);
    EXPECT_EQ(sent[0].first.exchange, 0U);
    EXPECT_EQ(sent[0].first.status, IPCSHIM_MESSAGE_CLOSE);
    EXPECT_EQ(mine.notify_all(changed, "key"), 2U);
    send_errors = {EAGAIN, EPIPE};
    EXPECT_EQ(mine.notify_all(changed, "key"), 0U);
    EXPECT_EQ(failures, 1) << "who has gone is no failure";
    EXPECT_EQ(thrown_errno([&] { mine.notify(client_id{5}, changed, ""); }), ENOTCONN);
    send_errors = {EAGAIN};
    EXPECT_EQ(thrown_errno([&] { mine.notify(client_id{61}, changed, ""); }), EAGAIN);
}

TEST_F(service_calls, its_functions_are_set_before_it_runs) {
    service mine("x", {}, kernel);
    mine.on(ping, [&] { mine.on(ping, [] {}); });
    come(mine, 61);
    ask(mine, 61, 2, "");
    EXPECT_EQ(sent.at(0).first.error, static_cast<std::uint16_t>(service_errc::handler_failed));
    EXPECT_NO_THROW(mine.on(echo, [](const std::string& text) { return text; }));
    EXPECT_THROW(mine.start(0), std::logic_error);
}

TEST_F(service_calls, the_name_goes_first) {
    {
        service mine("x", {}, kernel);
        EXPECT_EQ(mine.number(), 70U);
        EXPECT_EQ(mine.name(), "x");
        mine.withdraw();
        EXPECT_EQ(withdrawn, 1);
    }
    EXPECT_EQ(withdrawn, 1);
    kernel.refuse(IPCSHIM_PUBLISH, EADDRINUSE);
    EXPECT_EQ(thrown_errno([&] { service("x", {}, kernel); }), EADDRINUSE);
}

} // namespace
