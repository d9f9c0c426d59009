// SPDX-License-Identifier: MIT
//
// Mapped pipes and batches, by the command ipcshim.
#include <gtest/gtest.h>

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ipcshim/ipcshim.hpp>

#include "tool_support.hpp"

namespace {

using namespace ipcshim;
using nlohmann::json;
using tools::test::tool;

class mapped_tool : public tool {
protected:
    // More than any pipe of one unit holds, and no multiple of anything.
    static std::string much() {
        std::string text(1'000'003, '\0');
        for (std::size_t i = 0; i < text.size(); ++i) {
            text[i] = static_cast<char>(i * 2654435761U >> 13);
        }
        return text;
    }
    static std::string lines() {
        std::string text;
        for (int number = 0; number < 1000; ++number) {
            text += "line " + std::to_string(number) + std::string(number % 97, '.') + "\n";
        }
        return text + "\nlast without end";
    }
    // What the file became, with these words for both sides.
    std::string copy(const std::string& text, std::vector<std::string> sends,
                     std::vector<std::string> receives) {
        make_file("from", text);
        receives.insert(receives.begin(), {"receive", "-q"});
        receives.push_back(path("to"));
        const pid_t receiver = start_waiting("receive", receives);
        sends.insert(sends.begin(), "send");
        sends.insert(sends.end(), {std::to_string(receiver), path("from")});
        EXPECT_EQ(finish(start("send", sends)), 0) << content("send.err");
        EXPECT_EQ(finish(receiver), 0) << content("receive.err");
        EXPECT_EQ(content("receive.err"), "");
        return content("to");
    }
    json inspect(pid_t whom = ::getpid()) {
        EXPECT_EQ(finish(start("inspect", {"inspect", "--json", std::to_string(whom)})), 0)
            << content("inspect.err");
        return json::parse(content("inspect.out"));
    }
};

TEST_F(mapped_tool, a_file_goes_by_memory_on_both_sides_or_on_either) {
    const std::string text = much();
    EXPECT_TRUE(copy(text, {"--mapped"}, {"--mapped"}) == text);
    EXPECT_TRUE(copy(text, {"--mapped"}, {}) == text);
}

TEST_F(mapped_tool, lines_go_by_memory_as_messages) {
    EXPECT_TRUE(copy(lines(), {"--mapped", "-m"}, {"--mapped"}) == lines());
    EXPECT_TRUE(copy(lines(), {"--mapped", "-m"}, {"--batch", "7"}) == lines());
}

TEST_F(mapped_tool, receive_mapped_of_an_ordinary_pipe_says_so) {
    make_file("from", "x");
    const pid_t receiver = start_waiting("receive", {"receive", "--mapped", path("to")});
    finish(start("send", {"send", std::to_string(receiver), path("from")}));
    EXPECT_EQ(finish(receiver), 1);
    EXPECT_NE(content("receive.err").find("cannot map the receiver"), std::string::npos)
        << content("receive.err");
}

TEST_F(mapped_tool, send_mapped_says_which_signal_killed_the_receiver) {
    const pid_t receiver = start_waiting("receive", {"receive", "--mapped", path("to")});
    int input[2];
    ASSERT_EQ(::pipe(input), 0);
    const pid_t sender = start("send", {"send", "--mapped", std::to_string(receiver)}, input[0]);
    ASSERT_EQ(::write(input[1], "abc", 3), 3);
    while (content("to") != "abc") {
        ::sched_yield();
    }
    for (const pid_t each : {sender, receiver}) { // they do have it mapped
        const json told = inspect(each);
        EXPECT_EQ(told.at(1).at("info").at("ipcshim-mapped"), "1") << told;
        EXPECT_FALSE(told.at(1).at("mappings").empty()) << told;
    }
    ::kill(receiver, SIGKILL);
    EXPECT_EQ(finish(receiver), 128 + SIGKILL);
    ASSERT_EQ(::write(input[1], "def", 3), 3); // it sees the end when it has something
    EXPECT_EQ(finish(sender), 1);
    EXPECT_NE(content("send.err").find("was killed by signal 9 (Killed) before all was sent"),
              std::string::npos)
        << content("send.err");
    ::close(input[0]);
    ::close(input[1]);
}

TEST_F(mapped_tool, lines_go_in_batches) {
    EXPECT_TRUE(copy(lines(), {"-m", "--batch", "64"}, {"--batch", "64"}) == lines());
    EXPECT_TRUE(copy(lines(), {"-m", "--batch", "1024"}, {}) == lines());
}

TEST_F(mapped_tool, a_batch_waits_for_no_line_that_is_not_there) {
    const pid_t receiver = start_waiting("receive", {"receive", "--batch", "64", path("to")});
    int input[2];
    ASSERT_EQ(::pipe(input), 0);
    const pid_t sender =
        start("send", {"send", "-m", "--batch", "64", std::to_string(receiver)}, input[0]);
    ::close(input[0]);
    ASSERT_EQ(::write(input[1], "one\n", 4), 4);
    while (content("to") != "one\n") { // the input is open still
        ::sched_yield();
    }
    ::close(input[1]);
    EXPECT_EQ(finish(sender), 0) << content("send.err");
    EXPECT_EQ(finish(receiver), 0) << content("receive.err");
}

TEST_F(mapped_tool, a_batch_with_a_line_that_is_too_long_is_refused_with_a_sentence) {
    make_file("from", "short\n" + std::string(message_max + 1, 'x') + "\nshort\n");
    const pid_t receiver = start_waiting("receive", {"receive", path("to")});
    EXPECT_EQ(finish(start("send",
                           {"send", "-m", "--batch", "8", std::to_string(receiver), path("from")})),
              1);
    EXPECT_NE(content("send.err").find("2 messages to the pipe: a message has at most"),
              std::string::npos)
        << content("send.err");
}

TEST_F(mapped_tool, receive_in_batches_of_a_stream_says_what_to_do) {
    make_file("from", "x");
    const pid_t receiver = start_waiting("receive", {"receive", "--batch", "8", path("to")});
    finish(start("send", {"send", std::to_string(receiver), path("from")}));
    EXPECT_EQ(finish(receiver), 1);
    EXPECT_NE(content("receive.err").find("--batch is for messages"), std::string::npos)
        << content("receive.err");
}

TEST_F(mapped_tool, what_does_not_go_together_is_exit_code_2) {
    EXPECT_EQ(finish(start("a", {"send", "--batch", "8", "1"})), 2);
    EXPECT_NE(content("a.err").find("--message"), std::string::npos) << content("a.err");
    EXPECT_EQ(finish(start("b", {"send", "-m", "--batch", "1025", "1"})), 2);
    EXPECT_EQ(finish(start("c", {"send", "-m", "--batch", "0", "1"})), 2);
    EXPECT_EQ(finish(start("d", {"send", "-m", "--batch", "8", "--mapped", "1"})), 2);
    EXPECT_EQ(finish(start("e", {"receive", "--batch", "8", "--mapped"})), 2);
}

TEST_F(mapped_tool, inspect_tells_which_end_is_mapped_and_where) {
    pipe_pair pair = mine.open_pipe({.mode = pipe_mode::message, .mapped = true});
    const std::string area = std::to_string(pair.sender.info().area());
    const int sender_fd = pair.sender.fd();
    const mapped_sender sender(std::move(pair.sender));
    const json told = inspect();
    ASSERT_EQ(told.size(), 3U) << told;
    EXPECT_EQ(told.at(1).at("fd"), sender_fd);
    EXPECT_EQ(told.at(1).at("info").at("ipcshim-area"), area);
    EXPECT_EQ(told.at(1).at("info").at("ipcshim-mapped"), "1");
    EXPECT_EQ(told.at(2).at("info").at("ipcshim-area"), area);
    EXPECT_EQ(told.at(2).at("info").at("ipcshim-mapped"), "0");
    // The receiver's index is to read, the rest to write.
    const json mappings = told.at(1).at("mappings");
    ASSERT_EQ(mappings.size(), 3U) << told;
    EXPECT_TRUE(mappings.at(0).get<std::string>().ends_with(" rw-s")) << mappings;
    EXPECT_TRUE(mappings.at(1).get<std::string>().ends_with(" r--s")) << mappings;
    EXPECT_TRUE(mappings.at(2).get<std::string>().ends_with(" rw-s")) << mappings;
    EXPECT_FALSE(told.at(2).contains("mappings")) << told;
}

TEST_F(mapped_tool, inspect_of_an_ordinary_pipe_tells_nothing_of_mapping) {
    const pipe_pair pair = mine.open_pipe();
    const json told = inspect();
    ASSERT_EQ(told.size(), 3U) << told;
    EXPECT_FALSE(told.at(1).at("info").contains("ipcshim-area")) << told;
    EXPECT_FALSE(told.at(1).at("info").contains("ipcshim-mapped")) << told;
}

TEST_F(mapped_tool, inspect_finds_a_mapping_without_a_descriptor) {
    pipe_pair pair = mine.open_pipe({.mapped = true});
    const std::string name =
        "ipcshim:[receiver:" + std::to_string(pair.receiver.info().inode()) + "]";
    const int fd = pair.receiver.fd();
    const long page = ::sysconf(_SC_PAGESIZE);
    void* const place =
        ::mmap(nullptr, static_cast<std::size_t>(page), PROT_READ, MAP_SHARED, fd, 0);
    ASSERT_NE(place, MAP_FAILED);
    pair.receiver.close();
    const json told = inspect();
    ASSERT_EQ(told.size(), 3U) << told;
    EXPECT_FALSE(told.at(2).contains("fd"));
    EXPECT_EQ(told.at(2).at("target"), name);
    EXPECT_TRUE(told.at(2).at("mappings").at(0).get<std::string>().ends_with(" r--s")) << told;
    ::munmap(place, static_cast<std::size_t>(page));
}

TEST_F(mapped_tool, info_counts_the_memory_of_a_mapped_pipe) {
    EXPECT_EQ(finish(start("before", {"info", "--json"})), 0);
    const json before = json::parse(content("before.out"));
    const pipe_pair pair = mine.open_pipe({.mapped = true});
    EXPECT_EQ(finish(start("after", {"info", "--json"})), 0);
    const json after = json::parse(content("after.out"));
    const auto area = pair.sender.info().area();
    EXPECT_GE(area, capacity_unit);
    EXPECT_GE(after.at("total").at("ring_bytes").get<std::uint64_t>(),
              before.at("total").at("ring_bytes").get<std::uint64_t>() + area);
}

} // namespace
