// SPDX-License-Identifier: MIT
// Everything that is wrong, by many threads at once, on a connection where others do what
// is right: each mistake is told as the one that it is, and nobody else notices.
#include <array>
#include <atomic>
#include <random>

#include "service_support.hpp"

namespace {

using ipcshim::attachment;
using ipcshim::bytes_of;
using test::patterned;
using namespace std::chrono_literals;

class SocketMisuse : public test::Balanced {
protected:
    SocketMisuse() {
        auto connecting = test::in_thread([&] { return port.connect("misused"); });
        service = port.accept(port.read_event());
        client = connecting.get();
        closed.sender.close_pipe();
    }

    // One mistake of many; gives whether it was told as it should be.
    [[nodiscard]] bool mistake(std::mt19937& random, ipcshim::socket& moved_from) const {
        std::error_code error;
        const auto told = [&error](std::initializer_list<int> expected) {
            return std::ranges::find(expected, error.value()) != expected.end();
        };
        const auto far = (std::uint64_t{random()} << 20) + (1U << 20);
        const auto near = latest + random() % 6; // some that are open, some that will be
        ipcshim::message into;
        switch (random() % 16) {
        case 0:
            service.answer(far, {}, {}, error);
            return told({ENOENT});
        case 1:
            client.answer(far, patterned(10), {}, error);
            return told({ENOENT});
        case 2: // in an exchange whose answer comes, or has come
            client.answer(near, {}, {}, error);
            return told({ENOENT, EBUSY, ESHUTDOWN});
        case 3:
            client.fail(near, 1, {}, error);
            return told({ENOENT, EBUSY, ESHUTDOWN});
        case 4:
            client.answer(0, {}, {}, error);
            return told({ENOENT});
        case 5:
            client.fail(near, 0, {}, error);
            return told({EINVAL});
        case 6:
            service.read(into, {.exchange = far, .nowait = true}, error);
            return told({ENOENT});
        case 7: // somebody waits for it, or had it
            client.read(into, {.exchange = near, .nowait = true}, error);
            return told({ENOENT, EBUSY, ESHUTDOWN});
        case 8:
            service.end(error);
            return told({EPERM});
        case 9:
            client.close_both(error);
            return told({EINVAL});
        case 10:
            client.send_once(1, patterned(client.message_max() + 1), {}, error);
            return told({EMSGSIZE});
        case 11: {
            const std::vector<attachment> nine(9, attachment(closed.sender));
            client.call(1, {}, into, {.attachments = nine}, error);
            return told({EINVAL});
        }
        case 12: {
            const std::array<attachment, 2> bad{client, closed.receiver};
            client.call(1, {}, into, {.attachments = bad}, error);
            return told({EPIPE});
        }
        case 13:
            moved_from.call(1, {}, into, {}, error);
            return told({EBADF});
        case 14:
            moved_from.end(error);
            return told({EBADF}) && [&] {
                try {
                    moved_from.answer(1, {});
                    return false;
                } catch (const std::logic_error&) {
                    return true;
                }
            }();
        default: {
            const ipcshim::socket other(ipcshim::adopt_fd, CHECK_CALL(::dup(client.fd())));
            other.close_both(error);
            return told({EINVAL}); // and one descriptor less is no end
        }
        }
    }

    ipcshim::port port = ipcshim::port::open();
    ipcshim::published_service name = port.publish("misused");
    ipcshim::socket client;
    ipcshim::socket service;
    ipcshim::pipe_pair closed = test::raw_pair();
    std::atomic<std::uint64_t> latest = 1; // exchange of a call
};

TEST_F(SocketMisuse, OfThirtyTwoThreadsDisturbsNobody) {
    constexpr std::uint16_t callers = 3;
    constexpr int mistakes = 150;
    std::atomic<bool> enough = false;
    std::vector<std::future<void>> others;
    for (int i = 0; i < 2; i++)
        others.push_back(test::in_thread([&] {
            ipcshim::message got;
            for (std::error_code error;;) {
                service.read(got, {}, error);
                if (error) {
                    CHECK(error.value() == EPIPE);
                    return;
                }
                CHECK(got.header.descriptors == 0);
                service.answer(got.header.exchange, patterned(300, got.header.code));
            }
        }));
    std::vector<std::future<std::uint64_t>> calling;
    for (std::uint16_t i = 0; i < callers; i++)
        calling.push_back(test::in_thread([&, i] {
            std::uint64_t calls = 0;
            for (; !enough; calls++) {
                const auto got = client.call(i, bytes_of("right"));
                CHECK(got.payload == patterned(300, i));
                latest = got.header.exchange;
            }
            return calls;
        }));
    std::vector<std::future<int>> wrong;
    for (unsigned i = 0; i < 32; i++)
        wrong.push_back(test::in_thread([&, i] {
            std::mt19937 random(i);
            auto pair = test::socket_pair();
            const auto kept = std::move(pair.client);
            int told = 0;
            for (int n = 0; n < mistakes; n++)
                told += mistake(random, pair.client);
            return told;
        }));
    for (auto& one : wrong)
        EXPECT_EQ(one.get(), mistakes);
    enough = true;
    for (auto& one : calling)
        EXPECT_GT(one.get(), 0U);
    EXPECT_EQ(test::totals().exchanges, 0U);
    EXPECT_EQ(test::totals().messages, 0U);
    client.end();
    for (auto& one : others)
        one.get();
}

TEST_F(SocketMisuse, OfTheEndIsToldToEachThreadButOne) {
    std::atomic<int> ended = 0;
    std::vector<std::future<void>> threads;
    for (int i = 0; i < 32; i++)
        threads.push_back(test::in_thread([&] {
            std::error_code error;
            client.end(error);
            if (error)
                CHECK(error.value() == EPIPE);
            else
                ended++;
        }));
    for (auto& one : threads)
        one.get();
    EXPECT_EQ(ended, 1);
    EXPECT_EQ(test::read_error(service), EPIPE);
    client.close();
    client.close();
    EXPECT_THROW(client.end(), std::logic_error);
}

} // namespace
