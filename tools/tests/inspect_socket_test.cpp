// SPDX-License-Identifier: MIT
//
// What the tool tells of names and sockets: 'services', 'inspect', 'events', 'info'.
#include <gtest/gtest.h>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <ipcshim/ipcshim.hpp>

#include "event_text.hpp"
#include "tool_support.hpp"
#include "waits.hpp"

namespace {

using namespace ipcshim;
using nlohmann::json;
using tools::waiting;
using tools::test::tool;

class socket_tool : public tool {
protected:
    // The output of a subcommand that succeeds, as JSON.
    json told(std::vector<std::string> words) {
        words.insert(words.begin() + 1, "--json");
        EXPECT_EQ(finish(start("told", std::move(words))), 0) << content("told.err");
        return json::parse(content("told.out"));
    }
    std::string text(std::vector<std::string> words) {
        EXPECT_EQ(finish(start("text", std::move(words))), 0) << content("text.err");
        return content("text.out");
    }
    static bool wait_readable(int fd) {
        pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
        return ::poll(&entry, 1, -1) == 1 && (entry.revents & POLLIN) != 0;
    }
    // A process that calls this one and waits.
    pid_t start_caller(const std::string& code) {
        return start("call", {"call", "tool.test", code, "question"});
    }
};

const std::string here = std::to_string(::getpid());

// --- services -------------------------------------------------------------------

TEST_F(socket_tool, services_lists_each_name_with_its_process) {
    const published_service second = mine.publish("tool.second");
    const published_service first = mine.publish("tool. first "); // blanks are part of it
    const json list = told({"services"});
    ASSERT_EQ(list.size(), 2U) << list;
    EXPECT_EQ(list.at(0).at("name"), "tool. first ");
    EXPECT_EQ(list.at(0).at("service"), first.number());
    EXPECT_EQ(list.at(0).at("pid"), ::getpid());
    EXPECT_EQ(list.at(0).at("uid"), ::geteuid());
    EXPECT_EQ(list.at(0).at("command"), tools::command_of(::getpid()));
    EXPECT_EQ(list.at(1).at("name"), "tool.second");
    const std::string lines = text({"services"});
    EXPECT_NE(lines.find(" " + here + "  "), std::string::npos) << lines;
    EXPECT_NE(lines.find("  tool. first \n"), std::string::npos) << lines;
}

TEST_F(socket_tool, services_lists_a_port_that_was_inherited_once) {
    const published_service name = mine.publish("tool.test");
    const pid_t child = ::fork();
    if (child == 0) {
        for (;;) {
            ::pause();
        }
    }
    children.push_back(child);
    const json list = told({"services"});
    ASSERT_EQ(list.size(), 1U) << list;
    EXPECT_EQ(list.at(0).at("pid"), ::getpid());
}

TEST_F(socket_tool, services_of_nobody_says_so) {
    EXPECT_EQ(told({"services"}), json::array());
    EXPECT_TRUE(text({"services"}).starts_with("no service is published"));
    {
        const published_service name = mine.publish("tool.test");
        EXPECT_EQ(told({"services"}).size(), 1U);
    }
    EXPECT_EQ(told({"services"}), json::array()) << "it was withdrawn";
    EXPECT_EQ(finish(start("wrong", {"services", "tool.test"})), 2);
}

// --- inspect --------------------------------------------------------------------

TEST_F(socket_tool, inspect_shows_names_and_open_exchanges) {
    const published_service name = mine.publish("tool.test");
    const socket_pair pair = mine.open_socket_pair();
    pair.client.open_exchange(7, bytes_of("question"));
    pair.service.open_exchange(8, bytes_of("notification"));
    const message read = pair.service.read();
    const json list = told({"inspect", here});
    const json& port = list.at(0);
    EXPECT_EQ(port.at("services"), (json{{{"service", name.number()}, {"name", "tool.test"}}}));
    EXPECT_FALSE(port.at("info").contains("ipcshim-service"));
    ASSERT_EQ(list.size(), 3U) << list;
    const json& client = list.at(1);
    EXPECT_EQ(client.at("target"), "ipcshim:[socket:" + std::to_string(pair.client.inode()) + "]");
    EXPECT_EQ(client.at("info").at("ipcshim-role"), "client");
    EXPECT_EQ(client.at("info").at("ipcshim-exchanges"), "2");
    EXPECT_EQ(client.at("info").at("ipcshim-messages"), "1");
    const json expected{{{"exchange", 1},
                         {"code", 7},
                         {"opener", "client"},
                         {"turn", "service"},
                         {"counter", 2},
                         {"waits", 0}},
                        {{"exchange", 2},
                         {"code", 8},
                         {"opener", "service"},
                         {"turn", "none"},
                         {"counter", 2},
                         {"waits", 0}}};
    EXPECT_EQ(client.at("exchanges"), expected);
    EXPECT_EQ(list.at(2).at("info").at("ipcshim-role"), "service");
    EXPECT_EQ(list.at(2).at("exchanges"), expected);
    const std::string lines = text({"inspect", here});
    EXPECT_NE(
        lines.find("    ipcshim-service      " + std::to_string(name.number()) + " tool.test\n"),
        std::string::npos)
        << lines;
    EXPECT_NE(lines.find("    ipcshim-exchange     1 code=7 opener=client turn=service"),
              std::string::npos)
        << lines;
}

TEST_F(socket_tool, inspect_says_who_waits_for_whom) {
    const published_service name = mine.publish("tool.test");
    const pid_t child = start_caller("7");
    const std::string caller = std::to_string(child);
    const ipcshim::socket client = mine.accept(mine.read_event());
    const auto expect = [&](bool is_read) {
        for (const std::string& whose : {here, caller, std::string()}) {
            std::vector<std::string> words{"inspect", "--waits"};
            if (!whose.empty()) {
                words.push_back(whose);
            }
            const json found = told(words);
            ASSERT_EQ(found.at("waits").size(), 1U) << found;
            const json& only = found.at("waits").at(0);
            EXPECT_EQ(only.at("pid"), child);
            EXPECT_EQ(only.at("thread"), child) << "its only one";
            EXPECT_EQ(only.at("for_pid"), ::getpid());
            EXPECT_EQ(only.at("connection"), client.connection());
            EXPECT_EQ(only.at("exchange"), 1);
            EXPECT_EQ(only.at("kind"), "method");
            EXPECT_EQ(only.at("code"), 7);
            EXPECT_EQ(only.at("read"), is_read);
            EXPECT_EQ(found.at("circles"), json::array());
        }
    };
    // It waits from the moment on that its message is there.
    ASSERT_TRUE(wait_readable(client.fd()));
    expect(false);
    const message asked = client.read();
    expect(true);
    const std::string command = tools::command_of(::getpid()); // both are this program
    const std::string line = "\nwho waits for whom\n" + caller + " (" + command +
                             ") waits in thread " + caller + " for " + here + " (" + command +
                             "): method 7, exchange 1 of connection " +
                             std::to_string(client.connection()) + "\n";
    for (const std::string& whose : {here, caller}) {
        EXPECT_TRUE(text({"inspect", whose}).ends_with(line)) << content("text.out") << line;
    }
    client.answer(asked.header.exchange, {});
    EXPECT_EQ(finish(child), 0);
    EXPECT_EQ(text({"inspect", "--waits", here}), "nobody waits for an answer\n");
    EXPECT_EQ(text({"inspect", here}).find("who waits"), std::string::npos);
}

// Is asked, and asks "tool.test" before it answers.
[[noreturn]] void pass_on() {
    const port own = port::open();
    const published_service name = own.publish("tool.middle");
    const ipcshim::socket client = own.accept(own.read_event());
    const message asked = client.read();
    const ipcshim::socket link = own.connect("tool.test");
    static_cast<void>(link.call(9, {}));
    ::_exit(0);
}

TEST_F(socket_tool, inspect_follows_those_who_wait_from_process_to_process) {
    const published_service name = mine.publish("tool.test");
    const pid_t middle = ::fork();
    if (middle == 0) {
        pass_on();
    }
    children.push_back(middle);
    const pid_t caller = start("call", {"call", "--wait", "tool.middle", "7"});
    const ipcshim::socket client = mine.accept(mine.read_event());
    ASSERT_TRUE(wait_readable(client.fd()));
    json found = told({"inspect", "--waits", std::to_string(caller)}).at("waits");
    ASSERT_EQ(found.size(), 2U) << found;
    const bool first = found.at(0).at("pid") == caller;
    const json& near = found.at(first ? 0 : 1);
    const json& far = found.at(first ? 1 : 0);
    EXPECT_EQ(near.at("for_pid"), middle);
    EXPECT_EQ(near.at("code"), 7);
    EXPECT_EQ(near.at("read"), true);
    EXPECT_EQ(far.at("pid"), middle);
    EXPECT_EQ(far.at("for_pid"), ::getpid());
    EXPECT_EQ(far.at("code"), 9);
    // Seen from the other end, only who waits for it.
    found = told({"inspect", "--waits", here}).at("waits");
    ASSERT_EQ(found.size(), 1U) << found;
    EXPECT_EQ(found.at(0).at("pid"), middle);
}

// Two processes, each of which asks the other and never answers.
[[noreturn]] void ask_each_other(pid_t other) {
    const port own = port::open();
    own.handle({event_code::recv_serv_sock});
    if (other == 0) {
        const event announced = own.read_event();
        const ipcshim::socket theirs = own.claim_socket(announced);
        const ipcshim::socket link = own.open_socket(announced.pid(), role::client);
        static_cast<void>(link.call(1, {}));
    } else {
        while (!own.is_handled(event_code::recv_serv_sock, other)) {
            ::sched_yield();
        }
        const ipcshim::socket link = own.open_socket(other, role::client);
        const ipcshim::socket theirs = own.claim_socket(own.read_event());
        static_cast<void>(link.call(2, {}));
    }
    ::_exit(1);
}

TEST_F(socket_tool, a_circle_of_processes_is_found) {
    std::vector<pid_t> both;
    for (const pid_t other : {0, 1}) {
        const pid_t child = ::fork();
        if (child == 0) {
            try {
                ask_each_other(other == 0 ? 0 : both.front());
            } catch (const std::exception& error) {
                std::fprintf(stderr, "%s\n", error.what());
            }
            ::_exit(1);
        }
        children.push_back(child);
        both.push_back(child);
    }
    while (tools::circles_of(tools::waits_everywhere()).empty()) {
        for (const pid_t each : both) {
            ASSERT_EQ(::waitpid(each, nullptr, WNOHANG), 0);
        }
        ::sched_yield();
    }
    const std::string a = std::to_string(both[0]);
    const std::string b = std::to_string(both[1]);
    for (const std::string& whose : {a, b}) {
        const json found = told({"inspect", "--waits", whose});
        EXPECT_EQ(found.at("waits").size(), 2U) << found;
        json circle = found.at("circles").at(0);
        std::sort(circle.begin(), circle.end());
        json expected(both);
        std::sort(expected.begin(), expected.end());
        EXPECT_EQ(circle, expected);
    }
    EXPECT_NE(text({"inspect", a}).find("\nin a circle: "), std::string::npos);
    EXPECT_NE(content("text.out").find("they are stuck if no other thread of one answers\n"),
              std::string::npos);
}

TEST_F(socket_tool, inspect_wants_a_pid_or_waits) {
    EXPECT_EQ(finish(start("a", {"inspect"})), 2);
    EXPECT_NE(content("a.err").find("PID"), std::string::npos) << content("a.err");
    EXPECT_EQ(finish(start("b", {"inspect", "--waits", "4194304"})), 1);
    EXPECT_NE(content("b.err").find("there is no process 4194304"), std::string::npos);
}

// --- who waits for whom, of what fdinfo says ---------------------------------------

tools::socket_state socket_of(role mine, std::uint64_t connection, pid_t peer,
                              const std::string& exchange) {
    tools::socket_state found{.mine = mine, .connection = connection, .peer = peer};
    found.exchanges.push_back(tools::parse_exchange(exchange).value());
    return found;
}

TEST(waits, an_exchange_is_read_as_the_module_writes_it) {
    const auto found =
        tools::parse_exchange("12 code=65535 opener=service turn=none counter=4294967295 waits=42");
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, (tools::open_exchange{.number = 12,
                                            .code = 65535,
                                            .opener = role::service,
                                            .turn = std::nullopt,
                                            .counter = 4294967295,
                                            .waits = 42}));
    EXPECT_TRUE(tools::parse_exchange(
        "1 code=1 opener=client turn=client counter=2 waits=0 later=something new"));
    for (const char* bad :
         {"", "x", "1", "1 code=65536 opener=client turn=client counter=1 waits=0",
          "1 code=1 opener=nobody turn=client counter=1 waits=0",
          "1 code=1 opener=client turn=both counter=1 waits=0",
          "1 code=1 opener=client turn=client counter=-1 waits=0",
          "1 code=1 opener=client turn=client counter=1"}) {
        EXPECT_FALSE(tools::parse_exchange(bad)) << bad;
    }
}

