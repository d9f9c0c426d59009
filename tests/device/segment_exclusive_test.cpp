// SPDX-License-Identifier: MIT
// Exclusive hand-over: what the sharer had is gone, in every process and by
// every way, before the receiver is told.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "segment_support.hpp"

namespace {

using test::area;
using test::process;

constexpr std::size_t length = 64 * 1024;

class Exclusive : public ::testing::Test {
protected:
    void SetUp() override {
        segment = test::create_segment(port, length);
        memory = area(segment.get(), length);
        memory.fill(1);
        sum = test::checksum(memory.bytes());
    }

    // Hands over, and looks at it from the receiver's side.
    void hand_over() {
        const auto answer = test::hand_over(segment.get(), receiver.pid());
        ASSERT_EQ(answer.error, 0) << ::strerrorname_np(answer.error);
        const auto taken = receiver.take();
        ASSERT_EQ(taken.error, 0);
        EXPECT_EQ(taken.data.inode, answer.inode);
        EXPECT_EQ(taken.event.token, answer.token);
        EXPECT_EQ(taken.data.mode, IPCSHIM_MEM_EXCLUSIVE);
        EXPECT_EQ(taken.data.length, length);
        EXPECT_EQ(taken.sum, sum);
    }
    // Every page of it raises SIGBUS, at reading and at writing.
    static void expect_gone(const area& mapping) {
        for (std::size_t place = 0; place < mapping.size(); place += test::page_size()) {
            ASSERT_EQ(test::touch(mapping.data() + place), SIGBUS) << place;
            ASSERT_EQ(test::poke(mapping.data() + place, std::byte{1}), SIGBUS) << place;
        }
    }
    void expect_kept() { EXPECT_EQ(receiver.sum(), sum); }

