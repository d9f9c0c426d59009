// SPDX-License-Identifier: MIT
// Mutual sharing: two processes use the pages, until the sharer takes them
// back, whatever the other one is doing; or ends, and they stay.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <thread>

#include "segment_support.hpp"

namespace {

using test::area;
using test::process;
using test::taker;

constexpr std::size_t length = 64 * 1024;

class Mutual : public ::testing::Test {
protected:
    void SetUp() override {
        segment = test::create_segment(port, length);
        memory = area(segment.get(), length);
        memory.fill(1);
    }
    taker::taken share_with(taker& receiver, std::uint16_t rights = test::right_rw) {
        const auto answer = test::share(segment.get(), receiver.pid(), rights);
        EXPECT_EQ(answer.error, 0) << ::strerrorname_np(answer.error);
        auto taken = receiver.take(rights & IPCSHIM_RIGHT_WRITE ? test::prot_rw : PROT_READ);
        EXPECT_EQ(taken.error, 0);
        EXPECT_EQ(taken.data.inode, answer.inode);
        return taken;
    }
    static void expect_unshared(taker& receiver, const taker::taken& taken, std::uint16_t how,
                                int status, pid_t pid) {
        const auto event = receiver.event();
        ASSERT_EQ(event.code, IPCSHIM_EVENT_UNSHARED_MEM);
        EXPECT_EQ(event.unshared_mem.how, how);
        EXPECT_EQ(event.unshared_mem.status, status);
        EXPECT_EQ(event.unshared_mem.inode, taken.data.inode);
        EXPECT_EQ(event.token, 0U);
        EXPECT_EQ(static_cast<pid_t>(event.pid), pid);
        EXPECT_EQ(receiver.events_waiting(), 0U);
    }