// No process has such a number: the largest is 4194304.
constexpr pid_t nobody = 5000000;

TEST(waits, both_sides_together_are_one_wait) {
    const std::string exchange = "5 code=7 opener=client turn=service counter=2 waits=";
    waiting expected{.waiter = nobody,
                     .awaited = nobody + 1,
                     .connection = 3,
                     .exchange = 5,
                     .code = 7,
                     .opener = role::client,
                     .is_read = true};
    tools::wait_list list;
    list.add(nobody + 1, socket_of(role::service, 3, nobody, exchange + "0"));
    EXPECT_EQ(list.all(), std::vector{expected});
    list.add(nobody, socket_of(role::client, 3, nobody + 1, exchange + "5000009"));
    expected.thread = nobody + 9;
    EXPECT_EQ(list.all(), std::vector{expected});
    list.add(nobody + 1, socket_of(role::service, 3, nobody, exchange + "5000009"));
    EXPECT_EQ(list.all(), std::vector{expected});
}

TEST(waits, whose_turn_it_is_says_who_waits) {
    tools::wait_list list;
    list.add(nobody, socket_of(role::client, 1, nobody + 1,
                               "1 code=1 opener=client turn=client counter=3 waits=0"));
    list.add(nobody, socket_of(role::client, 2, nobody + 1,
                               "1 code=1 opener=client turn=none counter=2 waits=0"));
    const auto all = list.all();
    ASSERT_EQ(all.size(), 1U) << "of the one on its way nobody knows";
    EXPECT_EQ(all[0].waiter, nobody + 1) << "the client has the turn";
    EXPECT_EQ(all[0].awaited, nobody);
    EXPECT_TRUE(all[0].is_read);
}

