// SPDX-License-Identifier: MIT
//
// The command ipcshim, against the module.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include <ipcshim/ipcshim.hpp>

#include "tool_support.hpp"

namespace {

using namespace ipcshim;
using tools::test::tool;
namespace fs = std::filesystem;

TEST_F(tool, send_and_receive_copy_a_file_byte_by_byte) {
    std::string text(3'000'017, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) {
        text[i] = static_cast<char>(i * 2654435761U >> 13);
    }
    make_file("from", text);
    const pid_t receiver = start_waiting("receive", {"receive", path("to")});
    EXPECT_EQ(finish(start("send", {"send", std::to_string(receiver), path("from")})), 0)
        << content("send.err");
    EXPECT_EQ(finish(receiver), 0) << content("receive.err");
    EXPECT_TRUE(content("to") == text);
    EXPECT_NE(content("receive.err").find("ipcshim send " + std::to_string(receiver)),
              std::string::npos);
}

TEST_F(tool, lines_go_as_messages_with_their_ends) {
    make_file("from", "one\n\nthree\nlast without end");
    const receiver end = [this] {
        mine.handle({event_code::recv_pipe});
        const pid_t child = start(
            "send", {"send", "-m", "--command", "7", std::to_string(::getpid()), path("from")});
        const event announced = mine.read_event();
        EXPECT_EQ(announced.command(), 7);
        EXPECT_EQ(announced.as_recv_pipe()->mode, pipe_mode::message);
        receiver claimed = mine.claim_receiver(announced);
        EXPECT_EQ(finish(child), 0) << content("send.err");
        return claimed;
    }();
    std::vector<std::string> messages;
    for (std::string message; end.read_message(message);) {
        messages.push_back(message);
    }
    EXPECT_EQ(messages, (std::vector<std::string>{"one\n", "\n", "three\n", "last without end"}));
}

TEST_F(tool, receive_writes_messages_as_they_came) {
    make_file("from", "one\n\nthree\n");
    const pid_t receiver = start_waiting("receive", {"receive", "-q"});
    EXPECT_EQ(finish(start("send", {"send", "-m", std::to_string(receiver), path("from")})), 0);
    EXPECT_EQ(finish(receiver), 0);
    EXPECT_EQ(content("receive.out"), "one\n\nthree\n");
    EXPECT_EQ(content("receive.err"), "");
}

TEST_F(tool, a_line_longer_than_a_message_is_refused_with_a_sentence) {
    make_file("from", std::string(message_max + 1, 'x'));
    const pid_t receiver = start_waiting("receive", {"receive", path("to")});
    EXPECT_EQ(finish(start("send", {"send", "-m", std::to_string(receiver), path("from")})), 1);
    EXPECT_NE(content("send.err").find("a message has at most"), std::string::npos)
        << content("send.err");
}

TEST_F(tool, send_to_a_process_without_a_port_says_so) {
    make_file("from", "x");
    EXPECT_EQ(finish(start("send", {"send", "1", path("from")})), 1);
    EXPECT_NE(content("send.err").find("cannot open a pipe to process 1: it has no port"),
              std::string::npos)
        << content("send.err");
}

TEST_F(tool, send_of_a_file_that_is_not_there_names_it) {
    EXPECT_EQ(finish(start("send", {"send", "1", path("nothing")})), 1);
    EXPECT_NE(content("send.err").find("cannot read '" + path("nothing") + "'"), std::string::npos)
        << content("send.err");
}

TEST_F(tool, receive_gives_up_when_its_time_is_over) {
    EXPECT_EQ(finish(start("receive", {"receive", "-q", "-t", "0.01"})), 1);
    EXPECT_NE(content("receive.err").find("no process sent anything in time"), std::string::npos);
}

TEST_F(tool, receive_says_which_signal_killed_the_sender) {
    const pid_t receiver = start_waiting("receive", {"receive", path("to")});
    int input[2];
    ASSERT_EQ(::pipe(input), 0);
    const pid_t sender = start("send", {"send", std::to_string(receiver)}, input[0]);
    ASSERT_EQ(::write(input[1], "abc", 3), 3);
    std::string come;
    while (come != "abc") { // it came through: the sender is at work
        ::sched_yield();
        come = content("to");
    }
    ::kill(sender, SIGKILL);
    EXPECT_EQ(finish(sender), 128 + SIGKILL);
    EXPECT_EQ(finish(receiver), 1);
    EXPECT_NE(content("receive.err")
                  .find("the sender was killed by signal 9 (Killed) after 3 "
                        "bytes"),
              std::string::npos)
        << content("receive.err");
    ::close(input[0]);
    ::close(input[1]);
}

TEST_F(tool, send_says_which_signal_killed_the_receiver) {
    const pid_t receiver = start_waiting("receive", {"receive", path("to")});
    const int endless = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
    const pid_t sender = start("send", {"send", std::to_string(receiver)}, endless);
    while (!fs::exists(path("to")) || fs::file_size(path("to")) == 0) {
        ::sched_yield();
    }
    ::kill(receiver, SIGKILL);
    EXPECT_EQ(finish(receiver), 128 + SIGKILL);
    EXPECT_EQ(finish(sender), 1);
    EXPECT_NE(content("send.err").find("was killed by signal 9 (Killed) before all was sent"),
              std::string::npos)
        << content("send.err");
    ::close(endless);
}

TEST_F(tool, events_prints_one_json_object_a_line) {
    const pid_t child = start_waiting("events", {"events", "--json", "-q", "-n", "2"});
    const sender first = mine.open_sender(child, {.command = 3});
    const receiver second = mine.open_receiver(child);
    EXPECT_EQ(finish(child), 0) << content("events.err");
    std::istringstream lines(content("events.out"));
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    const auto one = nlohmann::json::parse(line);
    EXPECT_EQ(one.at("event"), "recv_pipe");
    EXPECT_EQ(one.at("command"), 3);
    EXPECT_EQ(one.at("pid"), ::getpid());
    EXPECT_EQ(one.at("end"), "receiver");
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(nlohmann::json::parse(line).at("end"), "sender");
    EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(tool, events_of_segments_are_told_in_full) {
    const pid_t child = start_waiting("events", {"events", "--json", "-q", "-n", "2"});
    const segment memory = mine.create_segment(8192);
    memory.share(child, rights::read, {.command = 4});
    memory.unshare(child); // not claimed, so nothing is told of it
    segment given = mine.create_segment(4096);
    std::move(given).hand_over(child, rights::read | rights::execute);
    EXPECT_EQ(finish(child), 0) << content("events.err");
    std::istringstream lines(content("events.out"));
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    const auto one = nlohmann::json::parse(line);
    EXPECT_EQ(one.at("event"), "recv_shared_mem");
    EXPECT_EQ(one.at("command"), 4);
    EXPECT_EQ(one.at("mode"), "mutual");
    EXPECT_EQ(one.at("rights"), "r--");
    EXPECT_EQ(one.at("length"), 8192);
    EXPECT_FALSE(one.contains("lease_end"));
    ASSERT_TRUE(std::getline(lines, line));
    const auto two = nlohmann::json::parse(line);
    EXPECT_EQ(two.at("mode"), "exclusive");
    EXPECT_EQ(two.at("rights"), "r-x");
}

TEST_F(tool, listen_is_events) {
    const pid_t child = start_waiting("listen", {"listen", "-n", "1"});
    const sender first = mine.open_sender(child);
    EXPECT_EQ(finish(child), 0);
    EXPECT_TRUE(content("listen.out")
                    .starts_with("#1 recv_pipe from process " + std::to_string(::getpid())))
        << content("listen.out");
}

nlohmann::json features_of(const driver_info& now) {
    auto names = nlohmann::json::array({"events", "pipes"});
    if (now.has(IPCSHIM_FEATURE_SEGMENTS)) {
        names.emplace_back("segments");
    }
    if (now.has(IPCSHIM_FEATURE_DMABUF)) {
        names.emplace_back("dmabuf");
    }
    if (now.has(IPCSHIM_FEATURE_PTYS)) {
        names.emplace_back("ptys");
    }
    if (now.has(IPCSHIM_FEATURE_SOCKETS)) {
        names.emplace_back("sockets");
    }
    for (const char* name : {"mapped", "batch", "uring"}) {
        names.emplace_back(name); // the module that this tree builds has them
    }
    return names;
}

TEST_F(tool, info_counts_segments_and_their_bytes) {
    const segment memory = mine.create_segment(8192, {.small_pages = true});
    memory.map().bytes()[0] = std::byte{1};
    EXPECT_EQ(finish(start("info", {"info", "--json"})), 0) << content("info.err");
    const auto told = nlohmann::json::parse(content("info.out"));
    EXPECT_EQ(told.at("used").at("segment_bytes"), 8192);
    EXPECT_EQ(told.at("total").at("segments"), 1);
    EXPECT_EQ(told.at("total").at("segment_bytes"), mine.query().page_size());
    EXPECT_EQ(finish(start("text", {"info"})), 0);
    EXPECT_NE(content("text.out").find("bytes of segments  8192 of "), std::string::npos)
        << content("text.out");
}

TEST_F(tool, info_as_json_agrees_with_query) {
    EXPECT_EQ(finish(start("info", {"info", "--json"})), 0) << content("info.err");
    const auto told = nlohmann::json::parse(content("info.out"));
    const driver_info now = mine.query();
    EXPECT_EQ(told.at("abi_version"), now.abi_version());
    EXPECT_EQ(told.at("limits").at("ports"), now.limits().ports);
    EXPECT_EQ(told.at("page_size"), now.page_size());
    EXPECT_EQ(told.at("features"), features_of(now));
    EXPECT_EQ(told.at("limits").at("segment_bytes"), now.limits().segment_bytes);
    EXPECT_EQ(told.at("used").at("segment_bytes"), now.used().segment_bytes);
}

TEST_F(tool, inspect_lists_port_and_ends_of_another_process) {
    const pipe_pair pair = mine.open_pipe();
    EXPECT_EQ(finish(start("inspect", {"inspect", "--json", std::to_string(::getpid())})), 0)
        << content("inspect.err");
    const auto told = nlohmann::json::parse(content("inspect.out"));
    ASSERT_EQ(told.size(), 3U) << told;
    EXPECT_EQ(told.at(0).at("fd"), mine.fd());
    EXPECT_EQ(told.at(0).at("target"), default_device);
    EXPECT_EQ(told.at(1).at("target"),
              "ipcshim:[sender:" + std::to_string(pair.sender.info().inode()) + "]");
    EXPECT_FALSE(told.at(1).at("info").empty());
}

TEST_F(tool, inspect_shows_segments_and_where_they_are_mapped) {
    const segment kept = mine.create_segment(4096);
    const mapping kept_view = kept.map();
    segment dropped = mine.create_segment(4096);
    const const_mapping dropped_view = dropped.map_const();
    const std::string dropped_name = "ipcshim:[segment:" + std::to_string(dropped.inode()) + "]";
    dropped.close();
    EXPECT_EQ(finish(start("inspect", {"inspect", "--json", std::to_string(::getpid())})), 0)
        << content("inspect.err");
    const auto told = nlohmann::json::parse(content("inspect.out"));
    ASSERT_EQ(told.size(), 3U) << told;
    const auto& first = told.at(1);
    EXPECT_EQ(first.at("fd"), kept.fd());
    EXPECT_EQ(first.at("target"), "ipcshim:[segment:" + std::to_string(kept.inode()) + "]");
    EXPECT_EQ(first.at("info").at("ipcshim-mode"), "made");
    EXPECT_EQ(first.at("info").at("ipcshim-length"), "4096");
    std::ostringstream place;
    place << std::hex << kept_view.address() << '-' << kept_view.address() + 4096 << " rw-s";
    ASSERT_EQ(first.at("mappings").size(), 1U) << told;
    EXPECT_EQ(first.at("mappings").at(0), place.str());
    const auto& second = told.at(2);
    EXPECT_FALSE(second.contains("fd"));
    EXPECT_EQ(second.at("target"), dropped_name);
    EXPECT_TRUE(second.at("mappings").at(0).get<std::string>().ends_with(" r--s")) << second;
    EXPECT_EQ(finish(start("text", {"inspect", std::to_string(::getpid())})), 0);
    EXPECT_NE(content("text.out").find("\n-: " + dropped_name + "\n    mapped "), std::string::npos)
        << content("text.out");
}

TEST_F(tool, inspect_of_no_process_says_so) {
    EXPECT_EQ(finish(start("inspect", {"inspect", "4194304"})), 1);
    EXPECT_NE(content("inspect.err").find("there is no process 4194304"), std::string::npos);
}

TEST_F(tool, a_wrong_command_line_is_exit_code_2) {
    EXPECT_EQ(finish(start("a", {"send", "me"})), 2);
    EXPECT_NE(content("a.err").find("'me' is not a process; give its pid"), std::string::npos);
    EXPECT_EQ(finish(start("b", {})), 2);
    EXPECT_EQ(finish(start("c", {"--help"})), 0);
}

} // namespace
