// SPDX-License-Identifier: MIT
// The pages of a segment are ordinary ones: what works on other memory works
// on them, between two grants as well.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <new>
#include <thread>

#include "segment_disk.hpp"
#include "uring.hpp"

namespace {

using test::area;
using test::mib;
using test::process;

constexpr std::size_t length = 64 * 1024;

class Mapping : public ::testing::Test {
protected:
    void SetUp() override {
        segment = test::create_segment(port, length);
        memory = area(segment.get(), length);
    }

    // A process with a grant and a mapping of its own.
    std::unique_ptr<process>
    other(const std::function<void(const area& memory, const test::line& parent)>& run) {
        auto result = std::make_unique<process>([this, &run](const test::line& parent) {
            memory.reset();
            segment.reset();
            const auto its_port = test::segment_port();
            parent.put(1);
            const auto fd = test::take_segment(its_port);
            // Not where the other one has it.
            const area gap(-1, 3 * length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
            const area its_memory(fd.get(), length);
            run(its_memory, parent);
        });
        static_cast<void>(result->get());
        CHECK(test::share(segment.get(), result->pid()).error == 0);
        return result;
    }

    ipcshim::port port = test::segment_port();
    test::unique_fd segment;
    area memory;
};

long futex(std::atomic<std::uint32_t>* word, int what, std::uint32_t value) {
    return ::syscall(SYS_futex, word, what, value, nullptr, nullptr, 0);
}

std::atomic<std::uint32_t>* word_of(const area& memory, std::size_t offset = 0) {
    return reinterpret_cast<std::atomic<std::uint32_t>*>(memory.data() + offset);
}

TEST_F(Mapping, AFutexWakesAWaiterOfAnotherGrant) {
    auto* const word = word_of(memory, 4096);
    auto waiter = other([](const area& its_memory, const test::line& parent) {
        auto* const its_word = word_of(its_memory, 4096);
        parent.put(2);
        while (its_word->load() == 0)
            CHECK(futex(its_word, FUTEX_WAIT, 0) == 0 || errno == EAGAIN);
        its_word->store(2);
        CHECK(futex(its_word, FUTEX_WAKE, 1) >= 0);
    });
    ASSERT_EQ(waiter->get(), 2U);
    test::wait_until([&] { return test::sleeps(waiter->pid()); });
    word->store(1);
    EXPECT_EQ(futex(word, FUTEX_WAKE, 1), 1);
    while (word->load() == 1)
        EXPECT_TRUE(futex(word, FUTEX_WAIT, 1) == 0 || errno == EAGAIN);
    waiter->join();
}

TEST_F(Mapping, AFutexOfAnotherPlaceWakesNobody) {
    auto* const word = word_of(memory, 4096);
    auto waiter = other([](const area& its_memory, const test::line& parent) {
        auto* const its_word = word_of(its_memory, 4096);
        parent.put(2);
        while (its_word->load() == 0)
            CHECK(futex(its_word, FUTEX_WAIT, 0) == 0 || errno == EAGAIN);
    });
    ASSERT_EQ(waiter->get(), 2U);
    test::wait_until([&] { return test::sleeps(waiter->pid()); });
    EXPECT_EQ(futex(word_of(memory, 0), FUTEX_WAKE, 1), 0);
    const auto second = test::create_segment(port, length);
    const area elsewhere(second.get(), length);
    EXPECT_EQ(futex(word_of(elsewhere, 4096), FUTEX_WAKE, 1), 0);
    word->store(1);
    EXPECT_EQ(futex(word, FUTEX_WAKE, 1), 1);
    waiter->join();
}

// What two processes share with the C library's help.
struct monitor {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    std::uint64_t count;
    std::uint64_t turn;
};

monitor* make_monitor(const area& memory, bool robust = false) {
    auto* const made = new (memory.data()) monitor{};
    pthread_mutexattr_t kind;
    ::pthread_mutexattr_init(&kind);
    ::pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    if (robust)
        ::pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    CHECK(::pthread_mutex_init(&made->mutex, &kind) == 0);
    ::pthread_mutexattr_destroy(&kind);
    pthread_condattr_t condition;
    ::pthread_condattr_init(&condition);
    ::pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    CHECK(::pthread_cond_init(&made->changed, &condition) == 0);
    ::pthread_condattr_destroy(&condition);
    return made;
}

monitor* monitor_of(const area& memory) {
    return reinterpret_cast<monitor*>(memory.data());
}

TEST_F(Mapping, AMutexKeepsTwoProcessesApart) {
    auto* const shared = make_monitor(memory);
    constexpr std::uint64_t rounds = 20'000;
    const auto count = [](monitor* at) {
        for (std::uint64_t i = 0; i < rounds; i++) {
            CHECK(::pthread_mutex_lock(&at->mutex) == 0);
            // Apart from the lock nothing makes this whole.
            auto* const place = static_cast<volatile std::uint64_t*>(&at->count);
            *place = *place + 1;
            CHECK(::pthread_mutex_unlock(&at->mutex) == 0);
        }
    };
    auto second =
        other([&](const area& its_memory, const test::line&) { count(monitor_of(its_memory)); });
    count(shared);
    second->join();
    EXPECT_EQ(shared->count, 2 * rounds);
}

TEST_F(Mapping, AConditionPassesTurnsBetweenTwoProcesses) {
    auto* const shared = make_monitor(memory);
    constexpr std::uint64_t rounds = 500;
    const auto play = [](monitor* at, std::uint64_t parity) {
        for (std::uint64_t i = parity; i < rounds; i += 2) {
            CHECK(::pthread_mutex_lock(&at->mutex) == 0);
            while (at->turn != i)
                CHECK(::pthread_cond_wait(&at->changed, &at->mutex) == 0);
            at->turn = i + 1;
            CHECK(::pthread_cond_broadcast(&at->changed) == 0);
            CHECK(::pthread_mutex_unlock(&at->mutex) == 0);
        }
    };
    auto second =
        other([&](const area& its_memory, const test::line&) { play(monitor_of(its_memory), 1); });
    play(shared, 0);
    second->join();
    EXPECT_EQ(shared->turn, rounds);
}

TEST_F(Mapping, ARobustMutexTellsThatItsOwnerDied) {
    auto* const shared = make_monitor(memory, true);
    auto owner = other([](const area& its_memory, const test::line& parent) {
        CHECK(::pthread_mutex_lock(&monitor_of(its_memory)->mutex) == 0);
        parent.put(2);
        static_cast<void>(parent.get());
    });
    ASSERT_EQ(owner->get(), 2U);
    EXPECT_EQ(::pthread_mutex_trylock(&shared->mutex), EBUSY);
    int result = -1;
    std::atomic<pid_t> tid = 0;
    std::jthread waiter([&] {
        tid = test::own_tid();
        result = ::pthread_mutex_lock(&shared->mutex);
        EXPECT_EQ(::pthread_mutex_consistent(&shared->mutex), 0);
        EXPECT_EQ(::pthread_mutex_unlock(&shared->mutex), 0);
    });
    test::wait_until([&] { return tid != 0 && test::sleeps(tid); });
    owner->kill();
    waiter.join();
    EXPECT_EQ(result, EOWNERDEAD);
    EXPECT_EQ(::pthread_mutex_trylock(&shared->mutex), 0);
}

TEST_F(Mapping, WaitersOfAFutexWhosePagesAreTakenBackDontStay) {
    auto waiter = other([](const area& its_memory, const test::line& parent) {
        auto* const its_word = word_of(its_memory);
        parent.put(2);
        // A signal ends the wait; the word itself has gone by then.
        struct sigaction action {};
        action.sa_handler = [](int) {};
        CHECK_CALL(::sigaction(SIGUSR1, &action, nullptr));
        CHECK(futex(its_word, FUTEX_WAIT, 0) < 0 && errno == EINTR);
        CHECK(futex(its_word, FUTEX_WAIT, 0) < 0 && errno == EFAULT);
    });
    ASSERT_EQ(waiter->get(), 2U);
    test::wait_until([&] { return test::sleeps(waiter->pid()); });
    ASSERT_EQ(test::unshare_call(segment.get(), waiter->pid()), 0);
    CHECK_CALL(::kill(waiter->pid(), SIGUSR1));
    waiter->join();
}

TEST_F(Mapping, DirectReadsAndWrites) {
    if (const auto reason = test::held_disk::missing(); !reason.empty())
        GTEST_SKIP() << reason;
    test::held_disk disk;
    disk.release();
    ASSERT_EQ(::pread(disk.fd(), memory.data(), length, length), static_cast<ssize_t>(length));
    EXPECT_EQ(std::memcmp(memory.data(), disk.content().data() + length, length), 0);
    memory.fill(3);
    ASSERT_EQ(::pwrite(disk.fd(), memory.data(), length, 3 * length), static_cast<ssize_t>(length));
    EXPECT_EQ(test::matching(disk.content().subspan(3 * length, length), 3), length);
}

TEST_F(Mapping, ProcessVmReadvAndWritevOfAnotherProcess) {
    auto second = other([](const area& its_memory, const test::line& parent) {
        its_memory.fill(4);
        parent.put(reinterpret_cast<std::uintptr_t>(its_memory.data()));
        static_cast<void>(parent.get());
        CHECK(its_memory.holds(5));
    });
    const auto address = second->get();
    std::vector<std::byte> buffer(length);
    const iovec local{buffer.data(), length};
    const iovec remote{reinterpret_cast<void*>(address), length};
    ASSERT_EQ(::process_vm_readv(second->pid(), &local, 1, &remote, 1, 0),
              static_cast<ssize_t>(length));
    EXPECT_EQ(test::matching(buffer, 4), length);
    std::ranges::copy(test::patterned(length, 5), buffer.begin());
    ASSERT_EQ(::process_vm_writev(second->pid(), &local, 1, &remote, 1, 0),
              static_cast<ssize_t>(length));
    EXPECT_TRUE(memory.holds(5));
    second->put(1);
    second->join();
}

TEST_F(Mapping, ReadsAndWritesOfAPipeAndASocket) {
    auto pair = test::raw_pair(2 * length);
    memory.fill(6);
    ASSERT_EQ(::write(pair.sender.fd(), memory.data(), length), static_cast<ssize_t>(length));
    memory.fill(7);
    ASSERT_EQ(::read(pair.receiver.fd(), memory.data(), length), static_cast<ssize_t>(length));
    EXPECT_TRUE(memory.holds(6));
    std::array<int, 2> ends{};
    CHECK_CALL(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()));
    const test::unique_fd one(ends[0]);
    const test::unique_fd two(ends[1]);
    ASSERT_EQ(::send(one.get(), memory.data(), 5'000, 0), 5'000);
    memory.fill(8);
    ASSERT_EQ(::recv(two.get(), memory.data() + 100, 5'000, MSG_WAITALL), 5'000);
    EXPECT_EQ(test::matching({memory.data() + 100, 5'000}, 6), 5'000U);
    EXPECT_EQ(test::matching({memory.data(), 100}, 8), 100U);
}

TEST_F(Mapping, VmspliceGivesThePagesToAPipe) {
    std::array<int, 2> ends{};
    CHECK_CALL(::pipe2(ends.data(), O_CLOEXEC));
    const test::unique_fd out(ends[0]);
    const test::unique_fd in(ends[1]);
    memory.fill(9);
    const iovec part{memory.data() + 100, 10'000};
    ASSERT_EQ(::vmsplice(in.get(), &part, 1, 0), 10'000);
    // The very pages: what is written now shows in the pipe.
    memory.data()[100] = std::byte{0xEE};
    const auto piece = test::read_bytes(out.get(), 10'000);
    EXPECT_EQ(piece[0], std::byte{0xEE});
    EXPECT_EQ(test::matching(std::span(piece).subspan(1), 9, 101), 9'999U);
}

std::uint64_t minor_faults() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_minflt);
}

std::size_t resident_pages(const area& memory) {
    std::vector<unsigned char> pages(memory.size() / test::page_size());
    CHECK_CALL(::mincore(memory.data(), memory.size(), pages.data()));
    std::size_t count = 0;
    for (const auto page : pages)
        count += page & 1U;
    return count;
}

std::uint64_t faults_of_touching(const area& memory) {
    const auto before = minor_faults();
    for (std::size_t place = 0; place < memory.size(); place += test::page_size())
        CHECK(test::touch(memory.data() + place) == 0);
    return minor_faults() - before;
}

TEST_F(Mapping, PagesAppearWhenTheyAreTouched) {
    const std::size_t size = 512 * 1024;
    const auto own = test::create_segment(port, size, IPCSHIM_MEM_SMALL_PAGES);
    const area lazy(own.get(), size);
    EXPECT_EQ(test::info_of(own.get()).allocated, 0U);
    EXPECT_EQ(resident_pages(lazy), 0U);
    EXPECT_EQ(test::poke(lazy.data() + size / 2, std::byte{1}), 0);
    EXPECT_EQ(test::info_of(own.get()).allocated, test::page_size());
    EXPECT_EQ(resident_pages(lazy), 1U);
}

TEST_F(Mapping, PopulateMapsAllOfItAtOnce) {
    const std::size_t size = 512 * 1024;
    const auto own = test::create_segment(port, size, IPCSHIM_MEM_SMALL_PAGES);
    const area whole(own.get(), size, test::prot_rw, MAP_SHARED | MAP_POPULATE);
    EXPECT_EQ(test::info_of(own.get()).allocated, size);
    EXPECT_EQ(resident_pages(whole), size / test::page_size());
    EXPECT_EQ(faults_of_touching(whole), 0U);
    const area lazy(own.get(), size);
    EXPECT_GT(faults_of_touching(lazy), 0U);
}

TEST_F(Mapping, ANewSegmentIsFullOfZeros) {
    // Memory that had other contents before.
    for (int round = 0; round < 3; round++) {
        const auto own = test::create_segment(port, 4 * mib);
        const area mapping(own.get(), 4 * mib);
        const std::vector<std::byte> zeros(4 * mib);
        ASSERT_EQ(std::memcmp(mapping.data(), zeros.data(), 4 * mib), 0);
        std::memset(mapping.data(), 0xA5, 4 * mib);
    }
}

TEST_F(Mapping, OfTheSameSegmentAtTwoPlacesShowsTheSameBytes) {
    const area second(segment.get(), length);
    const area part(segment.get(), test::page_size(), test::prot_rw, MAP_SHARED,
                    static_cast<off_t>(2 * test::page_size()));
    memory.fill(10);
    EXPECT_TRUE(second.holds(10));
    part.data()[5] = std::byte{0xEE};
    EXPECT_EQ(memory.data()[2 * test::page_size() + 5], std::byte{0xEE});
    EXPECT_EQ(second.data()[2 * test::page_size() + 5], std::byte{0xEE});
}

TEST_F(Mapping, OutlivesItsDescriptor) {
    memory.fill(11);
    const auto before = test::query_raw();
    segment.reset();
    EXPECT_TRUE(memory.holds(11));
    EXPECT_EQ(test::query_raw().segments, before.segments);
    memory.reset();
    EXPECT_EQ(test::query_raw().segments, before.segments - 1);
    EXPECT_EQ(test::query_raw().segment_bytes, before.segment_bytes - length);
}

TEST_F(Mapping, FixedOverItLeavesTheSegmentAlone) {
    memory.fill(12);
    const std::size_t page = test::page_size();
    ASSERT_EQ(::mmap(memory.data() + page, page, test::prot_rw,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
              memory.data() + page);
    memory.data()[page] = std::byte{0xEE};
    const area second(segment.get(), length);
    EXPECT_TRUE(second.holds(12));
    test::taker receiver;
    ASSERT_EQ(test::hand_over(segment.get(), receiver.pid()).error, 0);
    // What was put over it is no part of the segment.
    EXPECT_EQ(test::touch(memory.data() + page), 0);
    EXPECT_EQ(test::touch(memory.data()), SIGBUS);
}

#ifdef HAVE_LIBURING
int run_one(io_uring* ring, io_uring_sqe* sqe) {
    static_cast<void>(sqe);
    CHECK(::io_uring_submit(ring) == 1);
    io_uring_cqe* cqe = nullptr;
    CHECK(::io_uring_wait_cqe(ring, &cqe) == 0);
    const int result = cqe->res;
    ::io_uring_cqe_seen(ring, cqe);
    return result;
}

TEST_F(Mapping, PlainRequestsOfAnIoUring) {
    io_uring ring{};
    if (const int error = -::io_uring_queue_init(4, &ring, 0); error != 0)
        GTEST_SKIP() << "io_uring_setup: " << ::strerrorname_np(error);
    auto pair = test::raw_pair();
    memory.fill(13);
    auto* sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_write(sqe, pair.sender.fd(), memory.data(), 10'000, 0);
    EXPECT_EQ(run_one(&ring, sqe), 10'000);
    sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_read(sqe, pair.receiver.fd(), memory.data() + 20'000, 10'000, 0);
    EXPECT_EQ(run_one(&ring, sqe), 10'000);
    EXPECT_EQ(test::matching({memory.data() + 20'000, 10'000}, 13), 10'000U);
    ::io_uring_queue_exit(&ring);
}

TEST_F(Mapping, FixedBuffersOfAnIoUring) {
    io_uring ring{};
    if (const int error = -::io_uring_queue_init(4, &ring, 0); error != 0)
        GTEST_SKIP() << "io_uring_setup: " << ::strerrorname_np(error);
    const iovec part{memory.data(), length};
    const int error = -::io_uring_register_buffers(&ring, &part, 1);
    if (error == EOPNOTSUPP) {
        ::io_uring_queue_exit(&ring);
        GTEST_SKIP() << "this kernel (before Linux 6.5) takes no file's mapping but those of "
                        "shmem and hugetlb as a fixed buffer";
    }
    ASSERT_EQ(error, 0) << ::strerrorname_np(error);
    auto pair = test::raw_pair();
    memory.fill(14);
    auto* sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_write_fixed(sqe, pair.sender.fd(), memory.data(), 10'000, 0, 0);
    EXPECT_EQ(run_one(&ring, sqe), 10'000);
    sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_read_fixed(sqe, pair.receiver.fd(), memory.data() + 20'000, 10'000, 0, 0);
    EXPECT_EQ(run_one(&ring, sqe), 10'000);
    EXPECT_EQ(test::matching({memory.data() + 20'000, 10'000}, 14), 10'000U);
    ::io_uring_queue_exit(&ring);
}
#endif

} // namespace