// A message is on its way: whoever has sent it may wait for what comes back.
TEST(waits, a_message_that_is_not_read_yet_has_a_sender_who_waits) {
    struct one final {
        const char* opener;
        const char* next;
        pid_t waiter;
    };
    for (const one& each : {one{"client", "2", nobody}, one{"client", "3", nobody + 1},
                            one{"service", "2", nobody + 1}, one{"service", "3", nobody}}) {
        const std::string exchange = std::string("1 code=1 opener=") + each.opener +
                                     " turn=none counter=" + each.next + " waits=5000009";
        tools::wait_list list;
        list.add(nobody, socket_of(role::client, 1, nobody + 1, exchange));
        list.add(nobody + 1, socket_of(role::service, 1, nobody, exchange));
        const auto all = list.all();
        ASSERT_EQ(all.size(), 1U) << exchange;
        EXPECT_EQ(all[0].waiter, each.waiter) << exchange;
        EXPECT_EQ(all[0].awaited, 2 * nobody + 1 - each.waiter) << exchange;
        EXPECT_FALSE(all[0].is_read);
    }
}

waiting stuck(pid_t waiter, pid_t awaited, pid_t thread = 1) {
    return {.waiter = waiter, .thread = thread, .awaited = awaited};
}

TEST(waits, circles_are_those_of_threads_that_wait) {
    using tools::circles_of;
    EXPECT_TRUE(circles_of({stuck(1, 2), stuck(2, 3)}).empty());
    EXPECT_TRUE(circles_of({stuck(1, 2), stuck(2, 1, 0)}).empty()) << "2 does something else";
    EXPECT_TRUE(circles_of({stuck(1, 1)}).empty()) << "another thread of it may answer";
    EXPECT_TRUE(circles_of({stuck(1, 0), stuck(0, 1)}).empty()) << "two that are not visible";
    using circles = std::vector<std::vector<pid_t>>;
    EXPECT_EQ(circles_of({stuck(1, 2), stuck(2, 3), stuck(3, 2), stuck(3, 4)}), (circles{{2, 3}}));
    EXPECT_EQ(circles_of({stuck(3, 1), stuck(1, 2), stuck(2, 3), stuck(7, 9), stuck(9, 7)}),
              (circles{{1, 2, 3}, {7, 9}}));
}

