// SPDX-License-Identifier: MIT
// What travels with a message: ends of pipes, segments and sockets, both ways, and
// what happens to them when the message can't be read, or never is.
#include <fcntl.h>
#include <sys/resource.h>

#include <array>
#include <future>

#include "segment_support.hpp"
#include "socket_support.hpp"

namespace {

using ipcshim::attachment;
using ipcshim::bytes_of;
using ipcshim::rights;
using test::patterned;
using namespace std::chrono_literals;

constexpr auto read_write = rights::read | rights::write;

// What a message carried at this place, which has to be of this kind.
template <class Kind> Kind take(ipcshim::message& from, std::size_t place = 0) {
    CHECK(place < from.descriptors.size());
    CHECK(std::holds_alternative<Kind>(from.descriptors[place]));
    return std::get<Kind>(std::move(from.descriptors[place]));
}

class SocketCarry : public test::Balanced {
protected:
    ipcshim::port port = ipcshim::port::open();
    ipcshim::socket_pair sides = test::socket_pair();
    const ipcshim::socket& client = sides.client;
    const ipcshim::socket& service = sides.service;
};

TEST_F(SocketCarry, BothEndsOfAPipeArriveAndCarryBytes) {
    auto out = test::raw_pair();
    auto in = test::message_pair(2 * ipcshim::capacity_unit);
    const std::array<attachment, 2> carried{out.receiver, in.sender};
    const auto sent = client.open_exchange(1, bytes_of("two ends"), {.attachments = carried});
    EXPECT_EQ(sent.descriptors, 2U);
    auto got = service.read();
    EXPECT_EQ(got.text(), "two ends");
    EXPECT_EQ(got.header.descriptors, 2U);
    const auto receiver = take<ipcshim::receiver>(got, 0);
    const auto sender = take<ipcshim::sender>(got, 1);
    EXPECT_EQ(::fcntl(receiver.fd(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(receiver.mode(), ipcshim::pipe_mode::raw);
    EXPECT_EQ(sender.mode(), ipcshim::pipe_mode::message);
    EXPECT_EQ(test::inode_of(receiver.fd()), test::inode_of(out.receiver.fd()));
    out.sender.write(patterned(3'000, 1));
    EXPECT_EQ(test::matching(test::read_bytes(receiver.fd(), 3'000), 1), 3'000U);
    sender.write(bytes_of("through the other"));
    std::string text;
    EXPECT_TRUE(in.receiver.read_message(text));
    EXPECT_EQ(text, "through the other");
    // Both hold it: it ends with the last of them.
    in.sender.close();
    EXPECT_TRUE(in.receiver.info().is_open());
}

TEST_F(SocketCarry, AnAnswerCarriesAsWell) {
    auto pipe = test::raw_pair();
    auto answers = std::async(std::launch::async, [&] {
        auto question = service.read();
        take<ipcshim::sender>(question).write(patterned(100, 3));
        const std::array<attachment, 1> carried{pipe.receiver};
        service.answer(question.header.exchange, bytes_of("read it"), {.attachments = carried});
    });
    const std::array<attachment, 1> carried{pipe.sender};
    auto answer = client.call(1, {}, {.attachments = carried});
    answers.get();
    const auto receiver = take<ipcshim::receiver>(answer);
    EXPECT_EQ(test::matching(test::read_bytes(receiver.fd(), 100), 3), 100U);
}

TEST_F(SocketCarry, ASharedSegmentIsUsedByBothWithinTheRights) {
    const auto segment = port.create_segment(64 * 1024);
    const auto memory = segment.map();
    memory.at<std::uint64_t>(4096) = 42;
    const std::array<attachment, 1> carried{attachment::share(segment, rights::read)};
    test::process other([&](const test::line& parent) {
        auto got = service.read();
        const auto theirs = take<ipcshim::segment>(got);
        CHECK(theirs.mode() == ipcshim::memory_mode::mutual);
        CHECK(theirs.rights() == rights::read);
        CHECK(theirs.size() == 64 * 1024);
        const auto view = theirs.map_const();
        CHECK(view.at<std::uint64_t>(4096) == 42);
        parent.put(1);
        static_cast<void>(parent.get());
        CHECK(view.at<std::uint64_t>(4096) == 43);
        std::error_code error;
        static_cast<void>(theirs.map({}, error));
        CHECK(error.value() == EACCES);
    });
    client.send_once(1, {}, {.attachments = carried});
    ASSERT_EQ(other.get(), 1U);
    memory.at<std::uint64_t>(4096) = 43;
    other.put(1);
    other.join();
}

TEST_F(SocketCarry, AHandedOverSegmentArrivesWholeAndTheSenderHasLostIt) {
    constexpr std::size_t size = 2 * test::mib;
    test::process other([&](const test::line& parent) {
        auto got = service.read();
        const auto theirs = take<ipcshim::segment>(got);
        CHECK(theirs.mode() == ipcshim::memory_mode::exclusive);
        CHECK(theirs.info().is_owner());
        const auto memory = theirs.map();
        CHECK(test::matching(memory.bytes(), 5) == size);
        parent.put(1);
        static_cast<void>(parent.get());
        CHECK(test::matching(memory.bytes(), 5) == size);
        memory.bytes()[0] = std::byte{1};
    });
    const auto segment = port.create_segment(size);
    const auto memory = segment.map();
    std::ranges::copy(patterned(size, 5), memory.bytes().begin());
    const std::array<attachment, 1> carried{attachment::hand_over(segment, read_write)};
    client.send_once(1, {}, {.attachments = carried});
    // The moment the call has returned.
    EXPECT_EQ(test::poke(memory.bytes().data(), std::byte{99}), SIGBUS);
    EXPECT_TRUE(segment.is_stale());
    ASSERT_EQ(other.get(), 1U);
    EXPECT_EQ(test::poke(memory.bytes().data() + size - 1, std::byte{99}), SIGBUS);
    other.put(1);
    other.join();
    // It can't be sent again.
    std::error_code error;
    client.send_once(1, {}, {.attachments = carried}, error);
    EXPECT_EQ(error.value(), ESTALE);
}

TEST_F(SocketCarry, APassedSocketAnswersCalls) {
    auto inner = test::socket_pair();
    test::process third([&](const test::line& parent) {
        inner.client.close();
        inner.service.close();
        auto got = service.read();
        const auto own = take<ipcshim::socket>(got);
        CHECK(own.side() == ipcshim::role::service);
        parent.put(own.connection());
        const auto question = own.read();
        own.answer(question.header.exchange, patterned(50, 9));
        static_cast<void>(parent.get());
    });
    const std::array<attachment, 1> carried{inner.service};
    client.send_once(1, {}, {.attachments = carried});
    inner.service.close();
    EXPECT_EQ(third.get(), inner.client.connection());
    EXPECT_TRUE(inner.client.call(1, {}).payload == patterned(50, 9));
    third.put(1);
    third.join();
    // Its last holder has closed it.
    EXPECT_EQ(test::call_error(inner.client), EPIPE);
}

TEST_F(SocketCarry, EightOfAllKindsKeepTheirOrderAndNineAreTooMany) {
    auto raw = test::raw_pair();
    auto message = test::message_pair();
    auto inner = test::socket_pair();
    const auto first = port.create_segment(4'096);
    const auto second = port.create_segment(8'192);
    std::vector<attachment> carried{
        inner.client,     raw.sender,    attachment::share(first, read_write),
        message.receiver, inner.service, attachment::hand_over(second, rights::read),
        raw.receiver,     message.sender};
    client.send_once(1, bytes_of("eight"), {.attachments = carried});
    auto got = service.read();
    ASSERT_EQ(got.descriptors.size(), 8U);
    EXPECT_EQ(take<ipcshim::socket>(got, 0).inode(), inner.client.inode());
    EXPECT_EQ(test::inode_of(take<ipcshim::sender>(got, 1).fd()), test::inode_of(raw.sender.fd()));
    EXPECT_EQ(take<ipcshim::segment>(got, 2).size(), first.size());
    EXPECT_EQ(take<ipcshim::receiver>(got, 3).mode(), ipcshim::pipe_mode::message);
    EXPECT_EQ(take<ipcshim::socket>(got, 4).inode(), inner.service.inode());
    const auto own = take<ipcshim::segment>(got, 5);
    EXPECT_EQ(own.size(), 8'192U);
    EXPECT_EQ(own.rights(), rights::read);
    EXPECT_EQ(take<ipcshim::receiver>(got, 6).mode(), ipcshim::pipe_mode::raw);
    EXPECT_EQ(take<ipcshim::sender>(got, 7).mode(), ipcshim::pipe_mode::message);

    const std::vector<attachment> nine(9, attachment(raw.sender));
    std::error_code error;
    client.send_once(1, {}, {.attachments = nine}, error);
    EXPECT_EQ(error.value(), EINVAL);
    EXPECT_THROW(client.send_once(1, {}, {.attachments = nine}), std::system_error);
}

TEST_F(SocketCarry, WhatWasTakenBackArrivesAsNothingAndTheRestAsEver) {
    auto pipe = test::raw_pair();
    const auto segment = port.create_segment(4'096);
    const std::array<attachment, 2> carried{attachment::share(segment, rights::read), pipe.sender};
    client.send_once(1, bytes_of("still said"), {.attachments = carried});
    segment.unshare_all();
    auto got = service.read();
    EXPECT_EQ(got.text(), "still said");
    ASSERT_EQ(got.descriptors.size(), 2U);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(got.descriptors[0]));
    EXPECT_TRUE(std::holds_alternative<ipcshim::sender>(got.descriptors[1]));
}

TEST_F(SocketCarry, AMessageThatIsNeverReadLetsGoOfWhatItCarries) {
    auto pipe = test::raw_pair();
    auto inner = test::socket_pair();
    const auto segment = port.create_segment(4'096);
    {
        auto pair = test::socket_pair();
        const std::array<attachment, 3> carried{pipe.sender, inner.service,
                                                attachment::hand_over(segment, read_write)};
        pair.client.open_exchange(1, {}, {.attachments = carried});
        pipe.sender.close();
        inner.service.close();
        EXPECT_TRUE(pipe.receiver.info().is_open()) << "the message has it";
        EXPECT_FALSE(test::has_ended(inner.client));
    }
    EXPECT_FALSE(pipe.receiver.info().is_open());
    EXPECT_TRUE(test::has_ended(inner.client));
    EXPECT_TRUE(segment.is_stale()) << "it was given away, whatever became of it";
}

TEST_F(SocketCarry, NothingIsSentWhereOnePartIsRefusedAndNothingIsLost) {
    auto pipe = test::raw_pair();
    auto closed = test::raw_pair();
    const auto segment = port.create_segment(4'096);
    const auto memory = segment.map();
    memory.at<std::uint64_t>() = 7;
    const auto refused = [&](const attachment& bad, int expected) {
        const std::array<attachment, 3> carried{attachment::hand_over(segment, read_write),
                                                pipe.sender, bad};
        std::error_code error;
        client.open_exchange(1, {}, {.attachments = carried}, error);
        EXPECT_EQ(error.value(), expected) << error.message();
        EXPECT_EQ(test::fdinfo_number(service.fd(), "ipcshim-messages"), 0U);
        EXPECT_FALSE(segment.is_stale());
        EXPECT_EQ(memory.at<std::uint64_t>(), 7U);
    };
    closed.sender.close_pipe();
    refused(closed.receiver, EPIPE);
    refused(attachment::share(segment, rights::read), EINVAL); // the same segment twice
    const auto read_only = [&] {
        auto pair = test::socket_pair();
        const auto other = port.create_segment(4'096);
        const std::array<attachment, 1> one{attachment::hand_over(other, rights::read)};
        pair.client.send_once(1, {}, {.attachments = one});
        auto got = pair.service.read();
        return take<ipcshim::segment>(got);
    }();
    refused(attachment::share(read_only, read_write), EACCES);
    // A socket would wait in itself for ever.
    refused(service, ELOOP);
    EXPECT_EQ(test::totals().exchanges, 0U);
}

TEST_F(SocketCarry, AMessageThatCantBeInstalledStaysWhole) {
    auto pipe = test::raw_pair();
    auto inner = test::socket_pair();
    const auto segment = port.create_segment(4'096);
    segment.map().at<std::uint64_t>() = 77;
    const std::array<attachment, 3> carried{pipe.receiver, inner.service,
                                            attachment::hand_over(segment, read_write)};
    client.open_exchange(1, bytes_of("all or nothing"), {.attachments = carried});
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const auto descriptors = test::own_descriptors();
    {
        // Room for two of three: the next descriptors are the lowest free ones.
        const test::unique_fd next(CHECK_CALL(::dup(0)));
        rlimit tight = before;
        tight.rlim_cur = static_cast<rlim_t>(next.get()) + 2;
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    }
    const int error = test::read_error(service);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(error, EMFILE);
    EXPECT_EQ(test::own_descriptors(), descriptors) << "none of them stayed";
    auto got = service.read();
    EXPECT_EQ(got.text(), "all or nothing");
    pipe.sender.write(patterned(10));
    EXPECT_EQ(test::read_bytes(take<ipcshim::receiver>(got, 0).fd(), 10), patterned(10));
    EXPECT_EQ(take<ipcshim::socket>(got, 1).inode(), inner.service.inode());
    EXPECT_EQ(take<ipcshim::segment>(got, 2).map().at<std::uint64_t>(), 77U);
}

TEST_F(SocketCarry, AClosedObjectCantBeAttached) {
    auto pipe = test::raw_pair();
    pipe.sender.close();
    EXPECT_THROW(static_cast<void>(attachment(pipe.sender)), std::logic_error);
    auto inner = test::socket_pair();
    const auto moved = std::move(inner.client);
    EXPECT_THROW(static_cast<void>(attachment(inner.client)), // NOLINT(bugprone-use-after-move)
                 std::logic_error);
    EXPECT_THROW(static_cast<void>(attachment::share(ipcshim::segment(), rights::read)),
                 std::logic_error);
}

} // namespace