    ipcshim::port port = test::segment_port();
    test::taker receiver;
    test::unique_fd segment;
    area memory;
    std::uint64_t sum = 0;
};

TEST_F(Exclusive, TheMappingOfTheSharerIsGone) {
    hand_over();
    expect_gone(memory);
    expect_kept();
}

TEST_F(Exclusive, TheDescriptorOfTheSharerIsStale) {
    const test::unique_fd copy(CHECK_CALL(::dup(segment.get())));
    hand_over();
    for (const int fd : {segment.get(), copy.get()}) {
        EXPECT_EQ(test::info_error(fd), ESTALE);
        EXPECT_EQ(test::mmap_error(fd, length, PROT_READ), ESTALE);
        EXPECT_EQ(test::hand_over(fd, receiver.pid()).error, ESTALE);
        EXPECT_EQ(test::share(fd, receiver.pid()).error, ESTALE);
        EXPECT_EQ(test::give_back(fd), ESTALE);
        test::unique_fd exported;
        EXPECT_EQ(test::export_dmabuf(fd, exported), ESTALE);
    }
    expect_kept();
}

TEST_F(Exclusive, SystemCallsOnTheMappingAnswerEFAULT) {
    hand_over();
    std::array<int, 2> ends{};
    CHECK_CALL(::pipe2(ends.data(), O_CLOEXEC));
    const test::unique_fd out(ends[0]);
    const test::unique_fd in(ends[1]);
    EXPECT_EQ(::write(in.get(), memory.data(), 100), -1);
    EXPECT_EQ(errno, EFAULT);
    ASSERT_EQ(::write(in.get(), "x", 1), 1);
    EXPECT_EQ(::read(out.get(), memory.data(), 1), -1);
    EXPECT_EQ(errno, EFAULT);
    expect_kept();
}

TEST_F(Exclusive, TwoMappingsAndPartsOfItAreGone) {
    const auto page = static_cast<off_t>(test::page_size());
    const area second(segment.get(), length);
    const area readable(segment.get(), length, PROT_READ);
    const area part(segment.get(), test::page_size(), test::prot_rw, MAP_SHARED, 3 * page);
    const area untouched(segment.get(), length);
    ASSERT_EQ(test::checksum(second.bytes()), sum);
    ASSERT_EQ(test::checksum(readable.bytes()), sum);
    ASSERT_EQ(test::touch(part.data()), 0);
    hand_over();
    expect_gone(memory);
    expect_gone(second);
    expect_gone(part);
    expect_gone(untouched);
    for (std::size_t place = 0; place < length; place += test::page_size())
        ASSERT_EQ(test::touch(readable.data() + place), SIGBUS);
    expect_kept();
}

TEST_F(Exclusive, MappingsInAChildAndInItsChildAreGone) {
    const auto look = [this](const test::line& parent) {
        CHECK(test::checksum(memory.bytes()) == sum);
        parent.put(1);
        static_cast<void>(parent.get());
        for (std::size_t place = 0; place < length; place += test::page_size())
            CHECK(test::poke(memory.data() + place, std::byte{9}) == SIGBUS);
        CHECK(test::info_error(segment.get()) == ESTALE);
    };
    process child([&](const test::line& parent) {
        process grandchild([&](const test::line& middle) { look(middle); });
        static_cast<void>(grandchild.get());
        look(parent);
        grandchild.put(1);
        grandchild.join();
    });
    static_cast<void>(child.get());
    hand_over();
    child.put(1);
    child.join();
    expect_gone(memory);
    expect_kept();
}

TEST_F(Exclusive, AMappingThroughAReopenedDescriptorIsGone) {
    const std::string path = "/proc/self/fd/" + std::to_string(segment.get());
    const test::unique_fd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_GE(again.get(), 0) << ::strerrorname_np(errno);
    EXPECT_EQ(test::inode_of(again.get()), test::inode_of(segment.get()));
    const area second(again.get(), length);
    ASSERT_EQ(test::checksum(second.bytes()), sum);
    hand_over();
    expect_gone(second);
    EXPECT_EQ(test::info_error(again.get()), ESTALE);
    const test::unique_fd late(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (late.get() >= 0) {
        EXPECT_EQ(test::mmap_error(late.get(), length, PROT_READ), ESTALE);
    }
    expect_kept();
}

TEST_F(Exclusive, AMappingThroughADescriptorThatWasPassedOnIsGone) {
    process other([&](const test::line& parent) {
        memory.reset();
        segment.reset();
        parent.put(1);
        const auto fd = test::receive_fd(parent);
        const area mapping(fd.get(), length);
        CHECK(test::checksum(mapping.bytes()) == sum);
        parent.put(2);
        static_cast<void>(parent.get());
        for (std::size_t place = 0; place < length; place += test::page_size())
            CHECK(test::poke(mapping.data() + place, std::byte{9}) == SIGBUS);
        CHECK(test::mmap_error(fd.get(), length, PROT_READ) == ESTALE);
    });
    static_cast<void>(other.get());
    test::send_fd(other.wire(), segment.get());
    ASSERT_EQ(other.get(), 2U);
    hand_over();
    other.put(1);
    other.join();
    expect_kept();
}

TEST_F(Exclusive, ADescriptorOnItsWayInASocketArrivesStale) {
    std::array<int, 2> ends{};
    CHECK_CALL(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()));
    const test::line in{test::unique_fd(ends[0])};
    const test::line out{test::unique_fd(ends[1])};
    test::send_fd(in, segment.get());
    hand_over();
    const auto fd = test::receive_fd(out);
    EXPECT_EQ(test::mmap_error(fd.get(), length, PROT_READ), ESTALE);
    EXPECT_EQ(test::info_error(fd.get()), ESTALE);
    expect_kept();
}

TEST_F(Exclusive, PrivateCopiesOfTheSharerAreGone) {
    const area copy(segment.get(), length, test::prot_rw, MAP_PRIVATE);
    const area unwritten(segment.get(), length, PROT_READ, MAP_PRIVATE);
    copy.fill(2);
    ASSERT_TRUE(memory.holds(1));
    ASSERT_TRUE(unwritten.holds(1));
    hand_over();
    expect_gone(copy);
    for (std::size_t place = 0; place < length; place += test::page_size())
        ASSERT_EQ(test::touch(unwritten.data() + place), SIGBUS);
    expect_kept();
}

TEST_F(Exclusive, AMappingThatWasMovedOrCutIsGone) {
    const std::size_t page = test::page_size();
    area target = area::anonymous(length);
    const area second(segment.get(), length);
    ASSERT_EQ(
        ::mremap(second.data(), 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, target.data()),
        target.data());
    ASSERT_EQ(::munmap(memory.data() + page, page), 0);
    ASSERT_EQ(::mprotect(memory.data() + 2 * page, page, PROT_READ), 0);
    ASSERT_EQ(test::touch(target.data()), 0);
    hand_over();
    for (std::size_t place = 0; place < 4 * page; place += page)
        EXPECT_EQ(test::poke(target.data() + place, std::byte{1}), SIGBUS);
    EXPECT_EQ(test::touch(memory.data()), SIGBUS);
    EXPECT_EQ(test::touch(memory.data() + page), SIGSEGV);
    EXPECT_EQ(test::touch(memory.data() + 2 * page), SIGBUS);
    EXPECT_EQ(test::touch(memory.data() + 3 * page), SIGBUS);
    expect_kept();
}

TEST_F(Exclusive, ProcessVmReadvAndWritevOfTheSharerFail) {
    std::vector<std::byte> buffer(length);
    const iovec local{buffer.data(), length};
    const iovec remote{memory.data(), length};
    ASSERT_EQ(::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0),
              static_cast<ssize_t>(length));
    ASSERT_EQ(::process_vm_writev(::getpid(), &local, 1, &remote, 1, 0),
              static_cast<ssize_t>(length));
    hand_over();
    EXPECT_EQ(::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(::process_vm_writev(::getpid(), &local, 1, &remote, 1, 0), -1);
    EXPECT_EQ(errno, EFAULT);
    expect_kept();
}

TEST_F(Exclusive, PtraceAndProcMemOfTheSharerFail) {
    process child([&](const test::line& parent) {
        CHECK(test::checksum(memory.bytes()) == sum);
        parent.put(1);
        static_cast<void>(parent.get());
    });
    static_cast<void>(child.get());
    const std::string path = "/proc/" + std::to_string(child.pid()) + "/mem";
    const test::unique_fd mem(CHECK_CALL(::open(path.c_str(), O_RDWR | O_CLOEXEC)));
    const auto place = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(memory.data()));
    std::array<char, 8> word{};
    ASSERT_EQ(::pread(mem.get(), word.data(), word.size(), place), 8);
    CHECK_CALL(::ptrace(PTRACE_SEIZE, child.pid(), nullptr, nullptr));
    CHECK_CALL(::ptrace(PTRACE_INTERRUPT, child.pid(), nullptr, nullptr));
    ASSERT_EQ(::waitpid(child.pid(), nullptr, 0), child.pid());
    errno = 0;
    ::ptrace(PTRACE_PEEKDATA, child.pid(), memory.data(), nullptr);
    ASSERT_EQ(errno, 0);

