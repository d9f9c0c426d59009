// SPDX-License-Identifier: MIT
// What calls of a service carry beside their bytes: with the request, and with the
// answer, also a large one as a segment that is handed over.
#include <array>

#include "segment_support.hpp"
#include "service_support.hpp"

namespace {

using ipcshim::attachment;
using ipcshim::call_context;
using ipcshim::rights;
using ipcshim::service_errc;
using test::patterned;

constexpr auto read_write = rights::read | rights::write;

template <class Kind> Kind take(std::vector<ipcshim::received_descriptor>& from) {
    CHECK(from.size() == 1 && std::holds_alternative<Kind>(from.front()));
    return std::get<Kind>(std::move(from.front()));
}

class ServiceCarry : public test::Balanced {
protected:
    ipcshim::client& started() {
        service.start();
        return client.emplace(test::service_name);
    }

    ipcshim::port port = ipcshim::port::open();
    ipcshim::service service{test::service_name};
    std::optional<ipcshim::client> client;
};

TEST_F(ServiceCarry, ARequestBringsAPipeThatTheHandlerWritesTo) {
    service.on(test::bytes, [](std::uint32_t size, call_context& context) {
        take<ipcshim::sender>(context.descriptors()).write(patterned(size, 4));
        return std::vector<std::byte>();
    });
    auto& calls = started();
    auto pipe = test::raw_pair();
    const std::array<attachment, 1> carried{pipe.sender};
    calls.call(test::bytes, 2'000, {.attachments = carried});
    pipe.sender.close();
    EXPECT_TRUE(test::read_bytes(pipe.receiver.fd(), 3'000) == patterned(2'000, 4))
        << "and the handler's is closed by now";
}

TEST_F(ServiceCarry, ALargeAnswerIsASegmentThatTheServiceHasLost) {
    constexpr std::size_t size = 3 * test::mib;
    ipcshim::mapping kept;
    service.on(test::ping, [&](call_context& context) {
        auto memory = port.create_segment(size);
        kept = memory.map();
        std::ranges::copy(patterned(size, 6), kept.bytes().begin());
        context.hand_over(std::move(memory), rights::read);
    });
    auto result = started().try_call(test::ping);
    const auto memory = take<ipcshim::segment>(result.descriptors());
    EXPECT_EQ(memory.mode(), ipcshim::memory_mode::exclusive);
    EXPECT_EQ(memory.rights(), rights::read);
    const auto view = memory.map_const();
    EXPECT_EQ(test::matching(view.bytes(), 6), size);
    EXPECT_EQ(test::poke(kept.bytes().data(), std::byte{1}), SIGBUS);
    EXPECT_EQ(test::matching(view.bytes(), 6), size);
    kept = {};
}

TEST_F(ServiceCarry, AnAnswerGivesEndsOfPipesAndSockets) {
    auto pipe = test::raw_pair();
    auto inner = test::socket_pair();
    service.on(test::ping, [&](call_context& context) {
        context.attach(pipe.receiver);
        context.give(std::move(pipe.sender));
        context.give(std::move(inner.client));
    });
    auto result = started().try_call(test::ping);
    ASSERT_TRUE(result.has_value());
    EXPECT_FALSE(pipe.sender.is_open()); // NOLINT(bugprone-use-after-move)
    EXPECT_FALSE(inner.client.is_open());
    auto& got = result.descriptors();
    ASSERT_EQ(got.size(), 3U);
    auto& sender = std::get<ipcshim::sender>(got[1]);
    sender.write(patterned(10, 1));
    EXPECT_TRUE(test::read_bytes(std::get<ipcshim::receiver>(got[0]).fd(), 10) == patterned(10, 1));
    const auto& socket = std::get<ipcshim::socket>(got[2]);
    auto answers = test::in_thread([&] {
        const auto question = inner.service.read();
        inner.service.answer(question.header.exchange, patterned(20, 2));
    });
    EXPECT_TRUE(socket.call(1, {}).payload == patterned(20, 2));
    answers.get();
    // What was given is held by the answer alone.
    sender.close();
    test::wait_until([&] { return !pipe.receiver.info().is_open(); });
}

TEST_F(ServiceCarry, WhatNobodyTakesIsClosed) {
    auto pipe = test::raw_pair();
    service.on(test::ping, [] {}).on(test::recall, [&](call_context& context) {
        context.attach(pipe.sender);
        return std::string("ignored");
    });
    auto& calls = started();
    const std::array<attachment, 1> carried{pipe.sender};
    calls.call(test::ping, {.attachments = carried});
    calls.notify(test::ping, {.attachments = carried});
    calls.notify(test::unknown, {.attachments = carried});
    EXPECT_EQ(calls.try_call(test::unknown, {.attachments = carried}).error(),
              service_errc::unknown_method);
    EXPECT_EQ(calls.call(test::recall), "ignored");
    EXPECT_EQ(calls.call_async(test::recall).get(), "ignored");
    calls.notify(test::recall);
    EXPECT_EQ(calls.call(test::recall), "ignored");
    pipe.sender.close();
    test::wait_until([&] { return !pipe.receiver.info().is_open(); });
}

TEST_F(ServiceCarry, ASegmentStaysWhereTheHandlerFails) {
    ipcshim::segment memory = port.create_segment(4'096);
    const auto view = memory.map();
    view.at<std::uint64_t>() = 8;
    service.on(test::ping, [&](call_context& context) {
        context.attach(attachment::hand_over(memory, read_write));
        throw ipcshim::service_error(5);
    });
    const auto result = started().try_call(test::ping);
    EXPECT_EQ(result.error().value(), 5);
    EXPECT_FALSE(memory.is_stale());
    EXPECT_EQ(view.at<std::uint64_t>(), 8U);
}

TEST_F(ServiceCarry, WhatCantBeAttachedIsTold) {
    test::notes<ipcshim::service_failure> failures;
    service.on_error([&](const ipcshim::service_failure& what) { failures.add(what); });
    auto pipe = test::raw_pair();
    auto closed = test::raw_pair();
    closed.sender.close_pipe();
    service
        .on(test::ping,
            [&](call_context& context) {
                for (std::size_t i = 0; i <= ipcshim::descriptors_max; i++)
                    context.attach(pipe.sender);
            })
        .on(test::recall, [&](call_context& context) {
            context.attach(closed.receiver);
            return std::string("never told");
        });
    auto& calls = started();
    EXPECT_EQ(calls.try_call(test::ping).error(), service_errc::handler_failed);
    EXPECT_EQ(calls.try_call(test::recall).error(), service_errc::attachment_failed);
    const auto told = failures.wait_for(2);
    EXPECT_EQ(told[1].error, test::system_error_code(EPIPE));
    // The request's own: nothing is sent.
    const std::array<attachment, 1> carried{closed.receiver};
    EXPECT_EQ(test::error_of([&] { calls.call(test::ping, {.attachments = carried}); }),
              test::system_error_code(EPIPE));
    EXPECT_EQ(test::error_of([&] { calls.notify(test::ping, {.attachments = carried}); }),
              test::system_error_code(EPIPE));
    // That was of the pipe: the connection is as it was.
    EXPECT_TRUE(calls.is_connected());
    EXPECT_EQ(calls.try_call(test::unknown).error(), service_errc::unknown_method);
}

} // namespace