    ipcshim::port port = test::segment_port();
    test::unique_fd segment;
    area memory;
};

TEST_F(Mutual, BothSeeWhatEitherWrites) {
    taker receiver;
    const auto taken = share_with(receiver);
    EXPECT_EQ(taken.data.mode, IPCSHIM_MEM_MUTUAL);
    EXPECT_EQ(taken.data.rights, test::right_rw);
    EXPECT_EQ(taken.data.length, length);
    EXPECT_EQ(taken.data.how, 0);
    EXPECT_EQ(taken.data.deadline, 0U);
    EXPECT_EQ(static_cast<pid_t>(taken.event.pid), ::getpid());
    EXPECT_EQ(taken.sum, test::checksum(memory.bytes()));
    receiver.fill(2);
    EXPECT_TRUE(memory.holds(2));
    memory.fill(3);
    EXPECT_EQ(receiver.sum(), test::checksum(test::patterned(length, 3)));
    EXPECT_EQ(test::holders_of(segment.get()), std::vector<pid_t>{receiver.pid()});
}

TEST_F(Mutual, TakenBackIsGoneAndTold) {
    taker receiver;
    const auto taken = share_with(receiver);
    std::uint32_t revoked = 9;
    ASSERT_EQ(test::unshare_call(segment.get(), receiver.pid(), &revoked), 0);
    EXPECT_EQ(revoked, 1U);
    EXPECT_EQ(receiver.touch(0), SIGBUS);
    EXPECT_EQ(receiver.poke(length - 1, std::byte{0}), SIGBUS);
    EXPECT_EQ(receiver.info_error(), ESTALE);
    expect_unshared(receiver, taken, IPCSHIM_HOW_REVOKED, 0, ::getpid());
    EXPECT_TRUE(memory.holds(1));
    EXPECT_TRUE(test::holders_of(segment.get()).empty());
    // And again, as if it had never been.
    share_with(receiver);
    EXPECT_EQ(receiver.touch(0), 0);
}

TEST_F(Mutual, TakenBackFromOneStaysWithTheOthers) {
    taker first;
    taker second;
    const auto taken = share_with(first);
    share_with(second, test::right_r);
    EXPECT_EQ(test::holders_of(segment.get()).size(), 2U);
    ASSERT_EQ(test::unshare_call(segment.get(), first.pid()), 0);
    EXPECT_EQ(first.touch(0), SIGBUS);
    EXPECT_EQ(second.touch(0), 0);
    EXPECT_EQ(second.events_waiting(), 0U);
    expect_unshared(first, taken, IPCSHIM_HOW_REVOKED, 0, ::getpid());
    std::uint32_t revoked = 9;
    ASSERT_EQ(test::unshare_call(segment.get(), 0, &revoked), 0);
    EXPECT_EQ(revoked, 1U);
    EXPECT_EQ(second.touch(0), SIGBUS);
    ASSERT_EQ(test::unshare_call(segment.get(), 0, &revoked), 0);
    EXPECT_EQ(revoked, 0U);
}

TEST_F(Mutual, TakenBackBeforeTheClaimIsStale) {
    taker receiver;
    ASSERT_EQ(test::share(segment.get(), receiver.pid()).error, 0);
    ASSERT_EQ(test::unshare_call(segment.get(), receiver.pid()), 0);
    EXPECT_EQ(receiver.take().error, ESTALE);
    EXPECT_EQ(receiver.events_waiting(), 0U);
}

TEST_F(Mutual, TakenBackFromAVictimThatIsStopped) {
    taker receiver;
    const auto taken = share_with(receiver);
    CHECK_CALL(::kill(receiver.pid(), SIGSTOP));
    const auto state = [&] {
        const auto text = test::file_content("/proc/" + std::to_string(receiver.pid()) + "/stat");
        return text[text.rfind(')') + 2];
    };
    test::wait_until([&] { return state() == 'T'; });
    ASSERT_EQ(test::unshare_call(segment.get(), receiver.pid()), 0);
    EXPECT_EQ(state(), 'T');
    EXPECT_TRUE(test::holders_of(segment.get()).empty());
    CHECK_CALL(::kill(receiver.pid(), SIGCONT));
    EXPECT_EQ(receiver.touch(0), SIGBUS);
    expect_unshared(receiver, taken, IPCSHIM_HOW_REVOKED, 0, ::getpid());
}

// A victim that says when it begins, and what ended it.
std::unique_ptr<process>
victim(int fd, const std::function<void(const area& memory, const test::line& parent)>& run) {
    auto result = std::make_unique<process>([&run](const test::line& parent) {
        const auto its_port = test::segment_port();
        parent.put(1);
        const auto own = test::take_segment(its_port);
        const area its_memory(own.get(), length);
        run(its_memory, parent);
        CHECK(test::expect_event(its_port, IPCSHIM_EVENT_UNSHARED_MEM).unshared_mem.how ==
              IPCSHIM_HOW_REVOKED);
    });
    static_cast<void>(result->get());
    CHECK(test::share(fd, result->pid()).error == 0);
    return result;
}

TEST_F(Mutual, TakenBackFromAVictimThatWrites) {
    auto writer = victim(segment.get(), [](const area& its_memory, const test::line& parent) {
        parent.put(2);
        CHECK(test::guarded([&] {
                  for (;;)
                      for (std::size_t i = 0; i < length; i += 64)
                          *const_cast<volatile std::byte*>(its_memory.data() + i) = std::byte{7};
              }) == SIGBUS);
        parent.put(3);
    });
    ASSERT_EQ(writer->get(), 2U);
    test::wait_until([&] { return memory.data()[length - 64] == std::byte{7}; });
    ASSERT_EQ(test::unshare_call(segment.get(), writer->pid()), 0);
    memory.fill(4);
    ASSERT_EQ(writer->get(), 3U);
    EXPECT_TRUE(memory.holds(4));
    writer->join();
}

TEST_F(Mutual, TakenBackFromAVictimThatReadsIntoIt) {
    auto pair = test::raw_pair();
    auto reader = victim(segment.get(), [&](const area& its_memory, const test::line& parent) {
        pair.sender.close();
        CHECK(its_memory.holds(1));
        parent.put(2);
        CHECK(::read(pair.receiver.fd(), its_memory.data(), 100) == -1);
        CHECK(errno == EFAULT);
    });
    ASSERT_EQ(reader->get(), 2U);
    test::wait_until([&] { return pair.receiver.info().read_waits(); });
    ASSERT_EQ(test::unshare_call(segment.get(), reader->pid()), 0);
    pair.sender.write(test::patterned(100, 5));
    reader->join();
    EXPECT_TRUE(memory.holds(1));
    // What could not be put there was not lost.
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), 100U);
}

