// SPDX-License-Identifier: MIT
//
// Errors of services, and outcomes of calls.
#include <gtest/gtest.h>

#include <ipcshim/ipcshim.hpp>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using ipcshim::test::thrown;

TEST(service_error, the_category_is_its_own) {
    const std::error_code code = service_errc::malformed;
    EXPECT_EQ(&code.category(), &service_category());
    EXPECT_STREQ(code.category().name(), "ipcshim.service");
    EXPECT_EQ(code.value(), 0xFF02);
    EXPECT_NE(code, std::error_code(0xFF02, std::generic_category()));
    EXPECT_EQ(service_error(7).code(), std::error_code(7, service_category()));
}

TEST(service_error, every_word_of_the_library_has_a_sentence_with_an_advice) {
    for (const auto each :
         {service_errc::unknown_method, service_errc::malformed, service_errc::handler_failed,
          service_errc::answer_too_long, service_errc::attachment_failed,
          service_errc::answer_malformed, service_errc::overloaded}) {
        EXPECT_GE(static_cast<unsigned>(each), unsigned{service_errc_first});
        const std::string text = make_error_code(each).message();
        EXPECT_NE(text.find(';'), std::string::npos) << text;
        EXPECT_EQ(text.find("its error"), std::string::npos) << text;
    }
    EXPECT_EQ(service_category().message(12), "the service answered with its error 12");
}

TEST(service_error, tells_code_and_text) {
    const service_error error(12, "no such key");
    EXPECT_EQ(error.reason(), 12);
    EXPECT_EQ(error.text(), "no such key");
    EXPECT_STREQ(error.what(), "no such key: the service answered with its error 12");
    EXPECT_EQ(service_error(12).text(), "");
    EXPECT_EQ(service_error(service_errc::malformed, "x").code(), service_errc::malformed);
}

TEST(outcome, has_the_answer_or_throws_what_there_is_instead) {
    outcome<int> good(5);
    EXPECT_TRUE(good.has_value());
    EXPECT_EQ(good.value(), 5);
    EXPECT_FALSE(good.error());
    const outcome<int> bad({12, service_category()}, "no such key");
    EXPECT_FALSE(bad);
    EXPECT_EQ(thrown<service_error>([&] { (void)bad.value(); }),
              "no such key: the service answered with its error 12");
    const outcome<void> late(std::make_error_code(std::errc::timed_out), "cannot call");
    EXPECT_THROW(late.value(), std::system_error);
    EXPECT_NO_THROW(outcome<void>(detail::nothing{}).value());
}

message answer_of(std::string_view text, std::uint16_t error) {
    message answer;
    answer.header.error = error;
    answer.payload.assign(bytes_of(text).begin(), bytes_of(text).end());
    return answer;
}

TEST(outcome, is_made_of_an_answer) {
    auto good = detail::finished<std::string, plain_codec>({}, {}, answer_of("hi", 0));
    EXPECT_EQ(good.value(), "hi");
    auto refused = detail::finished<std::string, plain_codec>({}, {}, answer_of("why", 3));
    EXPECT_EQ(refused.error(), std::error_code(3, service_category()));
    EXPECT_EQ(refused.text(), "why");
    auto wrong = detail::finished<int, plain_codec>({}, {}, answer_of("hi", 0));
    EXPECT_EQ(wrong.error(), service_errc::answer_malformed);
    auto lost = detail::finished<int, plain_codec>(
        std::make_error_code(std::errc::connection_reset), "gone", {});
    EXPECT_EQ(lost.error(), std::errc::connection_reset);
    EXPECT_EQ(lost.text(), "gone");
}

} // namespace
