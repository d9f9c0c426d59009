// SPDX-License-Identifier: MIT
// What a service tells its clients unasked: to one or to all, and to those that don't
// listen.
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "service_support.hpp"

namespace {

using test::answer_to;
using namespace std::chrono_literals;

class ServiceNotify : public test::Balanced {
protected:
    ServiceNotify() {
        service.on(test::ask, [](std::uint64_t number) { return answer_to(number); })
            .on_error([this](const ipcshim::service_failure& what) { failures.add(what); });
        service.start(1);
    }
    // As soon as the service knows it by that, too.
    [[nodiscard]] ipcshim::client_id id_of(const ipcshim::client& client) const {
        const ipcshim::client_id id{client.connection()};
        test::wait_until([&] {
            const auto all = service.clients();
            return std::ranges::any_of(all, [id](const auto& one) { return one.client == id; });
        });
        return id;
    }

    test::notes<ipcshim::service_failure> failures;
    ipcshim::service service{test::service_name};
};

TEST_F(ServiceNotify, OneClientOrAllOfThem) {
    std::array<test::notes<std::string>, 3> heard;
    std::vector<std::unique_ptr<ipcshim::client>> clients;
    for (auto& one : heard) {
        clients.push_back(std::make_unique<ipcshim::client>(test::service_name));
        clients.back()
            ->on(test::news, [&](const std::string& text) { one.add(text); })
            .on(test::bell, [&] { one.add("bell"); })
            .on(test::changed, [&](const test::entry& what) { one.add(what.key); });
    }
    for (const auto& one : clients)
        static_cast<void>(id_of(*one));
    service.notify(id_of(*clients[1]), test::news, "for you");
    EXPECT_EQ(service.notify_all(test::bell), 3U);
    EXPECT_EQ(service.notify_all(test::changed, {"key", {1}, {}}), 3U);
    service.notify(id_of(*clients[2]), test::bell);
    EXPECT_EQ(heard[0].wait_for(2), (std::vector<std::string>{"bell", "key"}));
    EXPECT_EQ(heard[1].wait_for(3), (std::vector<std::string>{"for you", "bell", "key"}));
    EXPECT_EQ(heard[2].wait_for(3), (std::vector<std::string>{"bell", "key", "bell"}));
    clients.erase(clients.begin());
    test::wait_until([&] { return service.clients().size() == 2; });
    EXPECT_EQ(service.notify_all(test::bell), 2U);
    EXPECT_EQ(failures.size(), 0U);
}

TEST_F(ServiceNotify, AHandlerSeesTheMessageAndMayCall) {
    ipcshim::client client(test::service_name);
    std::promise<std::uint64_t> called;
    client.on(test::news, [&](const std::string& text, ipcshim::message& whole) {
        EXPECT_EQ(whole.text(), text);
        EXPECT_TRUE(whole.header.is_notification);
        EXPECT_EQ(whole.header.pid, ::getpid());
        called.set_value(client.call(test::ask, 4));
    });
    service.notify(id_of(client), test::news, "call me");
    EXPECT_EQ(called.get_future().get(), answer_to(4));
}

TEST_F(ServiceNotify, WhatIsUnknownMalformedOrThrownIsForgotten) {
    ipcshim::client client(test::service_name);
    test::notes<std::string> heard;
    client
        .on(test::news,
            [&](const std::string& text) {
                heard.add(text);
                throw std::runtime_error(text);
            })
        .on(test::changed, [&](const test::entry& what) { heard.add(what.key); });
    const auto id = id_of(client);
    service.notify(id, test::bell); // nobody handles it
    service.send_notification(id, 3, test::patterned(100), std::nullopt);
    service.send_notification(id, 3, {}, std::nullopt);
    service.notify(id, test::news, "one");
    service.notify(id, test::news, "two");
    EXPECT_EQ(heard.wait_for(2), (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(client.call(test::ask, 1), answer_to(1));
    EXPECT_EQ(test::totals().exchanges, 0U) << "nobody answers a notification";
    EXPECT_EQ(failures.size(), 0U);
}

TEST_F(ServiceNotify, ANewHandlerReplacesTheOld) {
    ipcshim::client client(test::service_name);
    test::notes<std::string> heard;
    client.on(test::bell, [&] { heard.add("old"); });
    service.notify(id_of(client), test::bell);
    static_cast<void>(heard.wait_for(1));
    client.on(test::bell, [&] { heard.add("new"); });
    service.notify(id_of(client), test::bell);
    EXPECT_EQ(heard.wait_for(2), (std::vector<std::string>{"old", "new"}));
}

TEST_F(ServiceNotify, AClientThatDoesNotListenHoldsUpNobody) {
    ipcshim::client deaf(test::service_name, {.own_thread = false});
    ipcshim::client other(test::service_name);
    std::atomic<std::size_t> heard = 0;
    other.on(test::news, [&](const std::string&) { heard++; });
    const std::string text(4'000, 'n');
    std::error_code error;
    std::size_t sent = 0;
    for (; !error; sent++)
        error = test::error_of([&] { service.notify(id_of(deaf), test::news, text); });
    EXPECT_EQ(error, test::system_error_code(EAGAIN));
    EXPECT_GT(sent, 10U);
    const auto until = test::in(20ms);
    EXPECT_EQ(test::error_of([&] { service.notify(id_of(deaf), test::news, text, until); }),
              test::system_error_code(ETIMEDOUT));
    EXPECT_GE(ipcshim::deadline::clock::now(), until);
    // Everybody else is told, and the error handler of whom not.
    EXPECT_EQ(service.notify_all(test::news, text), 1U);
    test::wait_until([&] { return heard == 1; });
    const auto told = failures.wait_for(1).front();
    EXPECT_EQ(told.client, id_of(deaf));
    EXPECT_EQ(told.error, test::system_error_code(EAGAIN));
    // It can call nevertheless, and hears what was kept for it.
    EXPECT_EQ(deaf.call(test::ask, 3), answer_to(3));
    std::size_t late = 0;
    deaf.on(test::news, [&](const std::string& got) { late += got == text; });
    while (deaf.dispatch() > 0) {
    }
    EXPECT_EQ(late, sent - 1);
    service.notify(id_of(deaf), test::news, text);
    pollfd entry{deaf.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&entry, 1, -1), 1);
    deaf.dispatch();
    EXPECT_EQ(late, sent);
}

TEST_F(ServiceNotify, WhoHasGoneOrNeverWasIsNotThere) {
    ipcshim::client_id id{};
    {
        ipcshim::client client(test::service_name);
        id = id_of(client);
        service.notify(id, test::bell);
    }
    test::wait_until([&] { return service.clients().empty(); });
    EXPECT_EQ(test::error_of([&] { service.notify(id, test::bell); }),
              test::system_error_code(ENOTCONN));
    EXPECT_EQ(service.notify_all(test::bell), 0U);
    ipcshim::client client(test::service_name);
    EXPECT_EQ(
        test::error_of([&] { service.notify(id_of(client), test::news, std::string(5'000, 'x')); }),
        test::system_error_code(EMSGSIZE));
}

TEST_F(ServiceNotify, ComesInOrderAmongAnswersOfManyThreads) {
    constexpr std::uint64_t count = 100;
    ipcshim::client client(test::service_name);
    test::notes<std::string> heard;
    client.on(test::news, [&](const std::string& text) { heard.add(text); });
    auto caller = test::in_thread([&] {
        for (std::uint64_t i = 0; i < count; i++)
            CHECK(client.call_async(test::ask, i).get() == answer_to(i));
    });
    for (std::uint64_t i = 0; i < count; i++)
        service.notify(id_of(client), test::news, std::to_string(i), test::in(1h));
    caller.get();
    const auto all = heard.wait_for(count);
    for (std::uint64_t i = 0; i < count; i++)
        EXPECT_EQ(all[i], std::to_string(i));
}

} // namespace