    hand_over();
    EXPECT_EQ(::pread(mem.get(), word.data(), word.size(), place), -1);
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(::pwrite(mem.get(), word.data(), word.size(), place), -1);
    EXPECT_EQ(errno, EIO);
    errno = 0;
    ::ptrace(PTRACE_PEEKDATA, child.pid(), memory.data(), nullptr);
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(::ptrace(PTRACE_POKEDATA, child.pid(), memory.data(), 0x55), -1);
    EXPECT_EQ(errno, EIO);
    CHECK_CALL(::ptrace(PTRACE_DETACH, child.pid(), nullptr, nullptr));
    child.put(1);
    child.join();
    expect_kept();
}

TEST_F(Exclusive, FileCallsOnTheDescriptorReachNothing) {
    // It is no file with contents: only mappings have them.
    std::array<char, 8> word{};
    EXPECT_EQ(::pread(segment.get(), word.data(), word.size(), 0), -1);
    EXPECT_EQ(::pwrite(segment.get(), word.data(), word.size(), 0), -1);
    EXPECT_NE(::ftruncate(segment.get(), 0), 0);
    EXPECT_NE(::fallocate(segment.get(), 0, 0, static_cast<off_t>(length)), 0);
    hand_over();
    EXPECT_EQ(::pread(segment.get(), word.data(), word.size(), 0), -1);
    EXPECT_EQ(::pwrite(segment.get(), word.data(), word.size(), 0), -1);
    EXPECT_NE(::ftruncate(segment.get(), 0), 0);
    expect_kept();
}

TEST_F(Exclusive, ThreeProcessesPassItRoundAndEachLosesIt) {
    test::taker third;
    hand_over();
    EXPECT_EQ(receiver.hand_over(third.pid()), 0);
    EXPECT_EQ(receiver.touch(0), SIGBUS);
    EXPECT_EQ(receiver.info_error(), ESTALE);
    const auto taken = third.take();
    EXPECT_EQ(taken.error, 0);
    EXPECT_EQ(taken.sum, sum);
    EXPECT_EQ(static_cast<pid_t>(taken.event.pid), receiver.pid());
    EXPECT_EQ(third.hand_over(::getpid()), 0);
    const auto back = test::take_segment(port);
    const area again(back.get(), length);
    EXPECT_EQ(test::checksum(again.bytes()), sum);
    EXPECT_EQ(third.poke(0, std::byte{7}), SIGBUS);
    EXPECT_EQ(receiver.poke(0, std::byte{7}), SIGBUS);
    EXPECT_EQ(test::touch(memory.data()), SIGBUS);
    EXPECT_EQ(test::checksum(again.bytes()), sum);
}

