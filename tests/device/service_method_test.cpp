// SPDX-License-Identifier: MIT
// Typed methods of a service, called by a client: what is asked and answered, and how
// each thing that goes wrong is told, to whom.
#include <algorithm>
#include <atomic>
#include <new>
#include <stdexcept>

#include "service_support.hpp"

namespace {

using ipcshim::service_errc;
using ipcshim::service_error;
using namespace std::chrono_literals;

class ServiceMethod : public test::Balanced {
protected:
    ServiceMethod() {
        service.on_error([this](const ipcshim::service_failure& what) { failures.add(what); });
    }
    // The client, once the service runs.
    ipcshim::client& started() {
        service.start();
        return client.emplace(test::service_name);
    }
    // The service still does what it should.
    void expect_alive() { EXPECT_EQ(client->call(test::ask, 5), test::answer_to(5)); }

    test::notes<ipcshim::service_failure> failures;
    ipcshim::service service{test::service_name, {.message_max = 1 << 20}};
    std::optional<ipcshim::client> client;
};

TEST_F(ServiceMethod, TakesAndGivesWhatItsTypeSays) {
    std::string kept;
    unsigned pings = 0;
    service.on(test::add, [](const test::two_numbers& n) { return n.one + n.other; })
        .on(test::echo, [](const std::string& text) { return text + text; })
        .on(test::ping, [&] { pings++; })
        .on(test::remember, [&](const std::string& text) { kept = text; })
        .on(test::recall, [&] { return kept; })
        .on(test::bytes, [](std::uint32_t size) { return test::patterned(size, 8); });
    auto& calls = started();
    EXPECT_EQ(calls.call(test::add, {-7, 1'000'000'000'000}), 999'999'999'993);
    EXPECT_EQ(calls.call(test::echo, "two"), "twotwo");
    EXPECT_EQ(calls.call(test::echo, ""), "");
    calls.call(test::ping);
    calls.call(test::ping);
    EXPECT_EQ(pings, 2U);
    calls.call(test::remember, std::string("\0and more\xff", 10));
    EXPECT_EQ(calls.call(test::recall), std::string("\0and more\xff", 10));
    for (const std::uint32_t size : {0U, 1U, 4'096U, 4'097U, 1U << 20})
        EXPECT_TRUE(calls.call(test::bytes, size) == test::patterned(size, 8)) << size;
}

TEST_F(ServiceMethod, TakesTypesOfTheProgramsOwnAsCbor) {
    service.on(test::improve, [](const test::entry& got) {
        auto better = got;
        std::ranges::reverse(better.values);
        better.counts["asked"]++;
        better.key += "\xe2\x80\xa6"; // an ellipsis
        return better;
    });
    const test::entry request{"k\"ey", {1.5, -2.25, 1e300}, {{"asked", 41}, {"", -1}}};
    const test::entry expected{"k\"ey\xe2\x80\xa6", {1e300, -2.25, 1.5}, {{"asked", 42}, {"", -1}}};
    EXPECT_EQ(started().call(test::improve, request), expected);
    EXPECT_EQ(client->call_async(test::improve, request).get(), expected);
}

TEST_F(ServiceMethod, RefusesRequestsThatAreMalformedAndIsNotBothered) {
    std::atomic<unsigned> called = 0;
    service.on(test::add, [&](const test::two_numbers&) { return std::int64_t{++called}; })
        .on(test::improve,
            [&](const test::entry& got) {
                called++;
                return got;
            })
        .on(test::ping, [&] { called++; })
        .on(test::ask, [](std::uint64_t number) { return test::answer_to(number); });
    auto& calls = started();
    const auto refused = [&](std::uint16_t code, const std::vector<std::byte>& payload) {
        ipcshim::message answer;
        std::string text;
        EXPECT_FALSE(calls.ask(code, payload, answer, {}, text)) << text;
        EXPECT_EQ(answer.header.error, static_cast<std::uint16_t>(service_errc::malformed));
        EXPECT_TRUE(answer.header.concludes);
        expect_alive();
    };
    for (const std::size_t size : {0, 1, 15, 17, 4'000})
        refused(1, test::patterned(size));
    refused(3, test::patterned(1)); // it takes nothing
    refused(6, {});
    refused(6, test::patterned(1'000));
    refused(6, {std::byte{0x9f}}); // an array without its end
    refused(6, {std::byte{0xa0}}); // an object without the members
    refused(6, {std::byte{0x9b}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff},
                std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}});
    EXPECT_EQ(called, 0U);
}

TEST_F(ServiceMethod, IsUnknownWhereThereIsNoHandler) {
    service.on(test::ask, [](std::uint64_t number) { return test::answer_to(number); });
    auto& calls = started();
    try {
        calls.call(test::unknown);
        ADD_FAILURE() << "nobody handles it";
    } catch (const service_error& error) {
        EXPECT_EQ(error.code(), service_errc::unknown_method);
        EXPECT_EQ(error.reason(), 0xFF01U);
    }
    expect_alive();
}

TEST_F(ServiceMethod, ThrowsItsErrorsToTheClient) {
    service
        .on(test::echo,
            [](const std::string& text) -> std::string {
                const auto code = static_cast<std::uint16_t>(std::stoul(text));
                if (code % 2 == 0)
                    throw service_error(code, "text of " + text);
                throw service_error(code);
            })
        .on(test::ask, [](std::uint64_t number) { return test::answer_to(number); });
    auto& calls = started();
    for (const unsigned code : {1U, 2U, 255U, 256U, 0xFEFEU}) {
        try {
            static_cast<void>(calls.call(test::echo, std::to_string(code)));
            ADD_FAILURE() << "no exception";
        } catch (const service_error& error) {
            EXPECT_EQ(error.code().category(), ipcshim::service_category());
            EXPECT_EQ(error.reason(), code);
            EXPECT_EQ(error.text(), code % 2 ? "" : "text of " + std::to_string(code));
        }
        const auto result = calls.try_call(test::echo, std::to_string(code));
        EXPECT_FALSE(result.has_value());
        EXPECT_EQ(result.error(),
                  std::error_code(static_cast<int>(code), ipcshim::service_category()));
        EXPECT_THROW(static_cast<void>(result.value()), service_error);
        auto future = calls.call_async(test::echo, std::to_string(code));
        EXPECT_THROW(static_cast<void>(future.get()), service_error);
    }
    expect_alive();
    EXPECT_EQ(failures.size(), 0U) << "it could tell them all to the client";
}

TEST_F(ServiceMethod, CutsTheTextOfAnErrorToTheLargestMessage) {
    service.on(test::ping, [] { throw service_error(7, std::string(2 << 20, 'x')); })
        .on(test::ask, [](std::uint64_t number) { return test::answer_to(number); });
    const auto result = started().try_call(test::ping);
    EXPECT_EQ(result.error().value(), 7);
    EXPECT_GT(result.text().size(), 0U);
    EXPECT_LE(result.text().size(), std::size_t{1} << 20);
    expect_alive();
}

TEST_F(ServiceMethod, AnswersAnyOtherExceptionAndTellsItHere) {
    service
        .on(test::echo,
            [](const std::string& what) -> std::string {
                if (what == "number")
                    throw 42; // NOLINT(hicpp-exception-baseclass)
                if (what == "memory")
                    throw std::bad_alloc();
                if (what == "errno")
                    throw std::system_error(ENOSPC, std::generic_category(), "the disk");
                throw std::runtime_error("not for the client: " + what);
            })
        .on(test::ask, [](std::uint64_t number) { return test::answer_to(number); });
    auto& calls = started();
    std::size_t count = 0;
    for (const std::string what : {"number", "memory", "errno", "a secret"}) {
        const auto result = calls.try_call(test::echo, what);
        EXPECT_EQ(result.error(), service_errc::handler_failed);
        EXPECT_EQ(result.text().find("secret"), std::string::npos) << result.text();
        const auto told = failures.wait_for(++count).back();
        EXPECT_EQ(told.code, 2U);
        EXPECT_EQ(static_cast<std::uint64_t>(told.client), calls.connection());
        EXPECT_FALSE(told.text.empty());
        if (what == "a secret") {
            EXPECT_NE(told.text.find("not for the client: a secret"), std::string::npos);
        }
    }
    expect_alive();
}

TEST_F(ServiceMethod, TellsThatAnAnswerIsTooLong) {
    service.on(test::bytes, [](std::uint32_t size) { return test::patterned(size); })
        .on(test::ask, [](std::uint64_t number) { return test::answer_to(number); });
    auto& calls = started();
    EXPECT_EQ(calls.try_call(test::bytes, (1U << 20) + 1).error(), service_errc::answer_too_long);
    static_cast<void>(failures.wait_for(1));
    expect_alive();
    EXPECT_EQ(test::error_of([&] {
                  static_cast<void>(calls.call(test::echo, std::string((1 << 20) + 1, 'x')));
              }),
              test::system_error_code(EMSGSIZE));
    expect_alive();
}

TEST_F(ServiceMethod, TellsTheClientOfAnAnswerThatItDoesntUnderstand) {
    // The two were not built alike.
    service.on(ipcshim::method<7, std::uint64_t, std::uint32_t>{},
               [](std::uint64_t) { return 1U; });
    auto& calls = started();
    EXPECT_EQ(test::error_of([&] { static_cast<void>(calls.call(test::ask, 1)); }),
              service_errc::answer_malformed);
    auto future = calls.call_async(test::ask, 1);
    EXPECT_EQ(test::error_of([&] { static_cast<void>(future.get()); }),
              service_errc::answer_malformed);
}

TEST_F(ServiceMethod, IsCalledOneWayToo) {
    test::notes<std::string> got;
    service
        .on(test::remember,
            [&](const std::string& text, ipcshim::call_context& context) {
                got.add(text + (context.one_way() ? " (one way)" : ""));
                if (text == "fails")
                    throw service_error(3);
            })
        .on(test::ask, [](std::uint64_t number) { return test::answer_to(number); });
    auto& calls = started();
    calls.notify(test::remember, "first");
    calls.notify(test::unknown);
    calls.notify(test::remember, "fails");
    calls.call(test::remember, "last");
    EXPECT_EQ(got.wait_for(3),
              (std::vector<std::string>{"first (one way)", "fails (one way)", "last"}));
    expect_alive();
    EXPECT_EQ(test::totals().exchanges, 0U);
    EXPECT_EQ(failures.size(), 0U) << "nobody was to be answered";
}

TEST_F(ServiceMethod, KnowsWhoAsks) {
    service.on(test::ping, [&](ipcshim::call_context& context) {
        CHECK(context.pid() == ::getpid());
        CHECK(context.uid() == ::geteuid());
        CHECK(static_cast<std::uint64_t>(context.client()) == client->connection());
        CHECK(context.header().code == 3 && context.header().opens);
        CHECK(!context.one_way() && context.payload().empty());
    });
    test::notes<ipcshim::client_info> accepted;
    service.on_client([&](const ipcshim::client_info& who) { accepted.add(who); });
    service.start();
    client.emplace(test::service_name,
                   ipcshim::client_parameters{.message_max = 9'999, .command = 12});
    client->call(test::ping);
    const auto who = accepted.wait_for(1).front();
    EXPECT_EQ(who.pid, ::getpid());
    EXPECT_EQ(who.uid, ::geteuid());
    EXPECT_EQ(who.command, 12U);
    EXPECT_EQ(who.message_max, 9'999U);
    EXPECT_EQ(static_cast<std::uint64_t>(who.client), client->connection());
    EXPECT_EQ(client->message_max(), 9'999U);
    const auto connected = service.clients();
    ASSERT_EQ(connected.size(), 1U);
    EXPECT_EQ(connected.front().client, who.client);
}

TEST_F(ServiceMethod, IsForThoseThatWereLetIn) {
    service.on(test::ask, [](std::uint64_t number) { return test::answer_to(number); });
    service.on_connect([](const ipcshim::client_info& who) -> std::optional<std::uint16_t> {
        EXPECT_EQ(who.pid, ::getpid());
        if (who.command == 99)
            throw std::runtime_error("the guest list is lost");
        if (who.command == 13)
            return 1'313;
        return std::nullopt;
    });
    static_cast<void>(started());
    try {
        const ipcshim::client other(test::service_name, {.command = 13});
        ADD_FAILURE() << "it was let in";
    } catch (const ipcshim::refused_error& error) {
        EXPECT_EQ(error.reason(), 1'313U);
    }
    EXPECT_EQ(
        test::error_of([] { const ipcshim::client other(test::service_name, {.command = 99}); }),
        test::system_error_code(ECONNREFUSED));
    EXPECT_NE(failures.wait_for(1).front().text.find("guest list"), std::string::npos);
    expect_alive();
    EXPECT_EQ(service.clients().size(), 1U);
}

} // namespace
