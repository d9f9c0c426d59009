// SPDX-License-Identifier: MIT
// Asynchronous calls: many at once, answered in whatever order, by a future or a callback,
// each exactly once whatever happens.
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>

#include "service_support.hpp"

namespace {

using ipcshim::outcome;
using ipcshim::service_errc;
using test::answer_to;
using namespace std::chrono_literals;

// A service whose answers the test gives itself, one by one.
class ClientAsync : public test::Balanced {
protected:
    // Connects a client; the service's side stays here.
    void connect(const ipcshim::client_parameters& parameters = {}) {
        auto connecting = test::in_thread(
            [&] { return std::make_unique<ipcshim::client>(test::service_name, parameters); });
        service = port.accept(port.read_event());
        client = connecting.get();
    }
    // The next question, and its answer.
    [[nodiscard]] ipcshim::message question() const { return service.read(); }
    static std::uint64_t number_in(const ipcshim::message& from) {
        return ipcshim::plain_codec::decode<std::uint64_t>(from.payload);
    }
    void answer(const ipcshim::message& to) const {
        std::vector<std::byte> payload;
        ipcshim::plain_codec::encode(answer_to(number_in(to)), payload);
        service.answer(to.header.exchange, payload);
    }

    ipcshim::port port = ipcshim::port::open();
    ipcshim::published_service name = port.publish(test::service_name);
    ipcshim::socket service;
    std::unique_ptr<ipcshim::client> client;
};

TEST_F(ClientAsync, FuturesGetTheirOwnAnswersInWhateverOrder) {
    constexpr std::uint64_t calls = 100;
    connect();
    std::vector<std::future<std::uint64_t>> futures;
    for (std::uint64_t i = 0; i < calls; i++)
        futures.push_back(client->call_async(test::ask, i));
    std::vector<ipcshim::message> questions;
    for (std::uint64_t i = 0; i < calls; i++)
        questions.push_back(question());
    // The odd ones from behind, then the even ones.
    std::ranges::reverse(questions);
    std::ranges::stable_partition(questions, [](const auto& one) { return number_in(one) % 2; });
    for (const auto& one : questions)
        answer(one);
    for (std::uint64_t i = 0; i < calls; i++)
        EXPECT_EQ(futures[i].get(), answer_to(i));
}

TEST_F(ClientAsync, CallbacksComeOneAfterAnotherInTheOrderOfTheAnswers) {
    constexpr std::uint64_t calls = 40;
    connect();
    test::notes<std::pair<std::uint64_t, pid_t>> came;
    std::atomic<int> running = 0;
    for (std::uint64_t i = 0; i < calls; i++)
        client->call_async(test::ask, i, [&, i](outcome<std::uint64_t>&& result) {
            EXPECT_EQ(++running, 1);
            EXPECT_EQ(result.value(), answer_to(i));
            came.add({i, test::own_tid()});
            running--;
        });
    std::vector<ipcshim::message> questions;
    for (std::uint64_t i = 0; i < calls; i++)
        questions.push_back(question());
    std::ranges::reverse(questions);
    for (const auto& one : questions)
        answer(one);
    const auto all = came.wait_for(calls);
    for (std::uint64_t i = 0; i < calls; i++) {
        EXPECT_EQ(all[i].first, calls - 1 - i);
        EXPECT_EQ(all[i].second, all[0].second) << "one thread";
    }
    EXPECT_NE(all[0].second, test::own_tid());
}

TEST_F(ClientAsync, ACallbackMayCallTheClient) {
    connect();
    auto serve = test::in_thread([&] {
        for (int i = 0; i < 3; i++)
            answer(question());
    });
    std::promise<std::uint64_t> last;
    client->call_async(test::ask, 1, [&](outcome<std::uint64_t>&& first) {
        const auto second = client->call(test::ask, first.value());
        client->call_async(test::ask, second,
                           [&](outcome<std::uint64_t>&& third) { last.set_value(third.value()); });
    });
    EXPECT_EQ(last.get_future().get(), answer_to(answer_to(answer_to(1))));
    serve.get();
}

TEST_F(ClientAsync, WhatACallbackThrowsIsForgottenAndTheOthersAreCalled) {
    connect();
    test::notes<int> called;
    for (int i = 0; i < 4; i++)
        client->call_async(test::ask, 1, [&, i](outcome<std::uint64_t>&&) {
            called.add(i);
            if (i % 2 == 0)
                throw std::runtime_error("nobody catches it");
            throw i; // NOLINT(hicpp-exception-baseclass)
        });
    for (int i = 0; i < 4; i++)
        answer(question());
    EXPECT_EQ(called.wait_for(4), (std::vector<int>{0, 1, 2, 3}));
    auto next = client->call_async(test::ask, 2);
    answer(question());
    EXPECT_EQ(next.get(), answer_to(2));
}

TEST_F(ClientAsync, ErrorsOfTheServiceComeByTheFutureAndByTheCallback) {
    connect();
    auto future = client->call_async(test::ask, 1);
    std::promise<outcome<std::uint64_t>> told;
    client->call_async(test::ask, 2,
                       [&](outcome<std::uint64_t>&& got) { told.set_value(std::move(got)); });
    service.fail(question().header.exchange, 77, ipcshim::bytes_of("seventy-seven"));
    service.fail(question().header.exchange, 0xFF01);
    try {
        static_cast<void>(future.get());
        ADD_FAILURE() << "no exception";
    } catch (const ipcshim::service_error& error) {
        EXPECT_EQ(error.reason(), 77U);
        EXPECT_EQ(error.text(), "seventy-seven");
    }
    EXPECT_EQ(told.get_future().get().error(), service_errc::unknown_method);
}

TEST_F(ClientAsync, ADeadlineIsToldInTimeAndTheLateAnswerIsNobodys) {
    connect();
    const auto until = test::in(30ms);
    auto first = client->call_async(test::ask, 1, {.until = until});
    auto second = client->call_async(test::ask, 2);
    EXPECT_EQ(test::error_of([&] { static_cast<void>(first.get()); }),
              test::system_error_code(ETIMEDOUT));
    EXPECT_GE(ipcshim::deadline::clock::now(), until);
    const auto late = question();
    const auto other = question();
    answer(late);
    EXPECT_EQ(second.wait_for(10ms), std::future_status::timeout);
    answer(other);
    EXPECT_EQ(second.get(), answer_to(2));
    test::wait_until([] { return test::totals().messages == 0; });
    EXPECT_EQ(test::totals().exchanges, 0U);
}

TEST_F(ClientAsync, AnEarlierDeadlineThatComesLaterIsToldFirst) {
    connect();
    auto last = client->call_async(test::ask, 1, {.until = test::in(1h)});
    auto first = client->call_async(test::ask, 1, {.until = test::in(10ms)});
    EXPECT_EQ(test::error_of([&] { static_cast<void>(first.get()); }),
              test::system_error_code(ETIMEDOUT));
    EXPECT_EQ(last.wait_for(0s), std::future_status::timeout);
}

TEST_F(ClientAsync, DeadlinesOfManyAreToldInTheirOrder) {
    connect({.own_thread = false});
    std::vector<int> told;
    // The last one to come is the first one to go. (Nobody tells before all have come.)
    const auto first = test::in(10ms);
    for (const int i : {3, 1, 2, 0})
        client->call_async(test::ask, 1,
                           [&, i](outcome<std::uint64_t>&& result) {
                               EXPECT_EQ(result.error(), test::system_error_code(ETIMEDOUT));
                               told.push_back(i);
                           },
                           {.until = first + i * 10ms});
    EXPECT_EQ(client->next_deadline(), first);
    while (told.size() < 4) {
        std::this_thread::sleep_until(client->next_deadline());
        client->dispatch();
    }
    EXPECT_EQ(told, (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(ClientAsync, WhatCantBeSentIsToldAtOnceAndOnce) {
    connect();
    int called = 0;
    const auto thread = test::own_tid();
    client->call_async(test::echo, std::string(10'000, 'x'), [&](outcome<std::string>&& result) {
        called++;
        EXPECT_EQ(test::own_tid(), thread);
        EXPECT_EQ(result.error(), test::system_error_code(EMSGSIZE));
    });
    EXPECT_EQ(called, 1);
    auto future = client->call_async(test::echo, std::string(10'000, 'x'));
    EXPECT_EQ(test::error_of([&] { static_cast<void>(future.get()); }),
              test::system_error_code(EMSGSIZE));
}

TEST_F(ClientAsync, MoreThanThereIsRoomForAreAllAnswered) {
    // First more than a socket's bytes, then more than a connection's exchanges.
    constexpr std::uint64_t calls = 900;
    std::optional<test::parameter> few;
    connect();
    auto serve = test::in_thread([&] {
        ipcshim::message got;
        for (std::error_code error;;) {
            service.read(got, {}, error);
            if (error)
                return;
            answer(got);
        }
    });
    std::atomic<std::uint64_t> right = 0;
    std::atomic<std::uint64_t> came = 0;
    for (std::uint64_t i = 0; i < calls; i++) {
        if (i == 700)
            few.emplace("max_exchanges", 20);
        client->call_async(test::ask, i, [&, i](outcome<std::uint64_t>&& result) {
            EXPECT_TRUE(result) << result.text();
            right += result && result.value() == answer_to(i);
            came++;
        });
    }
    test::wait_until([&] { return came == calls; });
    EXPECT_EQ(right, calls);
    client.reset();
    serve.get();
}

TEST_F(ClientAsync, TheCallersLoopTakesAnswersWithoutAThread) {
    const auto threads = test::own_threads();
    connect({.own_thread = false});
    EXPECT_EQ(client->next_deadline(), ipcshim::no_deadline);
    EXPECT_EQ(client->dispatch(), 0U);
    std::vector<std::uint64_t> came;
    bool late = false;
    for (std::uint64_t i = 0; i < 5; i++)
        client->call_async(
            test::ask, i, [&](outcome<std::uint64_t>&& result) { came.push_back(result.value()); });
    const auto until = test::in(20ms);
    client->call_async(test::ask, 5,
                       [&](outcome<std::uint64_t>&& result) {
                           EXPECT_EQ(result.error(), test::system_error_code(ETIMEDOUT));
                           late = true;
                       },
                       {.until = until});
    EXPECT_EQ(client->next_deadline(), until);
    for (std::uint64_t i = 0; i < 5; i++)
        answer(question());
    pollfd entry{client->fd(), POLLIN, 0};
    while (came.size() < 5) {
        ASSERT_EQ(::poll(&entry, 1, -1), 1);
        client->dispatch();
    }
    for (std::uint64_t i = 0; i < 5; i++)
        EXPECT_EQ(came[i], answer_to(i));
    while (!late) {
        std::this_thread::sleep_until(client->next_deadline());
        client->dispatch();
    }
    EXPECT_EQ(came.size(), 5U);
    EXPECT_GE(ipcshim::deadline::clock::now(), until);
    EXPECT_EQ(client->next_deadline(), ipcshim::no_deadline);
    EXPECT_EQ(test::own_threads(), threads);
    // A synchronous call needs nobody who dispatches.
    auto serve = test::in_thread([&] {
        answer(question()); // the late one
        answer(question());
    });
    EXPECT_EQ(client->call(test::ask, 6), answer_to(6));
    serve.get();
    EXPECT_EQ(client->dispatch(), 0U) << "nobody's";
}

TEST_F(ClientAsync, ADestroyedClientCancelsWhatWaits) {
    for (const bool own_thread : {true, false}) {
        connect({.own_thread = own_thread});
        std::vector<std::future<std::uint64_t>> futures;
        int called = 0;
        for (int i = 0; i < 10; i++) {
            futures.push_back(client->call_async(test::ask, 1));
            client->call_async(test::ask, 2, [&](outcome<std::uint64_t>&& result) {
                EXPECT_EQ(result.error(), test::system_error_code(ECANCELED));
                called++;
            });
        }
        client.reset();
        EXPECT_EQ(called, 10);
        for (auto& one : futures)
            EXPECT_EQ(test::error_of([&] { static_cast<void>(one.get()); }),
                      test::system_error_code(ECANCELED));
        // The service has what was asked, and is told that nobody waits any more.
        for (int i = 0; i < 20; i++)
            static_cast<void>(question());
        EXPECT_EQ(test::read_error(service), EPIPE);
    }
}

TEST_F(ClientAsync, ADestroyedClientWaitsForTheCallbackThatRuns) {
    connect();
    test::gate door;
    std::atomic<bool> ended = false;
    client->call_async(test::ask, 1, [&](outcome<std::uint64_t>&&) {
        door.pass();
        ended = true;
    });
    answer(question());
    door.wait_for(1);
    std::promise<pid_t> who;
    auto destroying = test::in_thread([&] {
        who.set_value(test::own_tid());
        client.reset();
        EXPECT_TRUE(ended);
    });
    const auto tid = who.get_future().get();
    test::wait_until([&] { return test::sleeps(tid); });
    EXPECT_FALSE(ended);
    door.open();
    destroying.get();
}

} // namespace