TEST_F(Exclusive, AForkBetweenTheHandOverAndTheClaimGivesNobodyMore) {
    process taking([&](const test::line& parent) {
        memory.reset();
        segment.reset();
        const auto its_port = test::segment_port();
        parent.put(1);
        const auto event = test::expect_event(its_port, IPCSHIM_EVENT_RECV_SHARED_MEM);
        process its_child([&](const test::line&) {
            // It inherits the port, and can claim nothing, by this one or its own.
            CHECK(test::claim_segment(its_port, event.token).error == EPERM);
            const auto own_port = test::segment_port();
            CHECK(test::claim_segment(own_port, event.token).error == ENOENT);
        });
        its_child.join();
        const auto taken = test::claim_segment(its_port, event.token);
        CHECK(taken.error == 0);
        const area its_memory(taken.fd.get(), length);
        CHECK(test::checksum(its_memory.bytes()) == sum);
        parent.put(2);
        static_cast<void>(parent.get());
        CHECK(test::checksum(its_memory.bytes()) == sum);
    });
    static_cast<void>(taking.get());
    ASSERT_EQ(test::hand_over(segment.get(), taking.pid()).error, 0);
    process child([&](const test::line&) {
        CHECK(test::poke(memory.data(), std::byte{1}) == SIGBUS);
        CHECK(test::mmap_error(segment.get(), length, PROT_READ) == ESTALE);
    });
    child.join();
    ASSERT_EQ(taking.get(), 2U);
    taking.put(1);
    taking.join();
}

// Somebody writes all the time, with what this round's number is no part of.
void write_until_gone(const area& memory) {
    const int signo = test::guarded([&memory] {
        for (std::byte value{1};; value = static_cast<std::byte>(static_cast<int>(value) + 1))
            for (std::size_t place = 0; place < length; place += 512)
                *const_cast<volatile std::byte*>(memory.data() + place) = value;
    });
    CHECK(signo == SIGBUS);
}

TEST_F(Exclusive, WhatTheReceiverSeesAtTheEventNeverChangesWhileAThreadWrites) {
    for (int round = 0; round < 40; round++) {
        const auto own = test::create_segment(port, length);
        const area mapping(own.get(), length);
        std::atomic<bool> writes = false;
        std::jthread writer([&] {
            mapping.data()[0] = std::byte{1};
            writes = true;
            write_until_gone(mapping);
        });
        test::wait_until([&] { return writes.load(); });
        ASSERT_EQ(test::hand_over(own.get(), receiver.pid()).error, 0) << round;
        const auto taken = receiver.take();
        ASSERT_EQ(taken.error, 0);
        for (int look = 0; look < 4; look++)
            ASSERT_EQ(receiver.sum(), taken.sum) << "round " << round << ", look " << look;
        // The writer ends by SIGBUS and nothing else: so it wrote to the end.
        writer.join();
        ASSERT_EQ(receiver.sum(), taken.sum) << round;
        receiver.unmap();
        receiver.close();
    }
}

TEST_F(Exclusive, WhatTheReceiverSeesAtTheEventNeverChangesWhileAChildWrites) {
    for (int round = 0; round < 25; round++) {
        const auto own = test::create_segment(port, length);
        const area mapping(own.get(), length);
        process writer([&](const test::line& parent) {
            mapping.data()[0] = std::byte{1};
            parent.put(1);
            write_until_gone(mapping);
        });
        static_cast<void>(writer.get());
        ASSERT_EQ(test::hand_over(own.get(), receiver.pid()).error, 0) << round;
        const auto taken = receiver.take();
        ASSERT_EQ(taken.error, 0);
        for (int look = 0; look < 4; look++)
            ASSERT_EQ(receiver.sum(), taken.sum) << "round " << round << ", look " << look;
        writer.join();
        ASSERT_EQ(receiver.sum(), taken.sum) << round;
        receiver.unmap();
        receiver.close();
    }
}

} // namespace
