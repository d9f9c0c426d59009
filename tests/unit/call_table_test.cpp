// SPDX-License-Identifier: MIT
//
// What becomes of a call in a service's table, without a service.
#include "call_table.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

detail::call_result run(const detail::call_table& table, std::uint16_t code) {
    message request;
    request.header.code = code;
    call_context context(client_id{1}, std::move(request));
    return table.run(context);
}

TEST(call_table, calls_the_handler_of_the_code) {
    detail::call_table table;
    table.set(1, [](call_context&, std::vector<std::byte>& answer) { answer.resize(1); });
    table.set(2, [](call_context& context, std::vector<std::byte>& answer) {
        EXPECT_EQ(context.client(), client_id{1});
        answer.resize(2);
    });
    EXPECT_EQ(run(table, 1).answer.size(), 1U);
    const detail::call_result result = run(table, 2);
    EXPECT_EQ(result.answer.size(), 2U);
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.failure, "");
}

TEST(call_table, a_later_handler_replaces_and_an_empty_one_removes) {
    detail::call_table table;
    table.set(1, [](call_context&, std::vector<std::byte>& answer) { answer.resize(1); });
    table.set(1, [](call_context&, std::vector<std::byte>& answer) { answer.resize(3); });
    EXPECT_EQ(run(table, 1).answer.size(), 3U);
    table.set(1, {});
    EXPECT_EQ(run(table, 1).error, static_cast<std::uint16_t>(service_errc::unknown_method));
}

template <typename Thrown> detail::call_result result_of(const Thrown& thrown) {
    detail::call_table table;
    table.set(1, [thrown](call_context&, std::vector<std::byte>&) { throw thrown; });
    return run(table, 1);
}

TEST(call_table, what_a_handler_throws_becomes_an_error) {
    detail::call_result result = result_of(service_error(5, "full"));
    EXPECT_EQ(result.error, 5);
    EXPECT_EQ(result.text, "full");
    EXPECT_EQ(result.failure, "") << "the client knows, nobody else need";

    result = result_of(codec_error("short"));
    EXPECT_EQ(result.error, static_cast<std::uint16_t>(service_errc::malformed));
    EXPECT_EQ(result.text, "short");

    result = result_of(std::runtime_error("a secret of the service"));
    EXPECT_EQ(result.error, static_cast<std::uint16_t>(service_errc::handler_failed));
    EXPECT_EQ(result.text, "") << "the client is not told";
    EXPECT_EQ(result.failure, "a secret of the service");

    result = result_of(42);
    EXPECT_EQ(result.error, static_cast<std::uint16_t>(service_errc::handler_failed));
    EXPECT_NE(result.failure, "");
}

TEST(call_table, an_error_without_a_code_is_one_all_the_same) {
    EXPECT_EQ(result_of(service_error(0)).error,
              static_cast<std::uint16_t>(service_errc::handler_failed));
}

TEST(call_table, an_answer_begun_does_not_go_out_with_an_error) {
    detail::call_table table;
    table.set(1, [](call_context&, std::vector<std::byte>& answer) {
        answer.resize(7);
        throw service_error(5);
    });
    EXPECT_TRUE(run(table, 1).answer.empty());
}

TEST(call_context, what_is_given_is_closed_with_it) {
    fake_kernel kernel;
    const int given = kernel.make_fd();
    {
        call_context context(client_id{1}, message{});
        context.give(sender(detail::handle(kernel, given), pipe_mode::raw));
        ASSERT_EQ(context.attachments().size(), 1U);
        EXPECT_EQ(context.attachments()[0].raw().fd, given);
        EXPECT_TRUE(kernel.open_fds().contains(given)) << "until the answer is sent";
    }
    EXPECT_TRUE(kernel.open_fds().empty());
    EXPECT_EQ(kernel.bad_closes(), 0);
}

TEST(call_context, carries_as_much_as_a_message_can_and_says_so) {
    fake_kernel kernel;
    call_context context(client_id{1}, message{});
    const sender end(detail::handle(kernel, kernel.make_fd()), pipe_mode::raw);
    for (std::size_t i = 0; i < descriptors_max; ++i) {
        context.attach(end);
    }
    const std::string text = thrown<std::length_error>([&] { context.attach(end); });
    EXPECT_TRUE(text.starts_with("one message carries at most 8 descriptors")) << text;
    receiver kept(detail::handle(kernel, kernel.make_fd()), pipe_mode::raw);
    EXPECT_THROW(context.give(std::move(kept)), std::length_error);
    EXPECT_TRUE(kept.is_open()) << "it stays the caller's";
}

} // namespace
