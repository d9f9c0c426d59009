// SPDX-License-Identifier: MIT
//
// The command 'ipcshim call'. The service is the test itself, on one thread.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ipcshim/ipcshim.hpp>

#include "tool_support.hpp"

namespace {

using namespace ipcshim;

class call_tool : public tools::test::tool {
protected:
    // Starts 'ipcshim call ...' and lets it in.
    ipcshim::socket accept(std::vector<std::string> words, int input = -1) {
        words.insert(words.begin(), "call");
        child = start("call", std::move(words), input);
        return mine.accept(mine.read_event());
    }
    // The same, and takes its question.
    message question(std::vector<std::string> words, int input = -1) {
        client = accept(std::move(words), input);
        return client.read();
    }
    // Answers, and waits for the exit code.
    int answer(const message& to, const std::string& text, std::uint16_t error = 0) {
        if (error == 0) {
            client.answer(to.header.exchange, bytes_of(text));
        } else {
            client.fail(to.header.exchange, error, bytes_of(text));
        }
        return finish(child);
    }
    // What a command line without a service, or without an answer, says.
    std::string refused(std::vector<std::string> words, int code = tools::not_called) {
        words.insert(words.begin(), "call");
        EXPECT_EQ(finish(start("call", std::move(words))), code) << content("call.err");
        EXPECT_EQ(content("call.out"), "");
        return content("call.err");
    }
    // A child that sleeps in an ioctl.
    static bool is_in_ioctl(pid_t pid) {
        std::ifstream in("/proc/" + std::to_string(pid) + "/syscall");
        std::string number;
        in >> number;
        return number == std::to_string(SYS_ioctl);
    }

