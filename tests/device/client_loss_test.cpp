// SPDX-License-Identifier: MIT
// What a client is told when its service dies, lets go of it or comes again: waiting
// calls end, each once, and the client connects again where it is to.
#include <atomic>
#include <thread>

#include "service_support.hpp"

namespace {

using ipcshim::how;
using test::answer_to;
using namespace std::chrono_literals;

// Processes that are a service, one after another: each when it is told to. They are
// forked before this process has threads.
class ClientLoss : public test::Balanced {
protected:
    static constexpr std::uint64_t ready = 1;
    static constexpr std::uint64_t held = 2;

    static void serve(const test::line& parent) {
        static_cast<void>(parent.get());
        test::gate never;
        ipcshim::service service(test::service_name);
        service.on(test::ask, [](std::uint64_t number) { return answer_to(number); })
            .on(test::hold,
                [&](std::uint64_t number) {
                    parent.put(held);
                    never.pass();
                    return number;
                })
            .on(test::ping, [] { ::_exit(3); });
        service.start(8);
        parent.put(ready);
        never.pass();
    }
    static void start(test::process& server) {
        server.put(1);
        CHECK(server.get() == ready);
    }
    static bool is_loss(const std::error_code& error) {
        return error == test::system_error_code(ECONNRESET) ||
               error == test::system_error_code(EPIPE);
    }

