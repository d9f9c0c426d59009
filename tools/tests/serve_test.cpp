// SPDX-License-Identifier: MIT
//
// The command 'ipcshim serve'. The client is the test itself, on one thread.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <ipcshim/ipcshim.hpp>

#include "tool_support.hpp"

namespace {

using namespace ipcshim;

constexpr const char* name = "tool.test";

class serve_tool : public tools::test::tool {
protected:
    // Starts 'ipcshim serve OPTIONS NAME -- COMMAND' and connects to it.
    void serve(const std::vector<std::string>& options, const std::vector<std::string>& command) {
        std::vector<std::string> words{"serve"};
        words.insert(words.end(), options.begin(), options.end());
        words.insert(words.end(), {name, "--"});
        words.insert(words.end(), command.begin(), command.end());
        server = start("serve", words);
        link = connect();
    }
    void serve_script(const std::string& script, const std::vector<std::string>& options = {}) {
        serve(options, {"sh", "-c", script});
    }
    ipcshim::socket connect() {
        while (!mine.has_service(name)) {
            if (::waitpid(server, nullptr, WNOHANG) != 0) {
                std::erase(children, server);
                throw std::runtime_error("no service: " + content("serve.err"));
            }
            ::sched_yield();
        }
        return mine.connect(name);
    }
    message call(const std::string& text, std::uint16_t code = 1) {
        return link.call(code, bytes_of(text));
    }
    // A pipe with a name, for a command to wait for.
    std::string make_gate(const std::string& called) {
        EXPECT_EQ(::mkfifo(path(called).c_str(), 0600), 0);
        return path(called);
    }
    static void open_gate(const std::string& gate) {
        const int fd = ::open(gate.c_str(), O_WRONLY | O_CLOEXEC); // waits for its reader
        EXPECT_EQ(::write(fd, "go\n", 3), 3);
        ::close(fd);
    }
    // A command line that publishes nothing.
    std::string refused(std::vector<std::string> words, int code) {
        words.insert(words.begin(), "serve");
        EXPECT_EQ(finish(start("serve", std::move(words))), code) << content("serve.err");
        EXPECT_FALSE(mine.has_service(name));
        return content("serve.err");
    }