    published_service name = mine.publish("tool.test");
    ipcshim::socket client;
    pid_t child = 0;
};

TEST_F(call_tool, the_answer_is_written_as_it_came) {
    const message asked = question({"tool.test", "0x1ff", "a question"});
    EXPECT_EQ(asked.header.code, 0x1ff);
    EXPECT_EQ(asked.header.pid, child);
    EXPECT_FALSE(asked.header.concludes);
    EXPECT_EQ(asked.text(), "a question");
    const std::string bytes("no end of line, and a \0 byte", 28);
    EXPECT_EQ(answer(asked, bytes), 0) << content("call.err");
    EXPECT_EQ(content("call.out"), bytes);
    EXPECT_EQ(content("call.err"), "");
}

TEST_F(call_tool, no_payload_is_an_empty_message) {
    const message asked = question({"tool.test", "7"});
    EXPECT_EQ(asked.header.code, 7);
    EXPECT_TRUE(asked.payload.empty());
    EXPECT_EQ(answer(asked, ""), 0);
    EXPECT_EQ(content("call.out"), "");
}

TEST_F(call_tool, the_input_goes_whole) {
    const published_service large = mine.publish("tool.large", {.message_max = 1 << 20});
    std::string text(300'001, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) {
        text[i] = static_cast<char>(i * 2654435761U >> 13);
    }
    make_file("in", text);
    const int input = ::open(path("in").c_str(), O_RDONLY | O_CLOEXEC);
    const message asked = question({"tool.large", "1", "-"}, input);
    ::close(input);
    EXPECT_TRUE(asked.text() == text);
    std::reverse(text.begin(), text.end());
    EXPECT_EQ(answer(asked, text), 0);
    EXPECT_TRUE(content("call.out") == text);
}

TEST_F(call_tool, what_is_too_long_for_the_service_is_told) {
    make_file("in", std::string(socket_message + 1, 'x'));
    const int input = ::open(path("in").c_str(), O_RDONLY | O_CLOEXEC);
    const ipcshim::socket let_in = accept({"tool.test", "1", "-"}, input);
    ::close(input);
    EXPECT_EQ(finish(child), tools::not_called);
    EXPECT_NE(content("call.err").find("takes messages of at most 4096 bytes"), std::string::npos)
        << content("call.err");
}

TEST_F(call_tool, an_error_code_is_the_exit_status) {
    const std::array<std::pair<std::uint16_t, int>, 4> codes{
        {{1, 1}, {77, 77}, {255, 255}, {0xFF01, 255}}};
    for (const auto& [code, status] : codes) {
        EXPECT_EQ(answer(question({"tool.test", "9"}), "why", code), status);
        EXPECT_EQ(content("call.out"), "why");
        EXPECT_NE(content("call.err")
                      .find("'tool.test' answered method 9 with the error " + std::to_string(code)),
                  std::string::npos)
            << content("call.err");
    }
}

TEST_F(call_tool, as_json_there_is_more_to_read) {
    EXPECT_EQ(answer(question({"--json", "tool.test", "1", "x"}), "fine\n"), 0);
    const auto told = nlohmann::json::parse(content("call.out"));
    EXPECT_EQ(told.at("text"), "fine\n");
    EXPECT_EQ(told.at("error"), 0);
    EXPECT_EQ(told.at("exchange"), 1);
    EXPECT_EQ(told.at("connection"), client.connection());
    EXPECT_EQ(told.at("pid"), ::getpid());
    EXPECT_EQ(told.at("uid"), ::geteuid());
    EXPECT_EQ(told.at("length"), 5);
    EXPECT_EQ(answer(question({"--json", "tool.test", "1", "x"}), "\xff\x01", 3), 3);
    const auto failed = nlohmann::json::parse(content("call.out"));
    EXPECT_EQ(failed.at("hex"), "ff01");
    EXPECT_FALSE(failed.contains("text"));
    EXPECT_EQ(failed.at("error"), 3);
}

TEST_F(call_tool, json_goes_as_cbor_and_comes_back) {
    const message asked = question({"--cbor", "tool.test", "1", "{\"key\": [1, 2.5, null]}"});
    std::vector<std::uint8_t> bytes(asked.payload.size());
    std::transform(asked.payload.begin(), asked.payload.end(), bytes.begin(),
                   [](std::byte each) { return std::to_integer<std::uint8_t>(each); });
    const nlohmann::json expected{{"key", {1, 2.5, nullptr}}};
    EXPECT_EQ(nlohmann::json::from_cbor(bytes), expected);
    const auto reply = nlohmann::json::to_cbor(nlohmann::json{{"found", "blue"}});
    EXPECT_EQ(answer(asked, std::string(reply.begin(), reply.end())), 0);
    EXPECT_EQ(nlohmann::json::parse(content("call.out")), (nlohmann::json{{"found", "blue"}}));
    EXPECT_EQ(answer(question({"--cbor", "tool.test", "1"}), "a text", 9), 9);
    EXPECT_EQ(content("call.out"), "a text");
    // Bytes that are none, and a payload that is none.
    EXPECT_EQ(answer(question({"--cbor", "tool.test", "1"}), "\xff"), tools::not_called);
    EXPECT_NE(content("call.err").find("are not CBOR"), std::string::npos) << content("call.err");
    EXPECT_NE(refused({"--cbor", "tool.test", "1", "{key"}).find("the payload is not JSON"),
              std::string::npos);
    EXPECT_EQ(mine.events_waiting(), 0U) << "nobody was asked";
}

TEST_F(call_tool, descriptors_of_the_answer_are_told_and_closed) {
    const message asked = question({"tool.test", "1"});
    const pipe_pair pair = mine.open_pipe();
    const std::array<attachment, 1> carried{attachment(pair.sender)};
    client.answer(asked.header.exchange, bytes_of("take this"), {.attachments = carried});
    EXPECT_EQ(finish(child), 0);
    EXPECT_EQ(content("call.out"), "take this");
    EXPECT_NE(content("call.err").find("1 descriptors, which are closed"), std::string::npos);
}

TEST_F(call_tool, a_name_that_nobody_has_is_not_called) {
    EXPECT_NE(refused({"tool.nobody", "1"}).find("'tool.nobody'"), std::string::npos)
        << content("call.err");
    EXPECT_NE(refused({"--uid", "12345", "tool.test", "1"}).find("'tool.test'"), std::string::npos);
    EXPECT_EQ(answer(question({"--uid", std::to_string(::geteuid()), "tool.test", "1"}), ""), 0)
        << content("call.err");
}

TEST_F(call_tool, names_that_cannot_be_are_told_and_nobody_is_asked) {
    for (const std::string& bad :
         {std::string(), std::string(65, 'x'), std::string("a\tb"), std::string("\xc3\xa4")}) {
        EXPECT_FALSE(refused({bad, "1"}).empty());
    }
    EXPECT_EQ(mine.events_waiting(), 0U);
}

TEST_F(call_tool, a_rejection_tells_the_services_word) {
    child = start("call", {"call", "tool.test", "1"});
    mine.reject(mine.read_event(), 4242);
    EXPECT_EQ(finish(child), tools::not_called);
    EXPECT_NE(content("call.err").find("4242"), std::string::npos) << content("call.err");
}

TEST_F(call_tool, the_time_is_for_letting_in_and_for_the_answer) {
    // A time that is too short may pass before it has asked: there is no event then.
    double seconds = 0.01;
    std::optional<event> given_up;
    for (; !given_up; seconds *= 2) {
        ASSERT_LT(seconds, 10) << "the event stays";
        EXPECT_FALSE(refused({"-t", std::to_string(seconds), "tool.test", "1"}).empty());
        given_up = mine.try_read_event();
    }
    std::error_code error;
    mine.reject(*given_up, 1, error);
    EXPECT_EQ(error, std::errc::no_such_file_or_directory);

    // In many times as long it has asked, was let in, and has sent its question.
    const message asked = question({"-t", std::to_string(50 * seconds), "tool.test", "1"});
    EXPECT_EQ(finish(child), tools::not_called);
    EXPECT_FALSE(content("call.err").empty());
}

TEST_F(call_tool, waits_for_a_name_if_told_to) {
    child = start("call", {"call", "--wait", "tool.later", "3", "hello"});
    while (!is_in_ioctl(child)) {
        ASSERT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << content("call.err");
        ::sched_yield();
    }
    const published_service later = mine.publish("tool.later");
    client = mine.accept(mine.read_event());
    EXPECT_EQ(answer(client.read(), "here"), 0) << content("call.err");
    EXPECT_EQ(content("call.out"), "here");
    EXPECT_FALSE(refused({"--wait", "-t", "0.01", "tool.never", "1"}).empty());
}

TEST_F(call_tool, a_service_that_goes_in_between_is_told) {
    const message asked = question({"tool.test", "1"});
    client.close();
    EXPECT_EQ(finish(child), tools::not_called);
    EXPECT_FALSE(content("call.err").empty());
    EXPECT_EQ(content("call.out"), "");
}

TEST_F(call_tool, a_wrong_command_line_is_exit_code_2_and_asks_nobody) {
    for (const std::string code : {"65536", "-1", "x", "0x", "0x10000", "1.5", ""}) {
        EXPECT_NE(refused({"tool.test", code}, 2).find("is not a code"), std::string::npos)
            << code << ": " << content("call.err");
    }
    (void)refused({"tool.test"}, 2);
    (void)refused({}, 2);
    (void)refused({"-t", "-1", "tool.test", "1"}, 2);
    EXPECT_NE(refused({"--uid", "me", "tool.test", "1"}, 2).find("'me' is not a user"),
              std::string::npos);
    (void)refused({"tool.test", "1", "payload", "more"}, 2);
    EXPECT_EQ(mine.events_waiting(), 0U);
}

} // namespace
