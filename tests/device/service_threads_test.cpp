// SPDX-License-Identifier: MIT
// Who runs a service: its own threads, several at once also for one client, or the
// caller's loop; and how that is stopped.
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <set>
#include <thread>

#include "service_support.hpp"

namespace {

using ipcshim::service_errc;
using namespace std::chrono_literals;

class ServiceThreads : public test::Balanced {
protected:
    ServiceThreads() {
        service.on(test::ask, [](std::uint64_t number) { return test::answer_to(number); })
            .on(test::hold, [this](std::uint64_t number) {
                door.pass();
                return test::answer_to(number);
            });
    }
    ~ServiceThreads() override { door.open(); }
    ServiceThreads(const ServiceThreads&) = delete;
    ServiceThreads(ServiceThreads&&) = delete;
    ServiceThreads& operator=(const ServiceThreads&) = delete;
    ServiceThreads& operator=(ServiceThreads&&) = delete;

    // Numbers that no other caller asks for; each answer is the right one.
    static void ask(ipcshim::client& from, std::uint64_t caller, std::uint64_t times) {
        for (std::uint64_t i = 0; i < times; i++) {
            const std::uint64_t number = caller << 32 | i;
            CHECK(from.call(test::ask, number) == test::answer_to(number));
        }
    }

    test::gate door;
    ipcshim::service service{test::service_name};
};

TEST_F(ServiceThreads, SeveralServeOneConnectionAtOnce) {
    constexpr unsigned threads = 3;
    // Nobody passes before all three are in their handlers.
    std::barrier together(threads);
    test::notes<pid_t> who;
    service.on(test::ping, [&] {
        together.arrive_and_wait();
        who.add(test::own_tid());
    });
    service.start(threads);
    ipcshim::client client(test::service_name);
    for (int round = 0; round < 20; round++) {
        std::vector<std::future<void>> calls;
        for (unsigned i = 0; i < threads; i++)
            calls.push_back(client.call_async(test::ping));
        for (auto& one : calls)
            one.get();
    }
    const auto served = who.wait_for(20 * threads);
    EXPECT_EQ(std::set<pid_t>(served.begin(), served.end()).size(), threads);
}

TEST_F(ServiceThreads, ClientsAndTheirThreadsGetTheirOwnAnswers) {
    service.start(3);
    std::vector<std::unique_ptr<ipcshim::client>> clients;
    for (int i = 0; i < 4; i++)
        clients.push_back(std::make_unique<ipcshim::client>(test::service_name));
    std::vector<std::future<void>> callers;
    for (std::uint64_t i = 0; i < 12; i++)
        callers.push_back(test::in_thread([&, i] { ask(*clients[i % 4], i, 100); }));
    for (auto& one : callers)
        one.get();
    EXPECT_EQ(service.clients().size(), 4U);
    EXPECT_EQ(service.counts().taken, 1'204U);
    EXPECT_LE(service.counts().vain, 3U) << "one event, one message, one thread";
}

TEST_F(ServiceThreads, AClientWhoseHandlersWaitKeepsNobodyElseWaiting) {
    service.start(2);
    ipcshim::client slow(test::service_name);
    ipcshim::client quick(test::service_name);
    auto held = slow.call_async(test::hold, 1);
    door.wait_for(1);
    ask(quick, 1, 20);
    ask(slow, 2, 20);
    door.open();
    EXPECT_EQ(held.get(), test::answer_to(1));
}

TEST_F(ServiceThreads, AFloodOfOneClientLeavesRoomForAnother) {
    service.on(test::remember, [](const std::string&) {});
    service.start(1);
    std::atomic<bool> enough = false;
    auto flood = test::in_thread([&] {
        ipcshim::client client(test::service_name);
        while (!enough)
            client.notify(test::remember, "once more");
    });
    ipcshim::client other(test::service_name);
    ask(other, 1, 20);
    enough = true;
    flood.get();
}

// How often a thread has gone to sleep.
std::uint64_t sleeps_of(const std::string& tid) {
    std::istringstream text(test::file_content("/proc/self/task/" + tid + "/status"));
    const std::string key = "voluntary_ctxt_switches:";
    for (std::string one; std::getline(text, one);)
        if (one.starts_with(key))
            return std::stoull(one.substr(key.size()));
    return 0;
}

TEST_F(ServiceThreads, NoneIsWokenInVain) {
    constexpr std::uint64_t calls = 200;
    service.start(6);
    ipcshim::client client(test::service_name, {.own_thread = false});
    ask(client, 1, 20);
    const auto count = [] {
        std::uint64_t sum = 0;
        for (const auto& one : std::filesystem::directory_iterator("/proc/self/task"))
            if (one.path().filename() != std::to_string(test::own_tid()))
                sum += sleeps_of(one.path().filename());
        return sum;
    };
    const auto before = count();
    ask(client, 2, calls);
    EXPECT_LT(count() - before, 2 * calls) << "each call wakes one of the six";
    EXPECT_EQ(service.counts().taken, calls + 21); // and who connected
    EXPECT_LE(service.counts().vain, 1U);
}

TEST_F(ServiceThreads, StopWaitsForHandlersAndTheirAnswersGoOut) {
    service.start(2);
    ipcshim::client client(test::service_name);
    auto held = client.call_async(test::hold, 7);
    door.wait_for(1);
    std::promise<pid_t> who;
    std::atomic<bool> stopped = false;
    auto stopping = test::in_thread([&] {
        who.set_value(test::own_tid());
        service.stop();
        stopped = true;
    });
    const auto tid = who.get_future().get();
    test::wait_until([&] { return test::sleeps(tid); });
    EXPECT_FALSE(stopped) << "a handler runs";
    door.open();
    stopping.get();
    EXPECT_EQ(held.get(), test::answer_to(7));
    // What is asked meanwhile waits until it runs again.
    auto later = client.call_async(test::ask, 8);
    EXPECT_EQ(later.wait_for(20ms), std::future_status::timeout);
    service.start(1);
    EXPECT_EQ(later.get(), test::answer_to(8));
    service.stop();
    service.stop();
}

TEST_F(ServiceThreads, AHandlerMayStopTheServiceItRunsIn) {
    service.on(test::ping, [&] { service.stop(); });
    std::optional<ipcshim::client> client;
    for (int round = 0; round < 5; round++) {
        service.start(2);
        if (!client)
            client.emplace(test::service_name);
        client->call(test::ping);
        service.stop(); // waits for what the handler has begun
    }
    // On the caller's thread as well.
    auto ping = client->call_async(test::ping);
    service.run();
    ping.get();
}

TEST_F(ServiceThreads, HandlersMayTellDisconnectAndLook) {
    test::notes<std::string> heard;
    service.on(test::echo, [&](const std::string& text, ipcshim::call_context& context) {
        CHECK(service.clients().size() == 1);
        service.notify(context.client(), test::news, "asked for " + text);
        CHECK(service.notify_all(test::bell) == 1);
        if (text == "the end")
            service.disconnect(context.client());
        return text;
    });
    service.start(2);
    ipcshim::client client(test::service_name);
    client.on(test::news, [&](const std::string& text) { heard.add(text); });
    client.on(test::bell, [&] { heard.add("bell"); });
    EXPECT_EQ(client.call(test::echo, "more"), "more");
    EXPECT_EQ(heard.wait_for(2), (std::vector<std::string>{"asked for more", "bell"}));
    const auto error =
        test::error_of([&] { static_cast<void>(client.call(test::echo, "the end")); });
    EXPECT_EQ(error, test::system_error_code(ECONNRESET));
    EXPECT_TRUE(service.clients().empty());
}

TEST_F(ServiceThreads, ALoopOfTheCallersRunsItWithoutThreads) {
    const auto threads = test::own_threads();
    auto caller = test::in_thread([] {
        ipcshim::client client(test::service_name, {.own_thread = false});
        ask(client, 1, 30);
        client.notify(test::ask, 1);
        CHECK(client.try_call(test::unknown).error() == service_errc::unknown_method);
    });
    std::size_t done = 0;
    test::notes<ipcshim::client_gone> gone;
    EXPECT_THROW(service.start(0), std::logic_error);
    service.on_client_gone([&](const ipcshim::client_gone& who) { gone.add(who); });
    pollfd entry{service.fd(), POLLIN, 0};
    while (gone.size() == 0) {
        ASSERT_EQ(::poll(&entry, 1, -1), 1);
        done += service.dispatch();
        EXPECT_LE(test::own_threads(), threads + 1);
    }
    caller.get();
    EXPECT_GE(done, 34U); // one client, 32 messages, one end
    EXPECT_EQ(service.dispatch(), 0U);
    EXPECT_EQ(::poll(&entry, 1, 0), 0) << "nothing is left to do";
}

TEST_F(ServiceThreads, OneThingAtATimeUntilTheDeadline) {
    const auto until = test::in(20ms);
    EXPECT_FALSE(service.run_once(until));
    EXPECT_GE(ipcshim::deadline::clock::now(), until);
    auto connecting =
        test::in_thread([] { return std::make_unique<ipcshim::client>(test::service_name); });
    EXPECT_TRUE(service.run_once());
    const auto client = connecting.get();
    auto first = client->call_async(test::ask, 1);
    auto second = client->call_async(test::ask, 2);
    EXPECT_TRUE(service.run_once());
    EXPECT_EQ(first.get(), test::answer_to(1));
    EXPECT_EQ(second.wait_for(0ms), std::future_status::timeout);
    EXPECT_TRUE(service.run_once(test::in(1h)));
    EXPECT_EQ(second.get(), test::answer_to(2));
    const auto later = test::in(20ms);
    service.run_until(later);
    EXPECT_GE(ipcshim::deadline::clock::now(), later);
}

TEST_F(ServiceThreads, SeveralOfTheCallersThreadsMayRunIt) {
    std::vector<std::future<void>> runners;
    for (int i = 0; i < 3; i++)
        runners.push_back(test::in_thread([&] { service.run(); }));
    {
        ipcshim::client client(test::service_name);
        std::vector<std::future<std::uint64_t>> held;
        for (std::uint64_t i = 0; i < 3; i++)
            held.push_back(client.call_async(test::hold, i));
        door.wait_for(3);
        door.open();
        for (std::uint64_t i = 0; i < 3; i++)
            EXPECT_EQ(held[i].get(), test::answer_to(i));
    }
    service.stop();
    for (auto& one : runners)
        one.get();
}

TEST_F(ServiceThreads, MistakesOfTheProgramAreTold) {
    service.start(1);
    EXPECT_THROW(service.start(1), std::logic_error);
    EXPECT_THROW(service.on(test::ping, [] {}), std::logic_error);
    EXPECT_THROW(service.on_error({}), std::logic_error);
    EXPECT_EQ(test::error_of([] { const ipcshim::service twin(test::service_name); }),
              test::system_error_code(EADDRINUSE));
    EXPECT_EQ(test::error_of([] { const ipcshim::service nameless(""); }),
              test::system_error_code(EINVAL));
    EXPECT_EQ(test::error_of([&] { service.notify(ipcshim::client_id{1}, test::bell); }),
              test::system_error_code(ENOTCONN));
    service.disconnect(ipcshim::client_id{0});
}

TEST_F(ServiceThreads, ItsNameIsFreeWhenItIsWithdrawnAndClientsStay) {
    service.start(1);
    ipcshim::client client(test::service_name);
    service.withdraw();
    const ipcshim::service next(test::service_name);
    EXPECT_GT(next.number(), service.number());
    ask(client, 1, 3);
}

TEST_F(ServiceThreads, CallsThatNobodyAnsweredEndWithIt) {
    std::optional<ipcshim::service> doomed(std::in_place, "doomed");
    auto connecting = test::in_thread([] { return std::make_unique<ipcshim::client>("doomed"); });
    EXPECT_TRUE(doomed->run_once());
    const auto client = connecting.get();
    auto future = client->call_async(test::ask, 1);
    auto waiting = test::in_thread([&] { return client->try_call(test::ask, 2).error(); });
    test::wait_until([] { return test::totals().messages == 2; });
    doomed.reset();
    EXPECT_EQ(waiting.get(), test::system_error_code(ECONNRESET));
    EXPECT_EQ(test::error_of([&] { static_cast<void>(future.get()); }),
              test::system_error_code(ECONNRESET));
    EXPECT_EQ(client->try_call(test::ask, 3).error(), test::system_error_code(EPIPE));
}

} // namespace
