// SPDX-License-Identifier: MIT
// What a port is told of sockets: that one was handed over, that a message waits, and
// that the other side has ended, which way. Each by the dispatcher, with all it says.
#include <sys/wait.h>

#include <optional>

#include "socket_support.hpp"

namespace {

using ipcshim::bytes_of;
using ipcshim::event_code;
using ipcshim::how;
using ipcshim::role;
using namespace std::chrono_literals;

// Which of the four ways an end was told, with what was said.
struct told final {
    ipcshim::event event;
    ipcshim::sock_closed what;
};

class SocketClosing : public test::Balanced {
protected:
    SocketClosing() {
        loop.on_socket_closed(
            [this](const ipcshim::event& event, const ipcshim::sock_closed& what) {
                ends.push_back({event, what});
                loop.stop();
            });
        loop.on_request([this](const ipcshim::event& event, const ipcshim::service_conn_request&) {
            accepted = port.accept(event);
            loop.stop();
        });
        loop.on_socket([this](const ipcshim::event& event, const ipcshim::recv_serv_sock& what) {
            received = {event, what};
            loop.stop();
        });
        loop.on_message([this](const ipcshim::event& event, const ipcshim::recv_sock_msg& what) {
            messages.push_back(what);
            EXPECT_EQ(event.code(), event_code::recv_sock_msg);
            if (messages.size() == stop_after)
                loop.stop();
        });
    }

    // A process that connects to "here" and does this with its socket.
    void client_process(const std::function<void(ipcshim::socket, const test::line&)>& run) {
        other.emplace([&run](const test::line& parent) {
            const auto its_port = ipcshim::port::open();
            parent.put(1);
            run(its_port.connect("here"), parent);
        });
        static_cast<void>(other->get());
        loop.run(); // until it was accepted
    }

    // The one end that comes next.
    [[nodiscard]] told next_end() {
        ends.clear();
        loop.run();
        CHECK(ends.size() == 1);
        return ends.front();
    }

