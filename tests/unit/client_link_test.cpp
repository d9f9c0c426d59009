// SPDX-License-Identifier: MIT
//
// Whose answer is it? What a client's connection knows, without a connection.
#include "client_link.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include <ipcshim/ipcshim.hpp>

namespace {

using namespace ipcshim;
using detail::client_link;
using detail::waiting_call;

message answer_to(exchange_id exchange) {
    message answer;
    answer.header.exchange = exchange;
    answer.header.counter = 2;
    return answer;
}

waiting_call counting(int& count, deadline until = no_deadline) {
    return {.callback = [&count](std::error_code, std::string, message&&) { ++count; },
            .until = until};
}

deadline at(int nanoseconds) {
    return deadline(std::chrono::nanoseconds(nanoseconds));
}

class client_links : public ::testing::Test {
protected:
    bool sort(exchange_id exchange) {
        message answer = answer_to(exchange);
        auto callback = link.sort(answer);
        if (callback) {
            (*callback)({}, {}, std::move(answer));
        }
        return callback.has_value();
    }
    client_link link{ipcshim::socket(), 1};
    int told = 0;
};

TEST_F(client_links, an_answer_goes_to_the_call_that_waits_for_it) {
    waiting_call call = counting(told);
    EXPECT_FALSE(link.expect(5, call).has_value());
    EXPECT_FALSE(sort(4)) << "of another";
    EXPECT_TRUE(sort(5));
    EXPECT_FALSE(sort(5)) << "once";
    EXPECT_EQ(told, 1);
}

TEST_F(client_links, an_answer_that_is_faster_than_its_call_is_kept) {
    EXPECT_FALSE(sort(5));
    waiting_call call = counting(told);
    const auto answer = link.expect(5, call);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->header.exchange, 5U);
    EXPECT_TRUE(call.callback) << "it is still the caller's";
    EXPECT_FALSE(link.expect(5, call).has_value()) << "once";
}

TEST_F(client_links, an_abandoned_answer_is_thrown_away_whenever_it_comes) {
    link.abandon(5);
    EXPECT_TRUE(link.has_abandoned());
    EXPECT_FALSE(sort(5));
    EXPECT_FALSE(link.has_abandoned());
    EXPECT_FALSE(sort(6)); // kept
    link.abandon(6);
    EXPECT_FALSE(link.has_abandoned()) << "it had come already";
    message answer;
    EXPECT_EQ(link.claim(6, answer, at(0)).value(), ETIMEDOUT) << "nobody else gets it";
    EXPECT_EQ(link.claim(5, answer, at(0)).value(), ETIMEDOUT);
}

TEST_F(client_links, claim_takes_what_another_thread_has_read) {
    message answer;
    sort(5);
    EXPECT_FALSE(link.claim(5, answer, at(0)));
    EXPECT_EQ(answer.header.counter, 2U);
    EXPECT_EQ(link.claim(5, answer, at(0)).value(), ETIMEDOUT) << "once";
    std::thread reader([&] { sort(6); });
    EXPECT_FALSE(link.claim(6, answer, no_deadline));
    reader.join();
}

TEST_F(client_links, claim_ends_with_the_connection_but_takes_what_came_before) {
    sort(5);
    message answer;
    std::thread ender([&] { EXPECT_TRUE(link.mark_ended()); });
    EXPECT_EQ(link.claim(6, answer, no_deadline).value(), ECONNRESET);
    ender.join();
    EXPECT_FALSE(link.mark_ended()) << "that was known";
    EXPECT_TRUE(link.has_ended());
    EXPECT_FALSE(link.claim(5, answer, no_deadline));
}

TEST_F(client_links, deadlines_pass_one_by_one_and_leave_their_answers_to_nobody) {
    for (const auto& [exchange, until] : {std::pair{3, 30}, {1, 10}, {2, 20}}) {
        waiting_call call = counting(told, at(until));
        EXPECT_FALSE(link.expect(static_cast<exchange_id>(exchange), call));
    }
    waiting_call patient = counting(told);
    EXPECT_FALSE(link.expect(4, patient));
    EXPECT_EQ(link.next_deadline(), at(10));
    EXPECT_TRUE(link.expire(at(9)).empty());
    EXPECT_EQ(link.expire(at(20)).size(), 2U);
    EXPECT_EQ(link.next_deadline(), at(30));
    EXPECT_TRUE(link.has_abandoned());
    EXPECT_FALSE(sort(1));
    EXPECT_FALSE(sort(2));
    EXPECT_FALSE(link.has_abandoned());
    EXPECT_TRUE(sort(3));
    EXPECT_EQ(link.next_deadline(), no_deadline) << "its deadline went with it";
    EXPECT_TRUE(link.expire(no_deadline).empty());
    EXPECT_TRUE(sort(4));
    EXPECT_EQ(told, 2);
}

TEST_F(client_links, give_up_takes_out_all_that_wait) {
    waiting_call first = counting(told, at(10));
    waiting_call second = counting(told);
    EXPECT_FALSE(link.expect(1, first));
    EXPECT_FALSE(link.expect(2, second));
    EXPECT_EQ(link.give_up().size(), 2U);
    EXPECT_TRUE(link.give_up().empty());
    EXPECT_TRUE(link.expire(no_deadline).empty());
}

} // namespace
