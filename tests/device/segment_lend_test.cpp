// SPDX-License-Identifier: MIT
// Lending: the pages come back to the lender, alone again, when they are given
// back, when the borrower ends, and at the deadline.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/uio.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "segment_support.hpp"

namespace {

using test::area;
using test::taker;

constexpr std::size_t length = 64 * 1024;
constexpr std::uint64_t millisecond = 1'000'000;

class Lend : public ::testing::Test {
protected:
    void SetUp() override {
        segment = test::create_segment(port, length);
        memory = area(segment.get(), length);
        memory.fill(1);
    }
    void lend(std::uint64_t deadline = 0, std::uint16_t rights = test::right_rw) {
        const auto answer = test::lend(segment.get(), borrower.pid(), deadline, rights);
        ASSERT_EQ(answer.error, 0) << ::strerrorname_np(answer.error);
        EXPECT_EQ(test::touch(memory.data()), SIGBUS);
        EXPECT_EQ(test::info_error(segment.get()), ESTALE);
        inode = answer.inode;
    }
    void lend_and_take(std::uint64_t deadline = 0, std::uint16_t rights = test::right_rw) {
        lend(deadline, rights);
        const auto taken = borrower.take(rights & IPCSHIM_RIGHT_WRITE ? test::prot_rw : PROT_READ);
        ASSERT_EQ(taken.error, 0);
        EXPECT_EQ(taken.data.mode, IPCSHIM_MEM_LENT);
        EXPECT_EQ(taken.data.deadline, deadline);
        EXPECT_EQ(taken.data.inode, inode);
        EXPECT_EQ(taken.sum, test::checksum(test::patterned(length, 1)));
    }
    // Takes what has come back; the segment is ours again.
    void expect_back(std::uint16_t how, int status, pid_t pid) {
        const auto event = test::expect_event(port, IPCSHIM_EVENT_RECV_SHARED_MEM);
        const auto& data = event.recv_shared_mem;
        EXPECT_EQ(data.mode, IPCSHIM_MEM_RETURNED);
        EXPECT_EQ(data.how, how);
        EXPECT_EQ(data.status, status);
        EXPECT_EQ(data.length, length);
        EXPECT_EQ(data.deadline, 0U);
        EXPECT_EQ(data.rights, test::right_rw | IPCSHIM_RIGHT_EXECUTE);
        if (pid >= 0) {
            EXPECT_EQ(static_cast<pid_t>(event.pid), pid);
        }
        auto taken = test::claim_segment(port, event.token);
        ASSERT_EQ(taken.error, 0) << ::strerrorname_np(taken.error);
        EXPECT_EQ(taken.args.inode, data.inode);
        EXPECT_NE(taken.args.inode, inode);
        segment = std::move(taken.fd);
        memory = area(segment.get(), length);
        const auto info = test::info_of(segment.get());
        EXPECT_EQ(info.mode, IPCSHIM_MEM_RETURNED);
        EXPECT_TRUE(info.flags & IPCSHIM_MEM_INFO_OWNER);
        EXPECT_EQ(port.events_waiting(), 0U);
    }
    // It can do with it what it could before.
    void expect_own() {
        taker third;
        ASSERT_EQ(test::share(segment.get(), third.pid()).error, 0);
        ASSERT_EQ(third.take().error, 0);
        ASSERT_EQ(test::unshare_call(segment.get(), 0), 0);
        ASSERT_EQ(test::hand_over(segment.get(), third.pid()).error, 0);
        EXPECT_EQ(third.event().code, IPCSHIM_EVENT_UNSHARED_MEM);
        EXPECT_EQ(third.take().error, 0);
    }