    ipcshim::port port = [] {
        auto opened = ipcshim::port::open();
        auto codes = ipcshim::event_set::all();
        opened.handle(codes.remove(event_code::recv_sock_msg));
        return opened;
    }();
    ipcshim::dispatcher loop{port};
    ipcshim::published_service name = port.publish("here");
    ipcshim::socket accepted;
    std::vector<told> ends;
    std::optional<std::pair<ipcshim::event, ipcshim::recv_serv_sock>> received;
    std::vector<ipcshim::recv_sock_msg> messages;
    std::size_t stop_after = 0;
    std::optional<test::process> other;
};

TEST_F(SocketClosing, AClientThatEndsTheConnectionIsClosed) {
    client_process([](ipcshim::socket socket, const test::line& parent) {
        socket.open_exchange(1, bytes_of("read"));
        socket.open_exchange(1, bytes_of("not answered"));
        parent.put(socket.connection());
        static_cast<void>(parent.get());
        socket.end();
        static_cast<void>(parent.get()); // lives on
    });
    const auto connection = other->get();
    accepted.answer(accepted.read().header.exchange, bytes_of("never read"));
    other->put(1);
    const auto [event, what] = next_end();
    EXPECT_EQ(event.code(), event_code::service_client_closed);
    EXPECT_EQ(event.pid(), other->pid());
    EXPECT_EQ(event.uid(), ::geteuid());
    EXPECT_EQ(what.connection, connection);
    EXPECT_EQ(what.connection, accepted.connection());
    EXPECT_EQ(what.inode, accepted.inode());
    EXPECT_EQ(what.how, how::closed);
    EXPECT_EQ(what.side, role::service);
    EXPECT_EQ(what.status, 0);
    EXPECT_EQ(what.messages_unread, 1U) << "the answer";
    EXPECT_EQ(what.exchanges, 1U);
    EXPECT_EQ(accepted.read().text(), "not answered");
    other->put(1);
    other->join();
}

TEST_F(SocketClosing, AClientThatLivesAndClosesIsClosed) {
    client_process([](ipcshim::socket socket, const test::line& parent) {
        socket.close();
        static_cast<void>(parent.get());
    });
    const auto [event, what] = next_end();
    EXPECT_EQ(event.code(), event_code::service_client_closed);
    EXPECT_EQ(what.how, how::closed);
    EXPECT_EQ(what.exchanges, 0U);
    EXPECT_EQ(test::read_error(accepted), EPIPE);
    other->put(1);
    other->join();
}

TEST_F(SocketClosing, AClientThatIsKilledHasQuitted) {
    client_process([](ipcshim::socket socket, const test::line& parent) {
        socket.open_exchange(1, bytes_of("one"));
        socket.open_exchange(2, bytes_of("two"));
        parent.put(1);
        static_cast<void>(socket.call(3, bytes_of("three")));
    });
    static_cast<void>(other->get());
    test::wait_for_callers(accepted.fd());
    accepted.answer(accepted.read().header.exchange, {}, {.concludes = false});
    other->kill();
    const auto [event, what] = next_end();
    EXPECT_EQ(event.code(), event_code::service_client_quitted);
    EXPECT_EQ(what.how, how::killed);
    EXPECT_EQ(what.status, SIGKILL);
    EXPECT_EQ(what.messages_unread, 1U);
    EXPECT_EQ(what.exchanges, 3U);
    EXPECT_EQ(what.side, role::service);
    EXPECT_EQ(accepted.read().text(), "two");
    EXPECT_EQ(accepted.read().text(), "three");
    EXPECT_EQ(test::read_error(accepted), ECONNRESET);
    std::error_code error;
    accepted.send_once(1, {}, {}, error);
    EXPECT_EQ(error.value(), ECONNRESET);
}

TEST_F(SocketClosing, AClientThatExitsHasQuittedWithItsCode) {
    client_process([](ipcshim::socket, const test::line&) { ::_exit(42); });
    const auto [event, what] = next_end();
    EXPECT_EQ(event.code(), event_code::service_client_quitted);
    EXPECT_EQ(what.how, how::exited);
    EXPECT_EQ(what.status, 42);
    EXPECT_EQ(WEXITSTATUS(other->wait()), 42);
}

TEST_F(SocketClosing, AServiceThatLetsGoHasQuittedHoweverItDid) {
    for (const bool killed : {false, true}) {
        test::process server([killed](const test::line& parent) {
            const auto its_port = ipcshim::port::open();
            const auto its_name = its_port.publish("there");
            parent.put(1);
            auto socket = its_port.accept(its_port.read_event());
            const auto question = socket.read();
            static_cast<void>(parent.get());
            if (killed)
                ::raise(SIGTERM);
            socket.close();
            static_cast<void>(parent.get());
        });
        static_cast<void>(server.get());
        const auto socket = port.connect("there");
        socket.open_exchange(1, bytes_of("read"));
        socket.open_exchange(1, bytes_of("unread"));
        server.put(1);
        const auto [event, what] = next_end();
        EXPECT_EQ(event.code(), event_code::service_server_quitted);
        EXPECT_EQ(event.pid(), server.pid());
        EXPECT_EQ(what.connection, socket.connection());
        EXPECT_EQ(what.inode, socket.inode());
        EXPECT_EQ(what.side, role::client);
        EXPECT_EQ(what.how, killed ? how::killed : how::closed);
        EXPECT_EQ(what.status, killed ? SIGTERM : 0);
        EXPECT_EQ(what.messages_unread, 1U);
        EXPECT_EQ(what.exchanges, 2U);
        EXPECT_EQ(test::read_error(socket), ECONNRESET);
        EXPECT_EQ(test::call_error(socket), ECONNRESET);
        if (!killed)
            server.put(1);
    }
}

TEST_F(SocketClosing, ASocketWithoutANameIsHandedOverAndItsEndIsToldToEitherSide) {
    test::process opener([target = ::getpid()](const test::line& parent) {
        const auto its_port = test::listening_port();
        const auto mine =
            its_port.open_socket(target, role::client, {.message_max = 9'000, .command = 3});
        parent.put(mine.connection());
        parent.put(mine.inode());
        static_cast<void>(parent.get());
        mine.close_both();
        CHECK(!its_port.try_read_event()); // who does it is not told
        static_cast<void>(parent.get());
    });
    loop.run();
    ASSERT_TRUE(received);
    const auto& [event, what] = *received;
    EXPECT_EQ(event.command(), 3U);
    EXPECT_EQ(event.pid(), opener.pid());
    EXPECT_EQ(what.side, role::service);
    EXPECT_EQ(what.message_max, 9'000U);
    EXPECT_EQ(what.connection, opener.get());
    EXPECT_NE(what.inode, opener.get());
    const auto socket = port.claim_socket(event);
    EXPECT_EQ(socket.inode(), what.inode);
    EXPECT_EQ(socket.connection(), what.connection);
    EXPECT_EQ(socket.side(), role::service);
    EXPECT_EQ(socket.message_max(), 9'000U);
    opener.put(1);
    const auto end = next_end();
    EXPECT_EQ(end.event.code(), event_code::serv_sock_closed);
    EXPECT_EQ(end.what.how, how::closed);
    EXPECT_EQ(end.what.side, role::service);
    EXPECT_EQ(end.what.inode, socket.inode());
    EXPECT_EQ(end.what.connection, socket.connection());
    opener.put(1);
    opener.join();
}

TEST_F(SocketClosing, AMessageThatWaitsIsToldToWhoHandlesIt) {
    ipcshim::event_set code{event_code::recv_sock_msg};
    port.handle(code);
    auto pipe = test::raw_pair();
    client_process([&pipe](ipcshim::socket socket, const test::line& parent) {
        const std::array<ipcshim::attachment, 1> carried{pipe.sender};
        socket.open_exchange(21, bytes_of("12345"), {.attachments = carried});
        socket.send_once(22, {});
        static_cast<void>(parent.get());
    });
    stop_after = 2;
    if (messages.size() < stop_after)
        loop.run();
    ASSERT_EQ(messages.size(), 2U);
    EXPECT_EQ(messages[0].exchange, 1U);
    EXPECT_EQ(messages[0].code, 21U);
    EXPECT_EQ(messages[0].length, 5U);
    EXPECT_EQ(messages[0].descriptors, 1U);
    EXPECT_EQ(messages[0].error, 0U);
    EXPECT_EQ(messages[0].inode, accepted.inode());
    EXPECT_TRUE(messages[0].opens);
    EXPECT_FALSE(messages[0].concludes);
    EXPECT_EQ(messages[1].exchange, 2U);
    EXPECT_TRUE(messages[1].concludes);
    EXPECT_EQ(accepted.read().text(), "12345");
    EXPECT_EQ(accepted.read().header.code, 22U);
    other->put(1);
    other->join();
}

TEST_F(SocketClosing, ASocketWithoutAnEventIsClaimedByItsToken) {
    const auto opened = port.open_socket_unannounced(::getpid(), role::service);
    EXPECT_EQ(opened.end.side(), role::service);
    auto claimed = port.claim(opened.token);
    ASSERT_TRUE(std::holds_alternative<ipcshim::socket>(claimed));
    const auto client = std::get<ipcshim::socket>(std::move(claimed));
    EXPECT_EQ(client.side(), role::client);
    client.send_once(5, bytes_of("by token"));
    EXPECT_EQ(opened.end.read().text(), "by token");
    EXPECT_FALSE(port.try_read_event());
}

} // namespace
