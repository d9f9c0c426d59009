// SPDX-License-Identifier: MIT
// Many threads touch a segment while it is taken away, again and again: once
// the call has returned, no access succeeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "segment_support.hpp"

namespace {

using test::area;
using test::mib;

struct shape {
    int threads;
    std::size_t length;
    int rounds;
};

// What threads of one or two processes tell each other; in shared memory.
struct board {
    std::atomic<bool> gone;
    std::atomic<int> touching;
    std::atomic<std::uint64_t> touches;
    std::atomic<std::uint64_t> faults;
    std::atomic<std::uint64_t> too_late; // accesses that succeeded afterwards

    void begin() {
        gone = false;
        touching = 0;
    }
};

// Touches one page after another until the mapping is known to be gone; every
// access that is begun later than that must fail.
void touch_until_gone(board& shared, const area& memory, int number, int threads) {
    const std::size_t page = test::page_size();
    const std::size_t pages = memory.size() / page;
    const auto access = [&](std::size_t i) {
        std::byte* const place = memory.data() + i % pages * page;
        const int signo =
            i % 3 == 0 ? test::poke(place, static_cast<std::byte>(i)) : test::touch(place);
        CHECK(signo == 0 || signo == SIGBUS);
        (signo == 0 ? shared.touches : shared.faults)++;
        return signo == 0;
    };
    std::size_t next = static_cast<std::size_t>(number) * 7;
    access(next);
    for (shared.touching++; !shared.gone; next += 5) {
        access(next);
        // What was dropped faults again: faults race all the time.
        if (number == 0)
            CHECK(::madvise(memory.data(), memory.size(), MADV_DONTNEED) == 0);
    }
    // Together they look at 32 pages all over it.
    const auto step = std::max<std::size_t>(1, pages / 32);
    const auto own_step = step * static_cast<std::size_t>(threads);
    for (auto i = step * static_cast<std::size_t>(number); i < pages; i += own_step)
        if (access(i))
            shared.too_late++;
}

class Race : public ::testing::TestWithParam<shape> {
protected:
    Race() : place(-1, test::page_size(), test::prot_rw, MAP_SHARED | MAP_ANONYMOUS) {}
    board& shared() { return *reinterpret_cast<board*>(place.data()); }

