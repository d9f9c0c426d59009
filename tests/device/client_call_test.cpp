// SPDX-License-Identifier: MIT
// A client's calls: each caller gets its own answer and nobody else's, deadlines are kept,
// and what comes late is nobody's.
#include <pthread.h>

#include <atomic>
#include <csignal>

#include "service_support.hpp"

namespace {

using ipcshim::service_errc;
using test::answer_to;
using namespace std::chrono_literals;

class ClientCall : public test::Balanced {
protected:
    ClientCall() {
        service.on(test::ask, [](std::uint64_t number) { return answer_to(number); })
            .on(test::hold,
                [this](std::uint64_t number) {
                    door.pass();
                    return answer_to(number);
                })
            .on(test::echo, [](const std::string& text) { return text; });
    }
    ~ClientCall() override { door.open(); }
    ClientCall(const ClientCall&) = delete;
    ClientCall(ClientCall&&) = delete;
    ClientCall& operator=(const ClientCall&) = delete;
    ClientCall& operator=(ClientCall&&) = delete;

    test::gate door;
    ipcshim::service service{test::service_name, {.message_max = 100'000}};
};

TEST_F(ClientCall, ThreadsShareAClientAndGetTheirOwnAnswers) {
    service.start(2);
    ipcshim::client client(test::service_name);
    std::vector<std::future<void>> callers;
    for (std::uint64_t caller = 0; caller < 6; caller++)
        callers.push_back(test::in_thread([&, caller] {
            for (std::uint64_t i = 0; i < 75; i++) {
                const std::uint64_t number = caller << 32 | i;
                if (i % 3 == 0)
                    CHECK(client.call_async(test::ask, number).get() == answer_to(number));
                else if (i % 3 == 1)
                    CHECK(client.call(test::ask, number) == answer_to(number));
                else {
                    const std::string text(number % 5'000, static_cast<char>('a' + caller));
                    CHECK(client.call(test::echo, text) == text);
                }
            }
        }));
    for (auto& one : callers)
        one.get();
}

TEST_F(ClientCall, AnAnswerThatComesTooLateIsNobodys) {
    for (const bool own_thread : {true, false}) {
        test::gate late;
        ipcshim::service slow("slow");
        slow.on(test::hold,
                [&](std::uint64_t number) {
                    late.pass();
                    return answer_to(number);
                })
            .on(test::ask, [](std::uint64_t number) { return answer_to(number); });
        slow.start(4);
        ipcshim::client client("slow", {.own_thread = own_thread});
        const auto until = test::in(20ms);
        const auto result = client.try_call(test::hold, 1, {.until = until});
        EXPECT_EQ(result.error(), test::system_error_code(ETIMEDOUT));
        EXPECT_FALSE(result.text().empty());
        EXPECT_GE(ipcshim::deadline::clock::now(), until);
        EXPECT_EQ(test::error_of([&] {
                      static_cast<void>(client.call(test::hold, 2, {.until = test::in(10ms)}));
                  }),
                  test::system_error_code(ETIMEDOUT));
        // Others call while the late ones come.
        std::atomic<bool> enough = false;
        auto other = test::in_thread([&] {
            for (std::uint64_t i = 0; !enough; i++)
                CHECK(client.call(test::ask, i) == answer_to(i));
        });
        late.wait_for(2);
        late.open();
        EXPECT_EQ(client.call(test::ask, 3), answer_to(3));
        // They are taken away, and don't wait for ever where they can't be read.
        test::wait_until([&] {
            client.dispatch();
            return test::totals().exchanges <= 1; // the other thread's
        });
        enough = true;
        other.get();
        // What came after the other's last call, the next one finds: no thread was needed yet.
        test::wait_until([&] {
            if (own_thread)
                EXPECT_EQ(client.call(test::ask, 4), answer_to(4));
            else
                client.dispatch();
            return test::totals().messages == 0 && test::totals().exchanges == 0;
        });
        EXPECT_EQ(client.call(test::ask, 5), answer_to(5));
    }
}

TEST_F(ClientCall, LateAnswersDontPileUpWhereNobodyDispatches) {
    constexpr std::uint64_t calls = 12;
    service.on(test::bytes, [this](std::uint32_t size) {
        door.pass();
        return test::patterned(size);
    });
    service.start(calls + 1);
    ipcshim::client client(test::service_name, {.own_thread = false});
    // More of them than a side may have unread before it can't ask any more.
    for (std::uint64_t i = 0; i < calls; i++)
        EXPECT_EQ(client.try_call(test::bytes, 10'000, {.until = test::in(1ms)}).error(),
                  test::system_error_code(ETIMEDOUT));
    door.wait_for(calls);
    door.open();
    test::wait_until([&] { return test::totals().messages == calls; });
    for (std::uint64_t i = 0; i < calls; i++)
        EXPECT_EQ(client.call(test::ask, i), answer_to(i));
}

TEST_F(ClientCall, HasADeadlineOfItsOwnForAllItsCalls) {
    service.start(2);
    ipcshim::client client(test::service_name, {.call_timeout = 20ms});
    auto start = ipcshim::deadline::clock::now();
    EXPECT_EQ(client.try_call(test::hold, 1).error(), test::system_error_code(ETIMEDOUT));
    EXPECT_GE(ipcshim::deadline::clock::now() - start, 20ms);
    // A call's own goes before.
    auto other =
        test::in_thread([&] { return client.call(test::hold, 2, {.until = test::in(1h)}); });
    door.wait_for(2);
    door.open();
    EXPECT_EQ(other.get(), answer_to(2));
}

TEST_F(ClientCall, RequestsThatFindNoRoomHaveTheDeadlineToo) {
    ipcshim::service asleep("asleep");
    auto connecting = test::in_thread([] { return std::make_unique<ipcshim::client>("asleep"); });
    EXPECT_TRUE(asleep.run_once());
    const auto client = connecting.get();
    const std::string text(4'000, 'x');
    std::error_code error;
    for (int i = 0; i < 100 && !error; i++)
        error = test::error_of(
            [&] { client->notify(test::remember, text, {.until = test::in(20ms)}); });
    EXPECT_EQ(error, test::system_error_code(ETIMEDOUT));
    EXPECT_EQ(client->try_call(test::ping, {.until = test::in(20ms)}).error(),
              test::system_error_code(ETIMEDOUT));
    auto future = client->call_async(test::ping, {.until = test::in(20ms)});
    EXPECT_EQ(test::error_of([&] { future.get(); }), test::system_error_code(ETIMEDOUT));
}

std::atomic<int> signals_caught = 0;

TEST_F(ClientCall, ASignalDoesNotEndTheWait) {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) { signals_caught++; };
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0); // without SA_RESTART
    service.start(1);
    ipcshim::client client(test::service_name);
    std::promise<std::pair<pthread_t, pid_t>> who;
    auto call = test::in_thread([&] {
        who.set_value({::pthread_self(), test::own_tid()});
        return client.call(test::hold, 6, {.until = test::in(1h)});
    });
    const auto [thread, tid] = who.get_future().get();
    door.wait_for(1);
    for (int i = 1; i <= 3; i++) {
        test::wait_until([tid = tid] { return test::sleeps(tid); });
        ASSERT_EQ(::pthread_kill(thread, SIGUSR1), 0);
        test::wait_until([&] { return signals_caught == i; });
    }
    door.open();
    EXPECT_EQ(call.get(), answer_to(6));
    ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST_F(ClientCall, TellsWhatBecameOfItWithoutExceptions) {
    service.start(1);
    ipcshim::client client(test::service_name);
    auto good = client.try_call(test::echo, "fine");
    EXPECT_TRUE(good && good.has_value());
    EXPECT_EQ(good.value(), "fine");
    EXPECT_FALSE(good.error());
    EXPECT_TRUE(good.text().empty());
    EXPECT_EQ(std::move(good).value(), "fine");
    const auto bad = client.try_call(test::unknown);
    EXPECT_FALSE(bad);
    EXPECT_EQ(bad.error(), service_errc::unknown_method);
    const auto too_long = client.try_call(test::echo, std::string(100'001, 'x'));
    EXPECT_EQ(too_long.error(), test::system_error_code(EMSGSIZE));
    EXPECT_FALSE(too_long.text().empty());
    EXPECT_EQ(client.call(test::echo, std::string(100'000, 'x')).size(), 100'000U);
}

TEST_F(ClientCall, ConnectsOrTellsWhyNot) {
    const auto failure = [](const char* name, const ipcshim::client_parameters& parameters = {}) {
        return test::error_of([&] { const ipcshim::client client(name, parameters); });
    };
    EXPECT_EQ(failure("nobody"), test::system_error_code(ENOENT));
    auto start = ipcshim::deadline::clock::now();
    EXPECT_EQ(failure("nobody", {.connect_timeout = 30ms, .wait = true}),
              test::system_error_code(ETIMEDOUT));
    EXPECT_GE(ipcshim::deadline::clock::now() - start, 30ms);
    // It is there, and nobody runs it yet.
    EXPECT_EQ(failure(test::service_name, {.connect_timeout = 30ms}),
              test::system_error_code(ETIMEDOUT));
    EXPECT_EQ(failure(test::service_name, {.message_max = 100'001}),
              test::system_error_code(EMSGSIZE));
    EXPECT_EQ(failure(""), test::system_error_code(EINVAL));
    EXPECT_EQ(failure(test::service_name, {.device = "/dev/null"}).value(), ENOTTY);
    service.start(1);
    ipcshim::client client(test::service_name, {.uid = ::geteuid(), .message_max = 8'000});
    EXPECT_TRUE(client.is_connected());
    EXPECT_EQ(client.message_max(), 8'000U);
    EXPECT_EQ(client.call(test::ask, 1), answer_to(1));
    const auto connection = client.connection();
    client.reconnect(); // it is connected already
    EXPECT_EQ(client.connection(), connection);
}

TEST_F(ClientCall, WaitsForAServiceThatComesLater) {
    auto early = test::in_thread([] {
        ipcshim::client client("late riser", {.connect_timeout = 1h, .wait = true});
        return client.call(test::ask, 5);
    });
    ipcshim::service late("late riser");
    late.on(test::ask, [](std::uint64_t number) { return answer_to(number); });
    late.start(1);
    EXPECT_EQ(early.get(), answer_to(5));
}

TEST_F(ClientCall, ManyClientsOfOneProcessHaveTheirOwnConnections) {
    service.start(2);
    std::vector<std::unique_ptr<ipcshim::client>> clients;
    for (std::uint64_t i = 0; i < 30; i++) {
        clients.push_back(std::make_unique<ipcshim::client>(
            test::service_name, ipcshim::client_parameters{.own_thread = false}));
        EXPECT_EQ(clients.back()->call(test::ask, i), answer_to(i));
    }
    EXPECT_EQ(service.clients().size(), 30U);
    EXPECT_EQ(test::totals().connections, 30U);
    for (std::uint64_t i = 0; i < 30; i++)
        EXPECT_EQ(clients[29 - i]->call(test::ask, i), answer_to(i));
    clients.resize(10);
    test::wait_until([] { return test::totals().connections == 10; });
    EXPECT_EQ(service.clients().size(), 10U);
}

} // namespace
