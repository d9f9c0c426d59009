// SPDX-License-Identifier: MIT
// What a service is told of its clients: that they left in order, died in the middle of a
// call, or come and go all the time; and that it goes on with the others.
#include <atomic>

#include "service_support.hpp"

namespace {

using ipcshim::how;
using test::answer_to;
using namespace std::chrono_literals;

class ServiceClientGone : public test::Balanced {
protected:
    ServiceClientGone() {
        service.on(test::ask, [](std::uint64_t number) { return answer_to(number); })
            .on(test::hold,
                [this](std::uint64_t number) {
                    door.pass();
                    return answer_to(number);
                })
            .on_client_gone([this](const ipcshim::client_gone& who) { gone.add(who); })
            .on_error([this](const ipcshim::service_failure& what) { failures.add(what); });
    }
    ~ServiceClientGone() override { door.open(); }
    ServiceClientGone(const ServiceClientGone&) = delete;
    ServiceClientGone(ServiceClientGone&&) = delete;
    ServiceClientGone& operator=(const ServiceClientGone&) = delete;
    ServiceClientGone& operator=(ServiceClientGone&&) = delete;

    // A client in a process of its own. It begins when it is told to, and tells its
    // connection's number.
    static void calling(const test::line& parent) {
        static_cast<void>(parent.get());
        ipcshim::client client(test::service_name);
        parent.put(client.connection());
        switch (parent.get()) {
        case 1:
            static_cast<void>(client.call(test::hold, 1));
            break;
        case 2:
            static_cast<void>(client.call(test::ask, 1));
            ::_exit(9); // without the destructor
        default:
            static_cast<void>(client.call(test::ask, 1));
        }
    }

    test::process other{calling}; // forked before there are threads
    test::gate door;
    test::notes<ipcshim::client_gone> gone;
    test::notes<ipcshim::service_failure> failures;
    ipcshim::service service{test::service_name};
};

TEST_F(ServiceClientGone, AClientKilledInACallIsToldAfterItsHandlerAndTheOthersGoOn) {
    service.start(2);
    ipcshim::client mine(test::service_name);
    const pid_t pid = other.pid();
    other.put(1);
    const auto connection = other.get();
    other.put(1);
    door.wait_for(1);
    other.kill();
    for (std::uint64_t i = 0; i < 20; i++)
        EXPECT_EQ(mine.call(test::ask, i), answer_to(i));
    EXPECT_EQ(gone.size(), 0U) << "its handler runs";
    door.open();
    const auto who = gone.wait_for(1).front();
    EXPECT_EQ(static_cast<std::uint64_t>(who.client), connection);
    EXPECT_EQ(who.pid, pid);
    EXPECT_EQ(who.end, (ipcshim::side_end{how::killed, SIGKILL}));
    EXPECT_FALSE(who.in_order);
    EXPECT_EQ(mine.call(test::ask, 99), answer_to(99));
    EXPECT_EQ(service.clients().size(), 1U);
    EXPECT_EQ(gone.size(), 1U) << "once";
    EXPECT_EQ(failures.size(), 0U) << "that nobody waits any more is no failure";
}

TEST_F(ServiceClientGone, AClientThatExitsDidNotLeaveInOrder) {
    service.start(1);
    other.put(1);
    static_cast<void>(other.get());
    other.put(2);
    EXPECT_EQ(WEXITSTATUS(other.wait()), 9);
    const auto who = gone.wait_for(1).front();
    EXPECT_EQ(who.end, (ipcshim::side_end{how::exited, 9}));
    EXPECT_FALSE(who.in_order);
    EXPECT_TRUE(service.clients().empty());
}

TEST_F(ServiceClientGone, AClientThatIsDestroyedLeavesInOrder) {
    service.start(1);
    const pid_t pid = other.pid();
    other.put(1);
    static_cast<void>(other.get());
    other.put(3);
    other.join();
    const auto who = gone.wait_for(1).front();
    EXPECT_EQ(who.pid, pid);
    EXPECT_EQ(who.end.how, how::closed);
    EXPECT_TRUE(who.in_order);
}

TEST_F(ServiceClientGone, OneThatGaveUpBeforeItWasAcceptedIsNotToldOf) {
    EXPECT_EQ(test::error_of([] {
                  const ipcshim::client client(test::service_name, {.connect_timeout = 10ms});
              }),
              test::system_error_code(ETIMEDOUT));
    service.start(1);
    ipcshim::client client(test::service_name);
    EXPECT_EQ(client.call(test::ask, 1), answer_to(1));
    EXPECT_EQ(service.clients().size(), 1U);
    EXPECT_EQ(gone.size(), 0U);
}

TEST_F(ServiceClientGone, ClientsComeAndGoWhileOthersCall) {
    constexpr int rounds = 30;
    service.start(3);
    std::atomic<bool> enough = false;
    ipcshim::client steady(test::service_name);
    auto caller = test::in_thread([&] {
        for (std::uint64_t i = 0; !enough; i++)
            CHECK(steady.call(test::ask, i) == answer_to(i));
    });
    std::vector<std::future<void>> visitors;
    for (std::uint64_t v = 0; v < 3; v++)
        visitors.push_back(test::in_thread([v] {
            for (std::uint64_t i = 0; i < rounds; i++) {
                ipcshim::client client(test::service_name);
                // Some leave without waiting for the answer.
                auto future = client.call_async(test::ask, v * i);
                if (i % 2 == 0)
                    CHECK(future.get() == answer_to(v * i));
            }
        }));
    for (auto& one : visitors)
        one.get();
    const auto all = gone.wait_for(3 * rounds);
    EXPECT_EQ(all.size(), 3U * rounds);
    for (const auto& one : all)
        EXPECT_TRUE(one.in_order);
    enough = true;
    caller.get();
    EXPECT_EQ(service.clients().size(), 1U);
    EXPECT_EQ(failures.size(), 0U);
}

TEST_F(ServiceClientGone, HandlersOfWhatHappensMayThrow) {
    service.on_client_gone([this](const ipcshim::client_gone& who) {
        gone.add(who);
        throw std::runtime_error("told to the error handler");
    });
    service.on_client([](const ipcshim::client_info&) { throw 3; });
    service.start(1);
    {
        ipcshim::client client(test::service_name);
        EXPECT_EQ(client.call(test::ask, 1), answer_to(1));
    }
    static_cast<void>(gone.wait_for(1));
    const auto told = failures.wait_for(2);
    EXPECT_NE(told.back().text.find("told to the error handler"), std::string::npos);
    ipcshim::client client(test::service_name);
    EXPECT_EQ(client.call(test::ask, 2), answer_to(2));
}

} // namespace