    pid_t server = 0;
    ipcshim::socket link;
};

TEST_F(serve_tool, a_command_gets_the_payload_and_its_output_is_the_answer) {
    serve({}, {"tr", "a-z", "A-Z"});
    const message answer = call("some text, no end of line");
    EXPECT_EQ(answer.text(), "SOME TEXT, NO END OF LINE");
    EXPECT_EQ(answer.header.error, 0);
    EXPECT_TRUE(answer.header.concludes);
    EXPECT_EQ(call("").text(), "");
    std::string bytes(socket_message, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<char>(i % 32);
    }
    EXPECT_TRUE(call(bytes).text() == bytes);
    EXPECT_EQ(content("serve.err"),
              "ipcshim: process " + std::to_string(server) + " serves 'tool.test'\n");
}

TEST_F(serve_tool, the_command_is_told_who_asks_for_what) {
    serve_script("echo \"$IPCSHIM_SERVICE $IPCSHIM_CODE $IPCSHIM_PID $IPCSHIM_UID\"");
    const std::string who = std::to_string(::getpid()) + " " + std::to_string(::geteuid());
    EXPECT_EQ(call("", 0xFFFF).text(), "tool.test 65535 " + who + "\n");
    EXPECT_EQ(call("", 0).text(), "tool.test 0 " + who + "\n");
}

TEST_F(serve_tool, arguments_behind_the_command_are_its_own) {
    serve({"--quiet"}, {"sh", "-c", "echo \"$0 $1 $2\"", "--count", "--", "-x"});
    EXPECT_EQ(call("").text(), "--count -- -x\n");
    EXPECT_EQ(content("serve.err"), "");
}

TEST_F(serve_tool, how_the_command_ends_is_the_error_code) {
    serve_script(
        "read -r word; echo \"heard $word\"; [ \"$word\" != kill ] || kill -KILL $$; exit $word");
    const message seven = call("7\n");
    EXPECT_EQ(seven.header.error, 7);
    EXPECT_EQ(seven.text(), "heard 7\n");
    EXPECT_EQ(call("255\n").header.error, 255);
    EXPECT_EQ(call("kill\n").header.error, 128 + SIGKILL);
    EXPECT_EQ(call("0\n").header.error, 0) << "and it goes on";
}

TEST_F(serve_tool, so_many_commands_run_at_once) {
    const std::string gate = make_gate("gate");
    // Each of the two ends only if both run.
    serve_script("if [ $IPCSHIM_CODE = 1 ]; then read -r word <" + gate +
                     "; echo \"got $word\"; "
                     "else echo word >" +
                     gate + "; fi",
                 {"--threads", "2"});
    const exchange_id first = link.open_exchange(1, {}).exchange;
    const exchange_id second = link.open_exchange(2, {}).exchange;
    EXPECT_EQ(link.read({.exchange = first}).text(), "got word\n");
    EXPECT_EQ(link.read({.exchange = second}).header.error, 0);
}

TEST_F(serve_tool, of_more_clients_than_commands_each_gets_its_answer) {
    serve({"-j", "2"}, {"cat"});
    std::vector<ipcshim::socket> clients;
    for (int i = 0; i < 5; ++i) {
        clients.push_back(connect());
        for (int j = 0; j < 2; ++j) {
            clients.back().open_exchange(1, bytes_of(std::to_string(10 * i + j)));
        }
    }
    for (int i = 0; i < 5; ++i) {
        int sum = 0;
        for (int j = 0; j < 2; ++j) {
            sum += std::stoi(std::string(clients[static_cast<std::size_t>(i)].read().text()));
        }
        EXPECT_EQ(sum, 20 * i + 1);
    }
}

TEST_F(serve_tool, an_answer_that_is_too_long_is_an_error) {
    const std::vector<std::string> command{"head", "-c", "10000", "/dev/zero"};
    serve({}, command);
    const message answer = call("");
    EXPECT_EQ(answer.header.error, static_cast<std::uint16_t>(service_errc::answer_too_long));
    EXPECT_EQ(answer.payload.size(), 0U);
    EXPECT_NE(content("serve.err").find("more than the 4096 bytes that an answer may have"),
              std::string::npos)
        << content("serve.err");
    ::kill(server, SIGTERM);
    EXPECT_EQ(finish(server), 0);
    serve({"--max", "10k"}, command);
    EXPECT_EQ(link.message_max(), 10240U);
    EXPECT_EQ(call("").payload.size(), 10000U);
}

TEST_F(serve_tool, ends_after_so_many_calls) {
    serve({"-n", "2"}, {"cat"});
    EXPECT_EQ(call("one").text(), "one");
    EXPECT_TRUE(mine.has_service(name));
    EXPECT_EQ(call("two").text(), "two");
    EXPECT_EQ(finish(server), 0) << content("serve.err");
    EXPECT_FALSE(mine.has_service(name));
    std::error_code error;
    message none;
    link.call(1, {}, none, {}, error);
    EXPECT_EQ(error, std::errc::connection_reset);
    EXPECT_EQ(none.header.end.how, how::closed);
}

TEST_F(serve_tool, a_message_that_wants_no_answer_runs_it_all_the_same) {
    serve_script("read -r word; echo \"$word\" >" + path("made"));
    link.send_once(1, bytes_of("once\n"));
    EXPECT_EQ(call("and again\n").header.exchange, 2U);
    EXPECT_EQ(content("made"), "and again\n");
    link.send_once(1, bytes_of("last\n"));
    while (content("made") != "last\n") {
        ::sched_yield();
    }
}

TEST_F(serve_tool, a_client_that_goes_in_between_harms_nobody) {
    const std::string gate = make_gate("gate");
    serve_script("[ $IPCSHIM_CODE = 1 ] || read -r word <" + gate + "; echo done");
    {
        const ipcshim::socket impatient = connect();
        impatient.open_exchange(2, {});
        const int fd = ::open(gate.c_str(), O_WRONLY | O_CLOEXEC); // the command runs
        link.open_exchange(1, {});
        ::close(fd);
    }
    EXPECT_EQ(link.read().text(), "done\n");
    EXPECT_EQ(call("").text(), "done\n");
}

TEST_F(serve_tool, a_signal_ends_it_in_order) {
    const std::string gate = make_gate("gate");
    serve_script("read -r word <" + gate + "; echo \"after $word\"");
    const exchange_id asked = link.open_exchange(1, {}).exchange;
    const int fd = ::open(gate.c_str(), O_WRONLY | O_CLOEXEC); // the command runs
    ::kill(server, SIGTERM);
    while (mine.has_service(name)) {
        ::sched_yield();
    }
    EXPECT_EQ(::write(fd, "all\n", 4), 4);
    ::close(fd);
    EXPECT_EQ(link.read({.exchange = asked}).text(), "after all\n");
    EXPECT_EQ(finish(server), 0);
}

TEST_F(serve_tool, a_second_signal_ends_it_at_once) {
    const std::string gate = make_gate("gate");
    serve_script("read -r word <" + gate);
    link.open_exchange(1, {});
    const int fd = ::open(gate.c_str(), O_WRONLY | O_CLOEXEC);
    ::kill(server, SIGINT);
    while (mine.has_service(name)) {
        ::sched_yield();
    }
    ::kill(server, SIGTERM);
    EXPECT_EQ(finish(server), 128 + SIGTERM);
    ::close(fd);
}

TEST_F(serve_tool, others_may_call_only_if_told) {
    serve({"--anybody"}, {"cat"});
    // Another user, without root's powers.
    const auto call_as_another = [this] {
        const pid_t child = ::fork();
        if (child == 0) {
            if (::setresuid(1000, 1000, 1000) != 0 ||
                std::freopen("/dev/null", "w", stdout) == nullptr ||
                std::freopen("/dev/null", "w", stderr) == nullptr) {
                ::_exit(98);
            }
            become({"call", "--uid", "0", name, "1", "let me in"});
        }
        children.push_back(child);
        return finish(child);
    };
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root, to be somebody else";
    }
    EXPECT_EQ(call_as_another(), 0);
    ::kill(server, SIGTERM);
    EXPECT_EQ(finish(server), 0);
    serve({}, {"cat"});
    EXPECT_EQ(call_as_another(), tools::not_called);
}

