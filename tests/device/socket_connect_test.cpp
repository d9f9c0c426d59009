// SPDX-License-Identifier: MIT
// Names and connections by the library: publish, connect, accept, reject, and who is
// told what when it does not come to that.
#include <fcntl.h>

#include <future>
#include <optional>
#include <sstream>

#include "socket_support.hpp"

namespace {

using ipcshim::bytes_of;
using ipcshim::role;
using namespace std::chrono_literals;

constexpr uid_t somebody = 4711;

// The errno of a connect that has to fail without a service's own word.
int error_of_connect(const ipcshim::port& from, const std::string& name,
                     const ipcshim::connect_parameters& parameters = {}) {
    std::error_code error;
    std::uint16_t reason = 99;
    const auto got = from.connect(name, parameters, error, reason);
    CHECK(error && !got.is_open() && reason == 0);
    return error.value();
}

class SocketConnect : public test::Balanced {
protected:
    // The next request at the port.
    [[nodiscard]] ipcshim::event request() const {
        auto event = port.read_event();
        CHECK(event.as_service_conn_request().has_value());
        return event;
    }
    // Connects in another thread.
    [[nodiscard]] std::future<ipcshim::socket>
    connecting(const std::string& name, const ipcshim::connect_parameters& parameters = {}) const {
        return std::async(std::launch::async, [this, name, parameters] {
            return client_port.connect(name, parameters);
        });
    }
    [[nodiscard]] int connect_error(const std::string& name,
                                    const ipcshim::connect_parameters& parameters = {}) const {
        return error_of_connect(client_port, name, parameters);
    }

