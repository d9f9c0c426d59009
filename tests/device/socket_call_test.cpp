// SPDX-License-Identifier: MIT
// The library's sockets against the module: exchanges, calls, deadlines, and how each
// error is told. What travels with a message is in socket_carry_test.cpp.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <future>
#include <set>
#include <sstream>

#include "socket_support.hpp"

namespace {

using ipcshim::bytes_of;
using ipcshim::role;
using test::patterned;
using namespace std::chrono_literals;

class SocketCall : public test::Balanced {
protected:
    ipcshim::socket_pair sides = test::socket_pair();
    const ipcshim::socket& client = sides.client;
    const ipcshim::socket& service = sides.service;
};

std::error_code no_error() {
    return std::make_error_code(std::errc::io_error); // a twin has to clear it
}

TEST_F(SocketCall, BothSidesKnowWhatTheyAre) {
    EXPECT_EQ(client.side(), role::client);
    EXPECT_EQ(service.side(), role::service);
    EXPECT_EQ(client.connection(), service.connection());
    EXPECT_NE(client.connection(), 0U);
    EXPECT_NE(client.inode(), service.inode());
    EXPECT_EQ(client.message_max(), std::size_t{IPCSHIM_SOCKET_MESSAGE});
    for (const auto* one : {&client, &service}) {
        struct stat status {};
        ASSERT_EQ(::fstat(one->fd(), &status), 0);
        EXPECT_EQ(one->inode(), status.st_ino);
        EXPECT_EQ(::fcntl(one->fd(), F_GETFD), FD_CLOEXEC);
        EXPECT_EQ(::fcntl(one->fd(), F_GETFL) & O_NONBLOCK, 0);
        std::ostringstream text;
        text << *one;
        EXPECT_NE(text.str().find(std::to_string(one->fd())), std::string::npos) << text.str();
    }
    const auto larger = test::socket_pair(1 << 20);
    EXPECT_EQ(larger.service.message_max(), std::size_t{1} << 20);
    EXPECT_NE(larger.client.connection(), client.connection());
}

TEST_F(SocketCall, AnExchangeGoesBackAndForthUntilItIsConcluded) {
    const auto opened = client.open_exchange(7, bytes_of("question"));
    EXPECT_EQ(opened.exchange, 1U);
    EXPECT_EQ(opened.counter, 1U);
    EXPECT_EQ(opened.code, 7U);
    EXPECT_TRUE(opened.opens);
    EXPECT_FALSE(opened.is_notification);

    const auto question = service.read();
    EXPECT_EQ(question.text(), "question");
    EXPECT_EQ(question.header.exchange, 1U);
    EXPECT_EQ(question.header.length, 8U);
    EXPECT_EQ(question.header.counter, 1U);
    EXPECT_EQ(question.header.code, 7U);
    EXPECT_EQ(question.header.error, 0U);
    EXPECT_TRUE(question.header.opens);
    EXPECT_FALSE(question.header.concludes);
    EXPECT_FALSE(question.header.is_notification);
    EXPECT_EQ(question.header.pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(question.header.uid, ::geteuid());
    EXPECT_TRUE(question.descriptors.empty());

    const auto answered = service.answer(1, bytes_of("back"), {.concludes = false});
    EXPECT_EQ(answered.counter, 2U);
    EXPECT_FALSE(answered.opens);
    const auto back = client.read({.exchange = 1});
    EXPECT_EQ(back.text(), "back");
    EXPECT_EQ(back.header.code, 7U) << "the exchange's own";
    EXPECT_FALSE(back.header.opens);

    client.answer(1, bytes_of("and last"));
    const auto last = service.read();
    EXPECT_EQ(last.text(), "and last");
    EXPECT_EQ(last.header.counter, 3U);
    EXPECT_TRUE(last.header.concludes);
    std::error_code error;
    service.answer(1, {}, {}, error);
    EXPECT_EQ(error.value(), ESHUTDOWN);
}

TEST_F(SocketCall, AServiceOpensNotifications) {
    const auto opened = service.open_exchange(9, bytes_of("news"));
    EXPECT_TRUE(opened.is_notification);
    const auto news = client.read();
    EXPECT_TRUE(news.header.is_notification);
    EXPECT_TRUE(news.header.opens);
    EXPECT_EQ(news.header.code, 9U);
    EXPECT_EQ(news.text(), "news");
    client.answer(news.header.exchange, {});
    const auto seen = service.read();
    EXPECT_TRUE(seen.payload.empty());
    EXPECT_TRUE(seen.header.is_notification);
    EXPECT_TRUE(seen.header.concludes);
}

TEST_F(SocketCall, AFirstMessageMayBeAllThereIs) {
    const auto sent = client.send_once(3, bytes_of("once"));
    EXPECT_TRUE(sent.concludes);
    const auto got = service.read();
    EXPECT_TRUE(got.header.opens && got.header.concludes);
    EXPECT_EQ(got.text(), "once");
    std::error_code error;
    service.answer(sent.exchange, bytes_of("too late"), {}, error);
    EXPECT_EQ(error.value(), ESHUTDOWN);
    EXPECT_EQ(test::totals().exchanges, 0U);
}

TEST_F(SocketCall, ACallGetsItsAnswerAndAnErrorInItIsNotItsOwn) {
    auto answers = std::async(std::launch::async, [&] {
        const auto first = service.read();
        CHECK(first.text() == "one");
        service.answer(first.header.exchange, bytes_of("eno"));
        const auto second = service.read();
        service.fail(second.header.exchange, 4'711, bytes_of("because"));
    });
    const auto good = client.call(1, bytes_of("one"));
    EXPECT_EQ(good.text(), "eno");
    EXPECT_EQ(good.header.error, 0U);
    EXPECT_EQ(good.header.uid, ::geteuid());
    const auto bad = client.call(2, bytes_of("two"));
    EXPECT_EQ(bad.header.error, 4'711U);
    EXPECT_TRUE(bad.header.concludes);
    EXPECT_EQ(bad.text(), "because");
    EXPECT_NE(bad.header.exchange, good.header.exchange);
    answers.get();
}

TEST_F(SocketCall, LongMessagesAreReadWholeWhateverTheirLength) {
    constexpr std::size_t largest = 3'000'000;
    const auto large = test::socket_pair(largest);
    auto answers = std::async(std::launch::async, [&] {
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, std::size_t{4'097}, largest}) {
            const auto got = large.service.read();
            CHECK(got.payload == patterned(size, 1));
            large.service.answer(got.header.exchange, patterned(size, 2));
        }
    });
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4'097}, largest}) {
        const auto got = large.client.call(1, patterned(size, 1));
        EXPECT_EQ(got.payload.size(), size);
        EXPECT_TRUE(got.payload == patterned(size, 2));
    }
    answers.get();
    std::error_code error;
    large.client.open_exchange(1, patterned(largest + 1), {}, error);
    EXPECT_EQ(error.value(), EMSGSIZE);
}

TEST_F(SocketCall, ThreadsThatReadShareWhatComesAndMissNothing) {
    constexpr std::size_t messages = 150;
    const auto large = test::socket_pair(20'000);
    std::vector<std::future<std::vector<std::size_t>>> readers;
    for (int i = 0; i < 3; i++)
        readers.push_back(std::async(std::launch::async, [&] {
            std::vector<std::size_t> sizes;
            ipcshim::message got; // its memory is used again
            for (;;) {
                std::error_code error;
                large.service.read(got, {}, error);
                if (error) {
                    CHECK(error.value() == EPIPE);
                    return sizes;
                }
                CHECK(got.payload.size() == got.header.length);
                CHECK(test::matching(got.payload, got.header.code) == got.payload.size());
                sizes.push_back(got.payload.size());
            }
        }));
    std::vector<std::size_t> sent;
    for (std::size_t i = 0; i < messages; i++) {
        // From nothing to far more than a reader begins with.
        const std::size_t size = i * 131 % 20'000;
        sent.push_back(size);
        large.client.send_once(static_cast<std::uint16_t>(i), patterned(size, i));
    }
    large.client.close_both();
    std::vector<std::size_t> got;
    for (auto& one : readers)
        std::ranges::copy(one.get(), std::back_inserter(got));
    std::ranges::sort(sent);
    std::ranges::sort(got);
    EXPECT_EQ(got, sent);
}

TEST_F(SocketCall, CallersGetTheirOwnAnswersInWhateverOrder) {
    constexpr std::uint16_t callers = 8;
    std::vector<std::future<void>> calls;
    for (std::uint16_t i = 0; i < callers; i++)
        calls.push_back(std::async(std::launch::async, [&, i] {
            const auto got = client.call(i, patterned(100, i));
            CHECK(got.header.code == i);
            CHECK(got.payload == patterned(200, i));
        }));
    test::wait_for_callers(client.fd(), callers);
    std::vector<ipcshim::message> questions;
    for (int i = 0; i < callers; i++)
        questions.push_back(service.read());
    std::ranges::reverse(questions);
    for (const auto& one : questions)
        service.answer(one.header.exchange, patterned(200, one.header.code));
    for (auto& one : calls)
        one.get();
}

TEST_F(SocketCall, DeadlinesAreKeptAndALateAnswerIsReadAsAnyMessage) {
    auto until = ipcshim::deadline::clock::now() + 20ms;
    auto error = no_error();
    EXPECT_EQ(test::read_error(client, {.until = until}), ETIMEDOUT);
    EXPECT_GE(ipcshim::deadline::clock::now(), until);

    until = ipcshim::deadline::clock::now() + 20ms;
    ipcshim::message nothing;
    client.call(5, bytes_of("anybody?"), nothing, {.until = until}, error);
    EXPECT_EQ(error.value(), ETIMEDOUT);
    EXPECT_EQ(nothing.header.exchange, 1U) << "the request has gone out";
    EXPECT_GE(ipcshim::deadline::clock::now(), until);
    const auto question = service.read();
    service.answer(question.header.exchange, bytes_of("late"));
    // Another call waits meanwhile, and does not get it.
    auto second = std::async(std::launch::async, [&] { return client.call(6, bytes_of("me")); });
    const auto other = service.read();
    test::wait_for_callers(client.fd());
    service.answer(other.header.exchange, bytes_of("you"));
    EXPECT_EQ(second.get().text(), "you");
    const auto late = client.read();
    EXPECT_EQ(late.text(), "late");
    EXPECT_EQ(late.header.code, 5U);
}

TEST_F(SocketCall, NobodyWaitsWhoSaysSo) {
    auto error = no_error();
    EXPECT_EQ(test::read_error(client, {.nowait = true}), EAGAIN);
    // Room for messages that open an exchange is limited; an answer never waits.
    std::size_t sent = 0;
    for (;; sent++) {
        client.open_exchange(1, patterned(4'000), {.nowait = true}, error);
        if (error)
            break;
    }
    EXPECT_EQ(error.value(), EAGAIN);
    EXPECT_EQ(sent, IPCSHIM_SOCKET_ROOM / (4'000 + IPCSHIM_SOCKET_OVERHEAD));
    ASSERT_EQ(::fcntl(client.fd(), F_SETFL, O_NONBLOCK), 0);
    EXPECT_EQ(test::read_error(client), EAGAIN);
    client.open_exchange(1, patterned(4'000), {.until = ipcshim::deadline::clock::now() + 20ms},
                         error);
    EXPECT_EQ(error.value(), EAGAIN) << "O_NONBLOCK";
    ASSERT_EQ(::fcntl(client.fd(), F_SETFL, 0), 0);
    client.open_exchange(1, patterned(4'000), {.until = ipcshim::deadline::clock::now() + 20ms},
                         error);
    EXPECT_EQ(error.value(), ETIMEDOUT);
    // Who waits for room gets it when one was read.
    std::promise<pid_t> who;
    auto waiting = std::async(std::launch::async, [&] {
        who.set_value(test::own_tid());
        client.open_exchange(2, patterned(4'000));
    });
    const auto tid = who.get_future().get();
    test::wait_until([&] { return test::sleeps(tid); });
    for (std::size_t i = 0; i < sent; i++)
        service.answer(service.read().header.exchange, {});
    waiting.get();
    EXPECT_EQ(service.read().header.code, 2U);
    for (std::size_t i = 0; i < sent; i++)
        EXPECT_TRUE(client.read().header.concludes);
}

// Each call and its twin tell the same.
template <class Throwing, class Twin>
void expect_error(int expected, const Throwing& throwing, const Twin& twin) {
    try {
        throwing();
        ADD_FAILURE() << "no exception; " << strerrorname_np(expected) << " was to come";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::error_code(expected, std::generic_category())) << error.what();
        EXPECT_GT(std::string_view(error.what()).size(), 20U) << error.what();
    }
    auto error = no_error();
    twin(error);
    EXPECT_EQ(error, std::error_code(expected, std::generic_category()));
}

TEST_F(SocketCall, EveryMistakeIsToldByTheCallAndByItsTwin) {
    ipcshim::message into;
    const auto answer = [&](const ipcshim::socket& from, ipcshim::exchange_id exchange,
                            int expected) {
        expect_error(
            expected, [&] { from.answer(exchange, {}); },
            [&](auto& error) { from.answer(exchange, {}, {}, error); });
    };
    answer(client, 1, ENOENT);
    client.open_exchange(1, {});
    answer(client, 1, EBUSY);
    answer(service, 1, EBUSY); // it was not read yet
    static_cast<void>(service.read());
    expect_error(
        ENOENT, [&] { service.fail(99, 1); }, [&](auto& error) { service.fail(99, 1, {}, error); });
    service.fail(1, 1);
    answer(service, 1, ESHUTDOWN);
    static_cast<void>(client.read());
    answer(client, 1, ESHUTDOWN);
    expect_error(
        ESHUTDOWN, [&] { static_cast<void>(client.read({.exchange = 1})); },
        [&](auto& error) { client.read(into, {.exchange = 1}, error); });
    const auto long_one = patterned(IPCSHIM_SOCKET_MESSAGE + 1);
    expect_error(
        EMSGSIZE, [&] { static_cast<void>(client.call(1, long_one)); },
        [&](auto& error) { client.call(1, long_one, into, {}, error); });
    expect_error(
        EMSGSIZE, [&] { client.send_once(1, long_one); },
        [&](auto& error) { client.send_once(1, long_one, {}, error); });
    // Only between a client and a service whose name it connected to.
    expect_error(
        EINVAL, [&] { client.end(); }, [&](auto& error) { client.end(error); });
    service.close_both();
    expect_error(
        EPIPE, [&] { client.open_exchange(1, {}); },
        [&](auto& error) { client.open_exchange(1, {}, {}, error); });
    expect_error(
        EPIPE, [&] { static_cast<void>(service.read()); },
        [&](auto& error) { service.read(into, {}, error); });
    expect_error(
        EPIPE, [&] { client.close_both(); }, [&](auto& error) { client.close_both(error); });
}

TEST_F(SocketCall, WhatWasSentBeforeTheEndIsStillRead) {
    client.open_exchange(1, bytes_of("before"));
    client.send_once(2, bytes_of("the end"));
    client.close_both();
    EXPECT_EQ(service.read().text(), "before");
    EXPECT_EQ(service.read().text(), "the end");
    auto error = no_error();
    EXPECT_EQ(test::read_error(service), EPIPE);
    service.answer(1, {}, {}, error);
    EXPECT_EQ(error.value(), EPIPE);
}

TEST_F(SocketCall, ACallThatWaitsEndsWhenTheOtherSideIsClosed) {
    auto closing = test::socket_pair();
    auto waiting = std::async(std::launch::async, [&] { return test::call_error(closing.client); });
    test::wait_for_callers(closing.client.fd());
    closing.service.close();
    EXPECT_EQ(waiting.get(), ECONNRESET);
}

TEST_F(SocketCall, AClosedOrMovedFromSocketIsAMistakeOfTheProgram) {
    auto pair = test::socket_pair();
    auto moved = std::move(pair.client);
    EXPECT_FALSE(pair.client.is_open()); // NOLINT(bugprone-use-after-move)
    EXPECT_THROW(static_cast<void>(pair.client.call(1, {})), std::logic_error);
    EXPECT_THROW(static_cast<void>(pair.client.fd()), std::logic_error);
    auto error = no_error();
    pair.client.open_exchange(1, {}, {}, error);
    EXPECT_EQ(error.value(), EBADF);
    EXPECT_EQ(test::read_error(pair.client), EBADF);
    pair.client.end(error);
    EXPECT_EQ(error.value(), EBADF);
    moved.open_exchange(1, bytes_of("moved"));
    EXPECT_EQ(pair.service.read().text(), "moved");
    moved.close();
    moved.close();
    EXPECT_THROW(moved.close_both(), std::logic_error);
    const int fd = pair.service.release();
    EXPECT_FALSE(pair.service.is_open());
    const ipcshim::socket adopted(ipcshim::adopt_fd, fd);
    EXPECT_EQ(adopted.side(), role::service);
    const auto port = ipcshim::port::open();
    EXPECT_THROW(ipcshim::socket(ipcshim::adopt_fd, port.fd()), std::system_error);
}

} // namespace