    test::process first{serve};
    test::process second{serve};
    test::process third{serve};
};

TEST_F(ClientLoss, CallsThatWaitEndWhenTheServiceIsKilled) {
    start(first);
    test::notes<ipcshim::disconnection> told;
    test::notes<std::error_code> ended;
    ipcshim::client client(test::service_name);
    client.on_disconnect([&](const ipcshim::disconnection& what) { told.add(what); });
    std::vector<std::future<std::error_code>> waiting;
    for (int i = 0; i < 3; i++)
        waiting.push_back(test::in_thread([&] { return client.try_call(test::hold, 1).error(); }));
    for (int i = 0; i < 2; i++)
        client.call_async(test::hold, 2, [&](ipcshim::outcome<std::uint64_t>&& result) {
            ended.add(result.error());
        });
    auto future = client.call_async(test::hold, 3);
    for (int i = 0; i < 6; i++)
        ASSERT_EQ(first.get(), held);
    const auto connection = client.connection();
    first.kill();
    for (auto& one : waiting)
        EXPECT_EQ(one.get(), test::system_error_code(ECONNRESET));
    for (const auto& error : ended.wait_for(2))
        EXPECT_EQ(error, test::system_error_code(ECONNRESET));
    EXPECT_EQ(test::error_of([&] { static_cast<void>(future.get()); }),
              test::system_error_code(ECONNRESET));
    const auto what = told.wait_for(1).front();
    EXPECT_EQ(what.connection, connection);
    EXPECT_EQ(what.end, (ipcshim::side_end{how::killed, SIGKILL}));
    EXPECT_FALSE(client.is_connected());
    // Nothing was sent.
    EXPECT_EQ(client.try_call(test::ask, 1).error(), test::system_error_code(EPIPE));
    EXPECT_EQ(test::error_of([&] { client.notify(test::ask, 1); }), test::system_error_code(EPIPE));
    EXPECT_EQ(client.try_call(test::ask, 1, {.until = test::in(1h)}).error(),
              test::system_error_code(EPIPE));
    EXPECT_EQ(ended.size(), 2U) << "each once";
    EXPECT_EQ(told.size(), 1U);
}

TEST_F(ClientLoss, TheEndIsToldToAClientThatDoesNothing) {
    for (const bool own_thread : {true, false}) {
        auto& server = own_thread ? first : second;
        start(server);
        std::promise<ipcshim::disconnection> told;
        ipcshim::client client(test::service_name, {.own_thread = own_thread});
        client.on_disconnect([&](const ipcshim::disconnection& what) { told.set_value(what); });
        if (own_thread) {
            server.kill();
        } else {
            client.notify(test::ping); // it exits
            EXPECT_EQ(WEXITSTATUS(server.wait()), 3);
            pollfd entry{client.fd(), POLLIN, 0};
            ASSERT_EQ(::poll(&entry, 1, -1), 1);
            client.dispatch();
        }
        EXPECT_EQ(told.get_future().get().end, own_thread
                                                   ? (ipcshim::side_end{how::killed, SIGKILL})
                                                   : (ipcshim::side_end{how::exited, 3}));
        EXPECT_FALSE(client.is_connected());
    }
}

// A connected one. On a busy machine the first connection, too, may take longer than it waits.
std::unique_ptr<ipcshim::client> impatient(const ipcshim::client_parameters& parameters) {
    std::unique_ptr<ipcshim::client> client;
    test::wait_until([&] {
        const auto late = test::error_of(
            [&] { client = std::make_unique<ipcshim::client>(test::service_name, parameters); });
        CHECK(!late || late == test::system_error_code(ETIMEDOUT));
        return client != nullptr;
    });
    return client;
}

TEST_F(ClientLoss, ConnectsAgainWhenTheProgramSaysSo) {
    start(first);
    const auto client = impatient({.connect_timeout = 30ms});
    EXPECT_EQ(client->call(test::ask, 1), answer_to(1));
    const auto before = client->connection();
    first.kill();
    EXPECT_TRUE(is_loss(client->try_call(test::ask, 2).error()));
    EXPECT_TRUE(is_loss(client->try_call(test::ask, 2).error())) << "not by itself";
    EXPECT_NE(test::error_of([&] { client->reconnect(); }), std::error_code());
    start(second);
    client->reconnect(test::in(1h));
    EXPECT_TRUE(client->is_connected());
    EXPECT_GT(client->connection(), before);
    EXPECT_EQ(client->call(test::ask, 3), answer_to(3));
    EXPECT_EQ(client->call_async(test::ask, 4).get(), answer_to(4));
}

TEST_F(ClientLoss, ConnectsAgainByItselfAndIsToldSo) {
    start(first);
    test::notes<ipcshim::disconnection> lost;
    test::notes<std::uint64_t> found;
    ipcshim::client client(test::service_name, {.connect_timeout = 1h, .reconnect = true});
    client.on_disconnect([&](const ipcshim::disconnection& what) { lost.add(what); })
        .on_reconnect([&] { found.add(client.connection()); });
    const auto before = client.connection();
    auto waiting = client.call_async(test::hold, 1);
    ASSERT_EQ(first.get(), held);
    first.kill();
    EXPECT_EQ(test::error_of([&] { static_cast<void>(waiting.get()); }),
              test::system_error_code(ECONNRESET))
        << "it may have been carried out";
    EXPECT_EQ(lost.wait_for(1).front().connection, before);
    auto call = test::in_thread([&] { return client.call(test::ask, 2); });
    start(second);
    EXPECT_EQ(call.get(), answer_to(2));
    EXPECT_GT(found.wait_for(1).front(), before);
    EXPECT_EQ(client.call_async(test::ask, 3).get(), answer_to(3));
    second.kill();
    start(third);
    EXPECT_EQ(found.wait_for(2).size(), 2U);
    EXPECT_EQ(lost.wait_for(2).size(), 2U);
    EXPECT_EQ(client.call(test::ask, 4), answer_to(4));
}

TEST_F(ClientLoss, ThreadsThatCallThroughRestartsNeverGetAWrongAnswer) {
    start(first);
    ipcshim::client client(test::service_name, {.connect_timeout = 1h, .reconnect = true});
    std::atomic<std::uint64_t> right = 0;
    std::atomic<std::uint64_t> lost = 0;
    std::atomic<bool> enough = false;
    std::vector<std::future<void>> callers;
    for (std::uint64_t caller = 0; caller < 4; caller++)
        callers.push_back(test::in_thread([&, caller] {
            for (std::uint64_t i = 0; !enough; i++) {
                const std::uint64_t number = caller << 32 | i;
                auto result = i % 2 ? client.try_call(test::ask, number) : [&] {
                    std::promise<ipcshim::outcome<std::uint64_t>> promise;
                    client.call_async(test::ask, number,
                                      [&](ipcshim::outcome<std::uint64_t>&& outcome) {
                                          promise.set_value(std::move(outcome));
                                      });
                    return promise.get_future().get();
                }();
                if (result) {
                    CHECK(result.value() == answer_to(number));
                    right++;
                } else {
                    CHECK(is_loss(result.error()));
                    lost++;
                }
            }
        }));
    const auto more_come = [&] {
        const std::uint64_t before = right;
        test::wait_until([&] { return right > before + 25; });
    };
    more_come();
    first.kill();
    start(second);
    more_come();
    second.kill();
    start(third);
    more_come();
    enough = true;
    for (auto& one : callers)
        one.get();
    // Of a restart, each thread loses what it waited for, and perhaps what it sent next.
    EXPECT_LE(lost, 2U * 2U * 4U);
}

TEST_F(ClientLoss, AServiceThatDoesNotComeAgainIsToldAtTheDeadline) {
    start(first);
    const auto client = impatient({.connect_timeout = 30ms, .reconnect = true});
    first.kill();
    test::wait_until([&] { return !client->try_call(test::ask, 1); });
    const auto error = client->try_call(test::ask, 1).error();
    EXPECT_EQ(error.category(), std::generic_category());
    EXPECT_TRUE(error.value() == ETIMEDOUT || error.value() == EPIPE) << error.message();
    start(second);
    test::wait_until([&] { return client->try_call(test::ask, 2).has_value(); });
    EXPECT_EQ(client->call(test::ask, 3), answer_to(3));
}

TEST_F(ClientLoss, AClientIsDestroyedWhileItWaitsForItsService) {
    start(first);
    auto client = std::make_unique<ipcshim::client>(
        test::service_name, ipcshim::client_parameters{.connect_timeout = 1h, .reconnect = true});
    std::promise<void> lost;
    client->on_disconnect([&](const ipcshim::disconnection&) { lost.set_value(); });
    auto future = client->call_async(test::hold, 1);
    ASSERT_EQ(first.get(), held);
    first.kill();
    lost.get_future().get();
    EXPECT_THROW(static_cast<void>(future.get()), std::system_error);
    const auto start_of_end = ipcshim::deadline::clock::now();
    client.reset();
    EXPECT_LT(ipcshim::deadline::clock::now() - start_of_end, 10s);
}

TEST_F(ClientLoss, AClientThatWasLetGoIsTold) {
    ipcshim::service service("here");
    service.on(test::ask, [](std::uint64_t number) { return answer_to(number); });
    service.start(1);
    std::promise<ipcshim::disconnection> told;
    ipcshim::client client("here");
    client.on_disconnect([&](const ipcshim::disconnection& what) { told.set_value(what); });
    EXPECT_EQ(client.call(test::ask, 1), answer_to(1));
    service.disconnect(ipcshim::client_id{client.connection()});
    const auto what = told.get_future().get();
    EXPECT_EQ(what.connection, client.connection());
    EXPECT_EQ(what.end.how, how::closed);
    EXPECT_TRUE(service.clients().empty());
    client.reconnect();
    EXPECT_EQ(client.call(test::ask, 2), answer_to(2));
}

} // namespace