// --- events and info -----------------------------------------------------------------

TEST_F(socket_tool, events_tells_of_a_socket_that_comes) {
    const pid_t child = start("events", {"events", "--json", "-q", "-n", "1"});
    while (!mine.is_handled(event_code::recv_serv_sock, child)) {
        ASSERT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << content("events.err");
        ::sched_yield();
    }
    const ipcshim::socket kept =
        mine.open_socket(child, role::client, {.message_max = 5000, .command = 9});
    EXPECT_EQ(finish(child), 0) << content("events.err");
    const json found = json::parse(content("events.out"));
    EXPECT_EQ(found.at("event"), "recv_serv_sock");
    EXPECT_EQ(found.at("command"), 9);
    EXPECT_EQ(found.at("side"), "service");
    EXPECT_EQ(found.at("message_max"), 5000);
    EXPECT_EQ(found.at("connection"), kept.connection());
}

TEST_F(socket_tool, events_of_sockets_are_told_in_full) {
    mine.handle(event_set::all());
    const published_service name = mine.publish("tool.test");
    const pid_t child = start_caller("7");
    const event request = mine.read_event();
    const json asked = tools::to_json(request);
    EXPECT_EQ(asked.at("event"), "service_conn_request");
    EXPECT_EQ(asked.at("service"), name.number());
    EXPECT_EQ(asked.at("connection"), asked.at("token"));
    EXPECT_EQ(asked.at("message_max"), socket_message);
    EXPECT_GT(asked.at("deadline"), 0);
    const ipcshim::socket client = mine.accept(request);
    const json message = tools::to_json(mine.read_event());
    EXPECT_EQ(message.at("event"), "recv_sock_msg");
    EXPECT_EQ(message.at("code"), IPCSHIM_EVENT_RECV_SOCK_MSG);
    EXPECT_EQ(message.at("exchange"), 1);
    EXPECT_EQ(message.at("message_code"), 7);
    EXPECT_EQ(message.at("opens"), true);
    EXPECT_EQ(message.at("concludes"), false);
    EXPECT_EQ(message.at("notification"), false);
    EXPECT_EQ(message.at("length"), 8);
    EXPECT_EQ(message.at("inode"), client.inode());
    ::kill(child, SIGKILL);
    EXPECT_EQ(finish(child), 128 + SIGKILL);
    const json ended = tools::to_json(mine.read_event());
    EXPECT_EQ(ended.at("event"), "service_client_quitted");
    EXPECT_EQ(ended.at("how"), "killed");
    EXPECT_EQ(ended.at("status"), SIGKILL);
    EXPECT_EQ(ended.at("side"), "service");
    EXPECT_EQ(ended.at("connection"), client.connection());
    EXPECT_EQ(ended.at("exchanges"), 1);
    EXPECT_EQ(ended.at("messages_unread"), 0);
}

TEST_F(socket_tool, info_counts_names_connections_exchanges_and_messages) {
    const published_service name = mine.publish("tool.test");
    const socket_pair pair = mine.open_socket_pair();
    pair.client.open_exchange(7, bytes_of("question"));
    pair.client.open_exchange(7, bytes_of("another"));
    const message read = pair.service.read();
    const json found = told({"info"});
    EXPECT_EQ(found.at("total").at("services"), 1);
    EXPECT_EQ(found.at("total").at("connections"), 1);
    EXPECT_EQ(found.at("total").at("exchanges"), 2);
    EXPECT_EQ(found.at("total").at("messages"), 1);
    EXPECT_EQ(found.at("total").at("message_bytes"), 7);
    EXPECT_EQ(found.at("limits").at("exchanges"), mine.query().limits().exchanges);
    const auto& features = found.at("features");
    EXPECT_NE(std::find(features.begin(), features.end(), "sockets"), features.end());
    const std::string lines = text({"info"});
    for (const char* line : {"  names published    1\n", "  connections        1\n",
                             "  open exchanges     2\n", "  messages waiting   1 (7 bytes)\n"}) {
        EXPECT_NE(lines.find(line), std::string::npos) << line << lines;
    }
}

} // namespace