    ipcshim::port port = test::segment_port();
    taker borrower;
    test::unique_fd segment;
    area memory;
    std::uint64_t inode = 0;
};

TEST_F(Lend, GivenBackItHoldsWhatTheBorrowerWrote) {
    lend_and_take();
    EXPECT_EQ(borrower.info().mode, IPCSHIM_MEM_LENT);
    EXPECT_FALSE(borrower.info().flags & IPCSHIM_MEM_INFO_OWNER);
    borrower.fill(2);
    EXPECT_EQ(borrower.give_back(), 0);
    EXPECT_EQ(borrower.touch(0), SIGBUS);
    EXPECT_EQ(borrower.info_error(), ESTALE);
    EXPECT_EQ(borrower.give_back(), ESTALE);
    expect_back(IPCSHIM_HOW_RETURNED, 0, borrower.pid());
    EXPECT_TRUE(memory.holds(2));
    EXPECT_EQ(borrower.poke(0, std::byte{9}), SIGBUS);
    EXPECT_TRUE(memory.holds(2));
    EXPECT_EQ(borrower.events_waiting(), 0U);
    expect_own();
}

TEST_F(Lend, TheBorrowerOwnsNothing) {
    taker third;
    lend_and_take();
    EXPECT_EQ(borrower.share(third.pid()), EPERM);
    EXPECT_EQ(borrower.hand_over(third.pid()), EPERM);
    const auto its = borrower.descriptor();
    EXPECT_EQ(test::unshare_call(its.get(), 0), EPERM);
    test::unique_fd exported;
    EXPECT_EQ(test::export_dmabuf(its.get(), exported), EPERM);
}

TEST_F(Lend, ClosedItComesBack) {
    lend_and_take();
    borrower.fill(2);
    borrower.close();
    EXPECT_EQ(port.events_waiting(), 0U);
    borrower.unmap();
    expect_back(IPCSHIM_HOW_CLOSED, 0, borrower.pid());
    EXPECT_TRUE(memory.holds(2));
    expect_own();
}

TEST_F(Lend, TheBorrowersExitBringsItBack) {
    lend_and_take();
    borrower.fill(2);
    const auto pid = borrower.pid();
    borrower.exit(23);
    expect_back(IPCSHIM_HOW_EXITED, 23, pid);
    EXPECT_TRUE(memory.holds(2));
    expect_own();
}

TEST_F(Lend, TheBorrowersDeathBringsItBack) {
    lend_and_take();
    borrower.fill(2);
    const auto pid = borrower.pid();
    borrower.kill();
    expect_back(IPCSHIM_HOW_KILLED, SIGKILL, pid);
    EXPECT_TRUE(memory.holds(2));
    expect_own();
}

TEST_F(Lend, AnotherProgramInTheBorrowerBringsItBack) {
    lend_and_take();
    const auto pid = borrower.pid();
    borrower.execute();
    expect_back(IPCSHIM_HOW_EXECUTED, 0, pid);
    EXPECT_TRUE(memory.holds(1));
    expect_own();
}

TEST_F(Lend, NeverClaimedItComesBackWithTheBorrowersEnd) {
    lend();
    const auto pid = borrower.pid();
    borrower.kill();
    expect_back(IPCSHIM_HOW_KILLED, SIGKILL, pid);
    EXPECT_TRUE(memory.holds(1));
}

TEST_F(Lend, NeverClaimedItComesBackWithTheBorrowersPort) {
    lend();
    borrower.close_port();
    expect_back(IPCSHIM_HOW_CLOSED, 0, borrower.pid());
    EXPECT_TRUE(memory.holds(1));
}

TEST_F(Lend, NeverClaimedItComesBackAtTheDeadline) {
    const auto deadline = test::now() + 30 * millisecond;
    lend(deadline);
    expect_back(IPCSHIM_HOW_LEASE_ENDED, 0, -1);
    EXPECT_GE(test::now(), deadline);
    EXPECT_TRUE(memory.holds(1));
    EXPECT_EQ(borrower.take().error, ESTALE);
}

TEST_F(Lend, AtTheDeadlineItComesBackAndBothAreTold) {
    const auto deadline = test::now() + 1000 * millisecond;
    lend_and_take(deadline);
    EXPECT_EQ(borrower.info().deadline, deadline);
    expect_back(IPCSHIM_HOW_LEASE_ENDED, 0, -1);
    EXPECT_GE(test::now(), deadline);
    const auto event = borrower.event();
    EXPECT_EQ(event.code, IPCSHIM_EVENT_UNSHARED_MEM);
    EXPECT_EQ(event.unshared_mem.how, IPCSHIM_HOW_LEASE_ENDED);
    EXPECT_EQ(event.unshared_mem.inode, inode);
    EXPECT_EQ(borrower.touch(0), SIGBUS);
    EXPECT_EQ(borrower.info_error(), ESTALE);
    EXPECT_EQ(borrower.give_back(), ESTALE);
    EXPECT_TRUE(memory.holds(1));
    expect_own();
}

TEST_F(Lend, WithTimeLeftTheBorrowersGivingBackEndsTheLease) {
    lend_and_take(test::now() + 3'600'000 * millisecond);
    EXPECT_EQ(borrower.give_back(), 0);
    expect_back(IPCSHIM_HOW_RETURNED, 0, borrower.pid());
    expect_own();
}

TEST_F(Lend, WhileTheBorrowerWritesTheDeadlineEndsItsWriting) {
    test::process writer([](const test::line& parent) {
        const auto its_port = test::segment_port();
        parent.put(1);
        const auto own = test::take_segment(its_port);
        const area its_memory(own.get(), length);
        parent.put(2);
        CHECK(test::guarded([&] {
                  for (std::byte value{0};; value = static_cast<std::byte>(~value))
                      for (std::size_t i = 0; i < length; i += 128)
                          *const_cast<volatile std::byte*>(its_memory.data() + i) = value;
              }) == SIGBUS);
        CHECK(test::expect_event(its_port, IPCSHIM_EVENT_UNSHARED_MEM).unshared_mem.how ==
              IPCSHIM_HOW_LEASE_ENDED);
        parent.put(3);
        static_cast<void>(parent.get());
    });
    static_cast<void>(writer.get());
    const auto deadline = test::now() + 1000 * millisecond;
    ASSERT_EQ(test::lend(segment.get(), writer.pid(), deadline).error, 0);
    ASSERT_EQ(writer.get(), 2U);
    expect_back(IPCSHIM_HOW_LEASE_ENDED, 0, -1);
    const auto sum = test::checksum(memory.bytes());
    ASSERT_EQ(writer.get(), 3U);
    EXPECT_EQ(test::checksum(memory.bytes()), sum);
    writer.put(1);
    writer.join();
    EXPECT_EQ(test::checksum(memory.bytes()), sum);
}

TEST_F(Lend, ADeadlineThatHasPassedIsRefused) {
    EXPECT_EQ(test::lend(segment.get(), borrower.pid(), test::now()).error, ETIMEDOUT);
    EXPECT_EQ(test::lend(segment.get(), borrower.pid(), 1).error, ETIMEDOUT);
    EXPECT_TRUE(memory.holds(1));
    EXPECT_EQ(borrower.events_waiting(), 0U);
    lend_and_take();
}

TEST_F(Lend, WithoutAHandlerForItsReturnItIsRefused) {
    test::process lender([&](const test::line&) {
        // Its own port, without handlers.
        const auto bare = ipcshim::port::open();
        const auto own = test::create_segment(bare, length);
        CHECK(test::lend(own.get(), borrower.pid()).error == ECONNREFUSED);
        CHECK(test::info_error(own.get()) == 0);
        CHECK(test::hand_over(own.get(), borrower.pid()).error == 0);
    });
    lender.join();
    EXPECT_EQ(borrower.take().data.mode, IPCSHIM_MEM_EXCLUSIVE);
}

TEST_F(Lend, ReadOnlyItComesBackWithAllRights) {
    lend_and_take(0, test::right_r);
    EXPECT_EQ(borrower.map(test::prot_rw), EACCES);
    EXPECT_EQ(borrower.give_back(), 0);
    expect_back(IPCSHIM_HOW_RETURNED, 0, borrower.pid());
    memory.fill(5);
    EXPECT_TRUE(memory.holds(5));
}

TEST_F(Lend, TheLendersDeathLeavesItToTheBorrowerAndThenToNobody) {
    segment.reset();
    memory.reset();
    const auto before = test::query_raw();
    test::process lender([&](const test::line& parent) {
        const auto its_port = test::segment_port();
        const auto own = test::create_segment(its_port, length);
        const area its_memory(own.get(), length);
        its_memory.fill(1);
        CHECK(test::lend(own.get(), borrower.pid()).error == 0);
        parent.put(1);
        static_cast<void>(parent.get());
    });
    static_cast<void>(lender.get());
    ASSERT_EQ(borrower.take().error, 0);
    lender.kill();
    EXPECT_EQ(borrower.sum(), test::checksum(test::patterned(length, 1)));
    EXPECT_EQ(borrower.give_back(), 0);
    EXPECT_EQ(borrower.touch(0), SIGBUS);
    borrower.unmap();
    borrower.close();
    const auto after = test::query_raw();
    EXPECT_EQ(after.segments, before.segments);
    EXPECT_EQ(after.segment_bytes, before.segment_bytes);
    EXPECT_EQ(after.tokens, before.tokens);
}

TEST_F(Lend, ManyTimesLeavesNothingBehind) {
    const auto before = test::query_raw();
    for (int round = 0; round < 30; round++) {
        const auto seed = static_cast<std::uint64_t>(round + 1);
        ASSERT_EQ(test::lend(segment.get(), borrower.pid()).error, 0);
        ASSERT_EQ(borrower.take().error, 0);
        borrower.fill(seed);
        ASSERT_EQ(borrower.give_back(), 0);
        expect_back(IPCSHIM_HOW_RETURNED, 0, borrower.pid());
        ASSERT_TRUE(memory.holds(seed));
    }
    borrower.close();
    borrower.unmap();
    const auto after = test::query_raw();
    EXPECT_EQ(after.segments, before.segments);
    EXPECT_EQ(after.segment_bytes, before.segment_bytes);
    EXPECT_EQ(after.used_objects, before.used_objects);
}

// Somebody's I/O still has pages of what comes back: a write that waits in the
// kernel, by a third process, into the borrower's mapping.
class LendPinned : public Lend {
protected:
    void SetUp() override {
        if (!test::late_memory::available())
            GTEST_SKIP() << "no userfaultfd: " << ::strerrorname_np(errno);
        Lend::SetUp();
    }
    // A borrower that tells where it has it; "finish" is told to it later.
    std::unique_ptr<test::process> make_borrower(bool gives_back = false) {
        auto result = std::make_unique<test::process>([this, gives_back](const test::line& line) {
            memory.reset();
            segment.reset();
            const auto its_port = test::segment_port();
            line.put(1);
            const auto own = test::take_segment(its_port);
            const area its_memory(own.get(), length);
            its_memory.fill(1);
            line.put(reinterpret_cast<std::uintptr_t>(its_memory.data()));
            while (gives_back) {
                static_cast<void>(line.get());
                line.put(static_cast<std::uint64_t>(test::give_back(own.get())));
            }
            static_cast<void>(test::expect_event(its_port, IPCSHIM_EVENT_UNSHARED_MEM));
            line.put(3);
            static_cast<void>(line.get());
        });
        static_cast<void>(result->get());
        return result;
    }
    // A process that writes zeros to a page of it, and waits in the middle.
    std::unique_ptr<test::process> make_writer(pid_t target, std::uint64_t address) {
        auto result = std::make_unique<test::process>([=](const test::line& line) {
            const test::late_memory late(test::page_size());
            std::jthread writer([&] {
                const iovec local{late.data(), late.size()};
                const iovec remote{reinterpret_cast<void*>(address), late.size()};
                CHECK(::process_vm_writev(target, &local, 1, &remote, 1, 0) ==
                      static_cast<ssize_t>(late.size()));
            });
            late.wait_for_fault();
            line.put(1);
            static_cast<void>(line.get());
            late.provide();
            writer.join();
        });
        CHECK(result->get() == 1);
        return result;
    }
    void expect_unreached(test::process& writer) {
        EXPECT_TRUE(memory.holds(1));
        writer.put(1);
        writer.join();
        // It has written its zeros by now: to a page of nobody's.
        EXPECT_TRUE(memory.holds(1));
        expect_own();
    }
};

// The kernel keeps a dead process's mappings for who writes through them: it
// comes back when that is done, and not before.
TEST_F(LendPinned, AfterTheBorrowersDeathItComesBackWhenNobodyWritesAnyMore) {
    auto own_borrower = make_borrower();
    ASSERT_EQ(test::lend(segment.get(), own_borrower->pid()).error, 0);
    auto writer = make_writer(own_borrower->pid(), own_borrower->get());
    const auto pid = own_borrower->pid();
    own_borrower->kill();
    EXPECT_EQ(port.events_waiting(), 0U);
    writer->put(1);
    expect_back(IPCSHIM_HOW_KILLED, SIGKILL, pid);
    EXPECT_EQ(memory.data()[1], std::byte{0});
    const auto sum = test::checksum(memory.bytes());
    writer->join();
    EXPECT_EQ(test::checksum(memory.bytes()), sum);
    expect_own();
}

TEST_F(LendPinned, AtTheDeadlineWhatIsWrittenLaterReachesNobody) {
    auto own_borrower = make_borrower();
    ASSERT_EQ(
        test::lend(segment.get(), own_borrower->pid(), test::now() + 1000 * millisecond).error, 0);
    auto writer = make_writer(own_borrower->pid(), own_borrower->get());
    expect_back(IPCSHIM_HOW_LEASE_ENDED, 0, -1);
    ASSERT_EQ(own_borrower->get(), 3U);
    expect_unreached(*writer);
}

TEST_F(LendPinned, GivingBackIsBusyAndChangesNothing) {
    auto own_borrower = make_borrower(true);
    ASSERT_EQ(test::lend(segment.get(), own_borrower->pid()).error, 0);
    auto writer = make_writer(own_borrower->pid(), own_borrower->get());
    own_borrower->put(1);
    EXPECT_EQ(own_borrower->get(), static_cast<std::uint64_t>(EBUSY));
    EXPECT_EQ(port.events_waiting(), 0U);
    writer->put(1);
    writer->join();
    own_borrower->put(1);
    EXPECT_EQ(own_borrower->get(), 0U);
    expect_back(IPCSHIM_HOW_RETURNED, 0, own_borrower->pid());
    EXPECT_EQ(memory.data()[1], std::byte{0});
    EXPECT_EQ(test::matching(memory.bytes().subspan(test::page_size()), 1, test::page_size()),
              length - test::page_size());
}

TEST_F(Lend, WhatTheBorrowerLeftInAPipeStaysAsItWas) {
    std::array<int, 2> ends{};
    CHECK_CALL(::pipe2(ends.data(), O_CLOEXEC));
    const test::unique_fd out(ends[0]);
    const test::unique_fd in(ends[1]);
    test::process own_borrower([&](const test::line& parent) {
        const auto its_port = test::segment_port();
        parent.put(1);
        const auto own = test::take_segment(its_port);
        const area its_memory(own.get(), length);
        const iovec part{its_memory.data(), test::page_size()};
        CHECK(::vmsplice(in.get(), &part, 1, 0) == static_cast<ssize_t>(test::page_size()));
        ::_exit(0); // without closing
    });
    static_cast<void>(own_borrower.get());
    const auto pid = own_borrower.pid();
    ASSERT_EQ(test::lend(segment.get(), pid).error, 0);
    own_borrower.join();
    expect_back(IPCSHIM_HOW_EXITED, 0, pid);
    EXPECT_TRUE(memory.holds(1));
    memory.fill(9);
    EXPECT_EQ(test::matching(test::read_bytes(out.get(), test::page_size()), 1), test::page_size());
    expect_own();
}

} // namespace