TEST_F(Mutual, TakenBackFromAVictimAndItsChild) {
    auto parent_of_two = victim(segment.get(), [](const area& its_memory, const test::line& up) {
        process child([&](const test::line& line) {
            CHECK(test::touch(its_memory.data()) == 0);
            line.put(1);
            static_cast<void>(line.get());
            CHECK(test::touch(its_memory.data()) == SIGBUS);
        });
        static_cast<void>(child.get());
        up.put(2);
        static_cast<void>(up.get());
        CHECK(test::touch(its_memory.data()) == SIGBUS);
        child.put(1);
        child.join();
    });
    ASSERT_EQ(parent_of_two->get(), 2U);
    ASSERT_EQ(test::unshare_call(segment.get(), parent_of_two->pid()), 0);
    parent_of_two->put(1);
    parent_of_two->join();
}

TEST_F(Mutual, TakenBackWakesWhoPollsTheDescriptor) {
    taker receiver;
    share_with(receiver);
    const auto its = receiver.descriptor();
    pollfd state{its.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&state, 1, 0), 0);
    std::atomic<pid_t> tid = 0;
    std::jthread poller([&] {
        tid = test::own_tid();
        pollfd wait{its.get(), 0, 0};
        EXPECT_EQ(::poll(&wait, 1, -1), 1);
        EXPECT_EQ(wait.revents, POLLHUP);
    });
    test::wait_until([&] { return tid != 0 && test::sleeps(tid); });
    ASSERT_EQ(test::unshare_call(segment.get(), receiver.pid()), 0);
    poller.join();
}

// How the sharer ends: the receiver is told, and keeps the pages.
class SharerEnds : public ::testing::Test {
protected:
    // A sharer that ends in its way when it is told to.
    void after(const std::function<void(int fd)>& end_itself,
               const std::function<void(process& sharer)>& end_it, std::uint16_t how, int status) {
        taker receiver;
        process sharer([&](const test::line& parent) {
            const auto port = test::segment_port();
            auto segment = test::create_segment(port, length);
            area memory(segment.get(), length);
            memory.fill(6);
            memory.reset();
            CHECK(test::share(segment.get(), receiver.pid()).error == 0);
            parent.put(1);
            static_cast<void>(parent.get());
            end_itself(segment.get());
            parent.put(2);
            static_cast<void>(parent.get());
        });
        static_cast<void>(sharer.get());
        const auto taken = receiver.take();
        ASSERT_EQ(taken.error, 0);
        EXPECT_EQ(receiver.info().sharer, static_cast<std::uint32_t>(sharer.pid()));
        const auto pid = sharer.pid();
        sharer.put(1);
        if (end_it)
            end_it(sharer);
        const auto event = receiver.event();
        ASSERT_EQ(event.code, IPCSHIM_EVENT_UNSHARED_MEM);
        EXPECT_EQ(event.unshared_mem.how, how);
        EXPECT_EQ(event.unshared_mem.status, status);
        EXPECT_EQ(event.unshared_mem.inode, taken.data.inode);
        EXPECT_EQ(static_cast<pid_t>(event.pid), pid);
        EXPECT_EQ(receiver.sum(), test::checksum(test::patterned(length, 6)));
        EXPECT_EQ(receiver.touch(0), 0);
        EXPECT_EQ(receiver.poke(0, std::byte{1}), 0);
        EXPECT_EQ(receiver.info_error(), 0);
        EXPECT_EQ(receiver.events_waiting(), 0U);
    }
};