TEST_F(serve_tool, what_cannot_be_run_is_not_published) {
    EXPECT_NE(refused({name, "no-such-program"}, 127)
                  .find("cannot run 'no-such-program': there is no such program in the PATH"),
              std::string::npos)
        << content("serve.err");
    EXPECT_NE(refused({name, "/proc"}, 126).find("cannot run '/proc'"), std::string::npos);
    EXPECT_NE(content("serve.err").find("'tool.test' is not published"), std::string::npos);
}

TEST_F(serve_tool, a_name_that_is_taken_or_cannot_be_is_told) {
    const published_service taken = mine.publish("tool.taken");
    EXPECT_NE(refused({"tool.taken", "cat"}, 1).find("'tool.taken'"), std::string::npos)
        << content("serve.err");
    for (const std::string& bad : {std::string(), std::string(65, 'x'), std::string("a\nb")}) {
        EXPECT_FALSE(refused({bad, "cat"}, 1).empty());
    }
}

TEST_F(serve_tool, a_wrong_command_line_is_exit_code_2) {
    (void)refused({}, 2);
    EXPECT_NE(refused({name}, 2).find("COMMAND"), std::string::npos) << content("serve.err");
    (void)refused({name, "--"}, 2);
    (void)refused({"-j", "0", name, "cat"}, 2);
    (void)refused({"-n", "x", name, "cat"}, 2);
    EXPECT_NE(refused({"--maximum", "3", name, "cat"}, 2).find("'--maximum' is no option"),
              std::string::npos)
        << content("serve.err");
    EXPECT_FALSE(refused({"--max", "1g", name, "cat"}, 1).empty());
    EXPECT_FALSE(refused({"--max", "100", name, "cat"}, 1).empty());
}

} // namespace