    ipcshim::port port = ipcshim::port::open();
    ipcshim::port client_port = ipcshim::port::open();
};

TEST_F(SocketConnect, AServiceAcceptsAndBothKnowWhoTheyTalkTo) {
    const auto name = port.publish("greeter", {.message_max = 100'000});
    test::process other([](const test::line& parent) {
        const auto its_port = ipcshim::port::open();
        const auto socket = its_port.connect("greeter", {.command = 17});
        CHECK(socket.side() == role::client);
        CHECK(socket.message_max() == 100'000);
        parent.put(socket.connection());
        CHECK(socket.call(1, bytes_of("hello")).text() == "hello to you");
        static_cast<void>(parent.get());
    });
    const auto event = request();
    EXPECT_EQ(event.command(), 17U);
    EXPECT_EQ(event.pid(), other.pid());
    EXPECT_EQ(event.uid(), ::geteuid());
    const auto asked = *event.as_service_conn_request();
    EXPECT_EQ(asked.service, name.number());
    EXPECT_EQ(asked.message_max, 100'000U);
    EXPECT_EQ(asked.connection, static_cast<std::uint64_t>(event.token()));
    const auto left = asked.until - ipcshim::deadline::clock::now();
    EXPECT_LE(left, 2s);
    EXPECT_GT(left, 0s);
    const auto accepted = port.accept(event);
    EXPECT_EQ(accepted.side(), role::service);
    EXPECT_EQ(accepted.message_max(), 100'000U);
    EXPECT_EQ(accepted.connection(), other.get());
    const auto question = accepted.read();
    EXPECT_EQ(question.header.pid, static_cast<std::uint32_t>(other.pid()));
    accepted.answer(question.header.exchange, bytes_of("hello to you"));
    other.put(1);
    other.join();
}

TEST_F(SocketConnect, AServiceRejectsWithItsOwnWord) {
    const auto name = port.publish("closed today");
    auto asking = connecting("closed today");
    port.reject(request(), 1'234);
    try {
        static_cast<void>(asking.get());
        ADD_FAILURE() << "it was rejected";
    } catch (const ipcshim::refused_error& error) {
        EXPECT_EQ(error.code().value(), ECONNREFUSED);
        EXPECT_EQ(error.reason(), 1'234U);
        EXPECT_NE(std::string(error.what()).find("1234"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find("closed today"), std::string::npos);
    }
    auto again = std::async(std::launch::async, [&] {
        std::error_code error;
        std::uint16_t reason = 0;
        EXPECT_FALSE(client_port.connect("closed today", {}, error, reason).is_open());
        EXPECT_EQ(error.value(), ECONNREFUSED);
        return reason;
    });
    port.reject(request(), 0xffff);
    EXPECT_EQ(again.get(), 0xffffU);
}

TEST_F(SocketConnect, ARequestIsAnsweredOnce) {
    const auto name = port.publish("once");
    auto asking = connecting("once");
    const auto event = request();
    const auto accepted = port.accept(event);
    const auto connected = asking.get();
    std::error_code error;
    EXPECT_FALSE(port.accept(event, false, error).is_open());
    EXPECT_EQ(error.value(), ENOENT);
    port.reject(event, 1, error);
    EXPECT_EQ(error.value(), ENOENT);
    EXPECT_THROW(port.reject(event, 1), std::system_error);
    EXPECT_THROW(static_cast<void>(port.claim(event.token())), std::system_error);
}

TEST_F(SocketConnect, ANameIsThereUntilItIsWithdrawn) {
    EXPECT_FALSE(client_port.has_service("brief"));
    auto name = port.publish("brief", {.message_max = 5'000});
    EXPECT_NE(name.number(), 0U);
    const auto found = client_port.has_service("brief");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->number, name.number());
    EXPECT_EQ(found->pid, ::getpid());
    EXPECT_EQ(found->message_max, 5'000U);
    std::error_code error;
    EXPECT_FALSE(client_port.publish("brief", {}, error));
    EXPECT_EQ(error.value(), EADDRINUSE);
    const auto number = name.number();
    {
        const auto kept = std::move(name);
        EXPECT_TRUE(client_port.has_service("brief"));
    }
    EXPECT_FALSE(client_port.has_service("brief"));
    name = port.publish("brief");
    EXPECT_GT(name.number(), number) << "never used again";
    name.withdraw();
    EXPECT_FALSE(client_port.has_service("brief"));
    EXPECT_EQ(test::totals().services, 0U);
    EXPECT_EQ(connect_error("brief"), ENOENT);
}

TEST_F(SocketConnect, AConnectionOutlivesTheNameAndAnAcceptedOneThePort) {
    auto name = port.publish("gone soon");
    auto asking = connecting("gone soon");
    const auto event = request();
    name.withdraw();
    const auto accepted = port.accept(event);
    const auto connected = asking.get();
    port.close();
    connected.open_exchange(1, bytes_of("still here"));
    EXPECT_EQ(accepted.read().text(), "still here");
}

TEST_F(SocketConnect, BadNamesAreToldWithTheirErrors) {
    std::error_code error;
    const auto publish_error = [&](const std::string& name) {
        EXPECT_FALSE(port.publish(name, {}, error));
        return error.value();
    };
    for (const std::string& bad :
         {std::string(), std::string("tab\t"), std::string("\xc3\xa4"), std::string("z\0ro", 4)}) {
        EXPECT_EQ(publish_error(bad), EINVAL) << bad;
        EXPECT_EQ(connect_error(bad), EINVAL) << bad;
        EXPECT_THROW(static_cast<void>(client_port.has_service(bad)), std::system_error);
    }
    EXPECT_EQ(publish_error(std::string(65, 'x')), ENAMETOOLONG);
    EXPECT_EQ(connect_error(std::string(65, 'x')), ENAMETOOLONG);
    const auto longest = port.publish(std::string(64, 'x'));
    EXPECT_TRUE(client_port.has_service(std::string(64, 'x')));
    // A deadline tells that the name was found: nobody accepts.
    EXPECT_EQ(
        connect_error(std::string(64, 'x'), {.until = ipcshim::deadline::clock::now() + 10ms}),
        ETIMEDOUT);
    EXPECT_THROW(static_cast<void>(port.publish("")), std::system_error);
}

TEST_F(SocketConnect, ReservedNamesAreOneSetForEverybody) {
    port.set_access(ipcshim::access::anybody);
    const auto name = port.publish("sys.test");
    test::process other([](const test::line&) {
        test::become(somebody);
        const auto its_port = ipcshim::port::open();
        std::error_code error;
        CHECK(!its_port.publish("sys.mine", {}, error));
        CHECK(error.value() == EPERM);
        CHECK(its_port.has_service("sys.test"));
        const auto socket = its_port.connect("sys.test");
        CHECK(socket.call(1, {}).text() == "for everybody");
    });
    const auto event = request();
    EXPECT_EQ(event.uid(), somebody);
    const auto accepted = port.accept(event);
    const auto question = accepted.read();
    EXPECT_EQ(question.header.uid, somebody);
    accepted.answer(question.header.exchange, bytes_of("for everybody"));
    other.join();
}

TEST_F(SocketConnect, NamesOfAnotherUserAreAskedForByUidAndReachedIfAllowed) {
    const auto name = port.publish("of root");
    test::process other([](const test::line& parent) {
        test::become(somebody);
        const auto its_port = ipcshim::port::open();
        CHECK(error_of_connect(its_port, "of root") == ENOENT);
        CHECK(error_of_connect(its_port, "of root", {.uid = 0}) == EPERM);
        CHECK(!its_port.has_service("of root"));
        std::error_code error;
        static_cast<void>(its_port.has_service("of root", 0, error));
        CHECK(error.value() == EPERM);
        parent.put(1);
        static_cast<void>(parent.get());
        CHECK(its_port.has_service("of root", 0));
        const auto socket = its_port.connect("of root", {.uid = 0});
        parent.put(socket.connection());
    });
    ASSERT_EQ(other.get(), 1U);
    port.set_access(ipcshim::access::anybody);
    other.put(1);
    const auto accepted = port.accept(request());
    EXPECT_EQ(other.get(), accepted.connection());
    other.join();
}

TEST_F(SocketConnect, NoAnswerIsADeadlineAndTheRequestIsTakenBack) {
    const auto name = port.publish("slow");
    // A time that has passed before it asked leaves no request.
    ipcshim::deadline until;
    std::optional<ipcshim::event> event;
    for (auto time = 30ms; !event; time *= 2) {
        ASSERT_LT(time, 10s) << "the event stays";
        until = ipcshim::deadline::clock::now() + time;
        EXPECT_EQ(connect_error("slow", {.until = until}), ETIMEDOUT);
        EXPECT_GE(ipcshim::deadline::clock::now(), until);
        event = port.try_read_event();
    }
    ASSERT_TRUE(event->as_service_conn_request());
    EXPECT_EQ(event->as_service_conn_request()->until, until);
    std::error_code error;
    EXPECT_FALSE(port.accept(*event, false, error).is_open());
    EXPECT_EQ(error.value(), ENOENT);
    // It goes on with those who still ask.
    auto asking = connecting("slow");
    const auto accepted = port.accept(request());
    EXPECT_EQ(asking.get().connection(), accepted.connection());
}

TEST_F(SocketConnect, AServiceThatEndsBeforeItAnswersIsToldSo) {
    test::process other([](const test::line& parent) {
        const auto its_port = ipcshim::port::open();
        const auto name = its_port.publish("short-lived");
        parent.put(1);
        static_cast<void>(its_port.wait());
        parent.put(2);
        static_cast<void>(parent.get());
    });
    static_cast<void>(other.get());
    auto asking = connecting("short-lived", {.until = ipcshim::deadline::clock::now() + 1h});
    ASSERT_EQ(other.get(), 2U);
    other.kill();
    try {
        static_cast<void>(asking.get());
        ADD_FAILURE() << "nobody could accept";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), ECONNRESET) << error.what();
    }
    EXPECT_EQ(connect_error("short-lived"), ENOENT);
}

TEST_F(SocketConnect, FlexibleGivesTheConnectionThatIsOpenAlready) {
    const auto name = port.publish("shared");
    auto asking = connecting("shared", {.flexible = true});
    auto accepted = port.accept(request());
    auto first = asking.get();
    auto second = client_port.connect("shared", {.flexible = true});
    EXPECT_EQ(second.connection(), first.connection());
    EXPECT_EQ(second.inode(), first.inode());
    EXPECT_NE(second.fd(), first.fd());
    EXPECT_FALSE(port.try_read_event()) << "the service is not asked";
    first.close();
    second.open_exchange(1, bytes_of("by the other"));
    EXPECT_EQ(accepted.read().text(), "by the other");
    // One that has ended is not given again.
    accepted.close();
    auto again = connecting("shared", {.flexible = true});
    const auto fresh = port.accept(request());
    EXPECT_EQ(again.get().connection(), fresh.connection());
    EXPECT_NE(fresh.connection(), second.connection());
}

TEST_F(SocketConnect, ANameThatIsNotThereYetIsWaitedFor) {
    EXPECT_EQ(
        connect_error("later", {.until = ipcshim::deadline::clock::now() + 20ms, .wait = true}),
        ETIMEDOUT);
    std::promise<pid_t> who;
    auto asking = std::async(std::launch::async, [&] {
        who.set_value(test::own_tid());
        return client_port.connect("later", {.wait = true});
    });
    const auto tid = who.get_future().get();
    test::wait_until([&] { return test::sleeps(tid); });
    const auto name = port.publish("later");
    const auto accepted = port.accept(request());
    EXPECT_EQ(asking.get().connection(), accepted.connection());
}

TEST_F(SocketConnect, ALargestMessageIsAskedForWithinWhatTheServiceGives) {
    const auto name = port.publish("sized", {.message_max = 10'000});
    EXPECT_EQ(connect_error("sized", {.message_max = 10'001}), EMSGSIZE);
    auto asking = connecting("sized", {.message_max = 6'000});
    const auto event = request();
    EXPECT_EQ(event.as_service_conn_request()->message_max, 6'000U);
    const auto accepted = port.accept(event);
    const auto connected = asking.get();
    EXPECT_EQ(connected.message_max(), 6'000U);
    EXPECT_EQ(accepted.message_max(), 6'000U);
}

TEST_F(SocketConnect, NonblockingIsOfEachDescriptor) {
    const auto name = port.publish("quick");
    auto asking = connecting("quick", {.nonblocking = true});
    const auto accepted = port.accept(request());
    const auto connected = asking.get();
    EXPECT_NE(::fcntl(connected.fd(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(accepted.fd(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(test::read_error(connected), EAGAIN);
}

TEST_F(SocketConnect, OnlyTheClientEndsAConnectionInOrder) {
    const auto name = port.publish("orderly");
    auto asking = connecting("orderly");
    const auto accepted = port.accept(request());
    const auto connected = asking.get();
    std::error_code error;
    accepted.end(error);
    EXPECT_EQ(error.value(), EPERM);
    accepted.close_both(error);
    EXPECT_EQ(error.value(), EINVAL);
    connected.send_once(1, bytes_of("farewell"));
    connected.end();
    EXPECT_EQ(accepted.read().text(), "farewell");
    EXPECT_EQ(test::read_error(accepted), EPIPE);
    connected.end(error);
    EXPECT_EQ(error.value(), EPIPE);
    EXPECT_THROW(connected.end(), std::system_error);
}

} // namespace