TEST_F(SharerEnds, ByClose) {
    after([](int fd) { CHECK_CALL(::close(fd)); }, {}, IPCSHIM_HOW_CLOSED, 0);
}

TEST_F(SharerEnds, ByExit) {
    after([](int) { ::_exit(37); }, {}, IPCSHIM_HOW_EXITED, 37);
}

TEST_F(SharerEnds, BySignals) {
    for (const int signo : {SIGKILL, SIGTERM})
        after([](int) { ::pause(); },
              [signo](process& sharer) { CHECK_CALL(::kill(sharer.pid(), signo)); },
              IPCSHIM_HOW_KILLED, signo);
}

TEST_F(SharerEnds, ByExecutingAnotherProgram) {
    after([](int) { ::execl("/proc/self/exe", "ends", "--end", nullptr); }, {},
          IPCSHIM_HOW_EXECUTED, 0);
}

TEST_F(Mutual, TheSharersEndBeforeTheClaimIsToldAfterIt) {
    taker receiver;
    process sharer([&](const test::line&) {
        const auto its_port = test::segment_port();
        const auto own = test::create_segment(its_port, length);
        const area its_memory(own.get(), length);
        its_memory.fill(6);
        CHECK(test::share(own.get(), receiver.pid()).error == 0);
        ::_exit(0); // without closing
    });
    sharer.join();
    const auto taken = receiver.take();
    ASSERT_EQ(taken.error, 0);
    EXPECT_EQ(taken.sum, test::checksum(test::patterned(length, 6)));
    const auto event = receiver.event();
    EXPECT_EQ(event.code, IPCSHIM_EVENT_UNSHARED_MEM);
    EXPECT_EQ(event.unshared_mem.how, IPCSHIM_HOW_EXITED);
}

TEST(MutualPages, GoWithTheLastGrant) {
    // Before there is anything for it to inherit.
    taker receiver;
    const auto port = test::segment_port();
    const auto before = test::query_raw();
    auto segment = test::create_segment(port, length);
    area memory(segment.get(), length);
    memory.fill(1);
    EXPECT_EQ(test::query_raw().segment_bytes, before.segment_bytes + length);
    ASSERT_EQ(test::share(segment.get(), receiver.pid()).error, 0);
    ASSERT_EQ(receiver.take().error, 0);
    memory.reset();
    segment.reset();
    EXPECT_EQ(test::query_raw().segments, before.segments + 1);
    EXPECT_EQ(test::query_raw().segment_bytes, before.segment_bytes + length);
    receiver.close();
    EXPECT_EQ(test::query_raw().segment_bytes, before.segment_bytes + length);
    receiver.unmap();
    EXPECT_EQ(test::query_raw().segment_bytes, before.segment_bytes);
    EXPECT_EQ(test::query_raw().segments, before.segments);
}

TEST_F(Mutual, OnlyTheOwnerSharesTakesBackAndHandsOver) {
    taker receiver;
    taker third;
    share_with(receiver);
    EXPECT_EQ(receiver.share(third.pid()), EPERM);
    EXPECT_EQ(receiver.hand_over(third.pid()), EPERM);
    const auto its = receiver.descriptor();
    EXPECT_EQ(test::unshare_call(its.get(), 0), EPERM);
    EXPECT_EQ(test::give_back(its.get()), EINVAL);
    test::unique_fd exported;
    EXPECT_EQ(test::export_dmabuf(its.get(), exported), EPERM);
    EXPECT_EQ(third.events_waiting(), 0U);
}

} // namespace