    const area place;
    ipcshim::port port = test::segment_port();
};

INSTANTIATE_TEST_SUITE_P(Of, Race,
                         ::testing::Values(shape{2, 64 * 1024, 60}, shape{8, 64 * 1024, 15},
                                           shape{4, 4 * mib, 30}),
                         [](const auto& what) {
                             return std::to_string(what.param.threads) + "ThreadsOn" +
                                    std::to_string(what.param.length / 1024) + "KiB";
                         });

TEST_P(Race, OfThreadsThatTouchAndTheSharerThatTakesBack) {
    test::process victim([&](const test::line& parent) {
        const auto its_port = test::segment_port();
        parent.put(1);
        for (int round = 0; round < GetParam().rounds; round++) {
            const auto own = test::take_segment(its_port);
            const area memory(own.get(), GetParam().length);
            {
                std::vector<std::jthread> threads;
                for (int i = 0; i < GetParam().threads; i++)
                    threads.emplace_back(
                        [&, i] { touch_until_gone(shared(), memory, i, GetParam().threads); });
            }
            static_cast<void>(test::expect_event(its_port, IPCSHIM_EVENT_UNSHARED_MEM));
            parent.put(2);
        }
    });
    static_cast<void>(victim.get());
    const auto segment = test::create_segment(port, GetParam().length);
    const area memory(segment.get(), GetParam().length);
    for (int round = 0; round < GetParam().rounds; round++) {
        shared().begin();
        ASSERT_EQ(test::share(segment.get(), victim.pid()).error, 0);
        // Some threads or all of them are at it.
        test::wait_until([&] { return shared().touching > round % GetParam().threads; });
        ASSERT_EQ(test::unshare_call(segment.get(), victim.pid()), 0);
        shared().gone = true;
        ASSERT_EQ(victim.get(), 2U);
        ASSERT_EQ(shared().too_late, 0U) << "round " << round;
    }
    victim.join();
    EXPECT_GT(shared().touches, 0U);
    EXPECT_GT(shared().faults, 0U);
}

TEST_P(Race, OfThreadsThatTouchAndAHandOver) {
    test::taker receiver;
    for (int round = 0; round < GetParam().rounds / 2; round++) {
        shared().begin();
        const auto segment = test::create_segment(port, GetParam().length);
        const area memory(segment.get(), GetParam().length);
        std::vector<std::jthread> threads;
        for (int i = 0; i < GetParam().threads; i++)
            threads.emplace_back(
                [&, i] { touch_until_gone(shared(), memory, i, GetParam().threads); });
        test::wait_until([&] { return shared().touching > round % GetParam().threads; });
        const auto answer = test::hand_over(segment.get(), receiver.pid());
        shared().gone = true;
        ASSERT_EQ(answer.error, 0) << "round " << round;
        const auto taken = receiver.take();
        ASSERT_EQ(taken.error, 0);
        threads.clear();
        ASSERT_EQ(shared().too_late, 0U) << "round " << round;
        ASSERT_EQ(receiver.sum(), taken.sum) << "round " << round;
    }
    EXPECT_GT(shared().touches, 0U);
    EXPECT_GT(shared().faults, 0U);
}

TEST_P(Race, OfMappingAnewAndTakingBack) {
    // The victim maps and unmaps all the time; what it maps too late is refused.
    test::process victim([&](const test::line& parent) {
        const auto its_port = test::segment_port();
        parent.put(1);
        for (int round = 0; round < GetParam().rounds; round++) {
            const auto own = test::take_segment(its_port);
            shared().touching++;
            for (bool known = false; !known;) {
                known = shared().gone;
                void* const address =
                    ::mmap(nullptr, GetParam().length, test::prot_rw, MAP_SHARED, own.get(), 0);
                if (address == MAP_FAILED) {
                    CHECK(errno == ESTALE);
                    continue;
                }
                const int signo = test::poke(static_cast<std::byte*>(address), std::byte{1});
                if (known || (signo != 0 && signo != SIGBUS))
                    shared().too_late++;
                ::munmap(address, GetParam().length);
            }
            static_cast<void>(test::expect_event(its_port, IPCSHIM_EVENT_UNSHARED_MEM));
            parent.put(2);
        }
    });
    static_cast<void>(victim.get());
    const auto segment = test::create_segment(port, GetParam().length);
    for (int round = 0; round < GetParam().rounds; round++) {
        shared().begin();
        ASSERT_EQ(test::share(segment.get(), victim.pid()).error, 0);
        test::wait_until([&] { return shared().touching > 0; });
        ASSERT_EQ(test::unshare_call(segment.get(), victim.pid()), 0);
        shared().gone = true;
        ASSERT_EQ(victim.get(), 2U);
        ASSERT_EQ(shared().too_late, 0U) << "round " << round;
    }
    victim.join();
}

TEST_P(Race, OfMovingAndTakingBack) {
    // The victim moves its mapping to and fro; where it lies then, it is gone.
    test::process victim([&](const test::line& parent) {
        const auto its_port = test::segment_port();
        const std::size_t size = GetParam().length;
        area target = area::anonymous(2 * size, size);
        std::byte* const places[] = {target.data(), target.data() + size};
        parent.put(1);
        for (int round = 0; round < GetParam().rounds; round++) {
            const auto own = test::take_segment(its_port);
            std::byte* now = places[0];
            CHECK(::mmap(now, size, test::prot_rw, MAP_SHARED | MAP_FIXED, own.get(), 0) == now);
            while (!shared().gone) {
                for (std::size_t i = 0; i < size; i += size / 8)
                    static_cast<void>(test::touch(now + i));
                std::byte* const next = now == places[0] ? places[1] : places[0];
                CHECK(::mremap(now, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, next) == next);
                now = next;
                shared().touching++;
            }
            for (std::size_t i = 0; i < size; i += size / 16)
                if (test::poke(now + i, std::byte{1}) != SIGBUS)
                    shared().too_late++;
            static_cast<void>(test::expect_event(its_port, IPCSHIM_EVENT_UNSHARED_MEM));
            parent.put(2);
        }
    });
    static_cast<void>(victim.get());
    const auto segment = test::create_segment(port, GetParam().length);
    for (int round = 0; round < GetParam().rounds; round++) {
        shared().begin();
        ASSERT_EQ(test::share(segment.get(), victim.pid()).error, 0);
        test::wait_until([&] { return shared().touching > round % 3; });
        ASSERT_EQ(test::unshare_call(segment.get(), victim.pid()), 0);
        shared().gone = true;
        ASSERT_EQ(victim.get(), 2U);
        ASSERT_EQ(shared().too_late, 0U) << "round " << round;
    }
    victim.join();
}

TEST_P(Race, OfForkingAndTakingBack) {
    // Children copy the mapping while it is taken away; none keeps it.
    test::process victim([&](const test::line& parent) {
        const auto its_port = test::segment_port();
        parent.put(1);
        for (int round = 0; round < 10; round++) {
            const auto own = test::take_segment(its_port);
            const area memory(own.get(), GetParam().length);
            CHECK(test::poke(memory.data(), std::byte{1}) == 0);
            std::vector<std::unique_ptr<test::process>> children;
            while (!shared().gone) {
                if (children.size() > 3)
                    children.clear();
                children.push_back(std::make_unique<test::process>([&](const test::line& line) {
                    static_cast<void>(line.get());
                    CHECK(test::poke(memory.data(), std::byte{2}) == SIGBUS);
                }));
                shared().touching++;
            }
            for (const auto& child : children) {
                child->put(1);
                child->join();
            }
            static_cast<void>(test::expect_event(its_port, IPCSHIM_EVENT_UNSHARED_MEM));
            parent.put(2);
        }
    });
    static_cast<void>(victim.get());
    const auto segment = test::create_segment(port, GetParam().length);
    for (int round = 0; round < 10; round++) {
        shared().begin();
        ASSERT_EQ(test::share(segment.get(), victim.pid()).error, 0);
        test::wait_until([&] { return shared().touching > round % 3; });
        ASSERT_EQ(test::unshare_call(segment.get(), victim.pid()), 0);
        shared().gone = true;
        ASSERT_EQ(victim.get(), 2U);
    }
    victim.join();
}

} // namespace
