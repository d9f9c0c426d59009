// SPDX-License-Identifier: MIT
// What others see of segments: core dumps, fdinfo, tracepoints, control groups.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>

#include "segment_support.hpp"

namespace {

using test::area;
using test::mib;

// --- core dumps -----------------------------------------------------------------

constexpr std::size_t magic_size = 48;

// One byte of a text that is nowhere as a whole but where it is written.
char magic_byte(std::uint64_t seed, std::size_t i) {
    std::uint64_t word = (seed + i) * 0x9E3779B97F4A7C15U;
    word ^= word >> 31;
    return static_cast<char>('!' + word % 90);
}

void write_magic(std::byte* to, std::uint64_t seed) {
    for (std::size_t i = 0; i < magic_size; i++)
        static_cast<volatile char*>(static_cast<void*>(to))[i] = magic_byte(seed, i);
}

bool holds_magic(const std::string& text, std::uint64_t seed) {
    std::string wanted;
    for (std::size_t i = 0; i < magic_size; i++)
        wanted += magic_byte(seed, i);
    return text.find(wanted) != std::string::npos;
}

class CoreDump : public ::testing::Test {
protected:
    static constexpr std::size_t length = 64 * 1024;
    static constexpr std::uint64_t in_segment = 1000;
    static constexpr std::uint64_t in_copy = 2000;
    static constexpr std::uint64_t in_own = 3000;

    void SetUp() override {
        before = test::file_content(pattern_path);
        if (before.empty())
            GTEST_SKIP() << "this kernel dumps no cores";
        ASSERT_TRUE(test::write_file(pattern_path, "/tmp/core.%p"));
    }
    void TearDown() override {
        if (!before.empty()) {
            EXPECT_TRUE(test::write_file(pattern_path, before));
        }
    }
    // Runs it in a process that ends by this signal, and gives its dump.
    std::string dump_of(const std::function<void()>& run, int signo) {
        test::process child([&](const test::line&) {
            const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
            CHECK_CALL(::setrlimit(RLIMIT_CORE, &unlimited));
            // More than is dumped by default: mappings of files, where they are shared.
            CHECK(test::write_file("/proc/self/coredump_filter", "0x1fb"));
            run();
        });
        const std::string path = "/tmp/core." + std::to_string(child.pid());
        const int status = child.wait();
        EXPECT_TRUE(WIFSIGNALED(status));
        EXPECT_EQ(WTERMSIG(status), signo);
        EXPECT_TRUE(WCOREDUMP(status));
        auto text = test::file_content(path);
        EXPECT_EQ(::unlink(path.c_str()), 0);
        EXPECT_EQ(text.compare(0, 4, "\177ELF"), 0);
        return text;
    }

    const std::string pattern_path = "/proc/sys/kernel/core_pattern";
    std::string before;
    ipcshim::port port = test::segment_port();
};

TEST_F(CoreDump, OfWhoHasItMappedLeavesItOut) {
    const auto segment = test::create_segment(port, length);
    const auto dump = dump_of(
        [&] {
            const area own = area::anonymous(test::page_size());
            const area memory(segment.get(), length);
            const area copy(segment.get(), length, test::prot_rw, MAP_PRIVATE);
            write_magic(own.data(), in_own);
            write_magic(memory.data(), in_segment);
            write_magic(copy.data() + test::page_size(), in_copy);
            ::abort();
        },
        SIGABRT);
    // So the search finds what is there.
    EXPECT_TRUE(holds_magic(dump, in_own));
    EXPECT_FALSE(holds_magic(dump, in_segment));
    EXPECT_FALSE(holds_magic(dump, in_copy));
    const area memory(segment.get(), length);
    EXPECT_TRUE(holds_magic({reinterpret_cast<char*>(memory.data()), magic_size}, in_segment));
}

TEST_F(CoreDump, CantBeAskedToHoldIt) {
    const auto segment = test::create_segment(port, length);
    const area memory(segment.get(), length);
    EXPECT_EQ(::madvise(memory.data(), length, MADV_DODUMP), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(CoreDump, OfALargePageLeavesItOut) {
    const auto segment = test::create_segment(port, 4 * mib);
    const auto dump = dump_of(
        [&] {
            const area memory(segment.get(), 4 * mib);
            write_magic(memory.data(), in_segment);
            write_magic(memory.data() + 3 * mib, in_segment);
            ::abort();
        },
        SIGABRT);
    EXPECT_FALSE(holds_magic(dump, in_segment));
}

TEST_F(CoreDump, OfWhoTouchesWhatWasTakenAwayIsMade) {
    test::taker receiver;
    const auto segment = test::create_segment(port, length);
    const auto dump = dump_of(
        [&] {
            const area memory(segment.get(), length);
            write_magic(memory.data(), in_segment);
            CHECK(test::hand_over(segment.get(), receiver.pid()).error == 0);
            *static_cast<volatile std::byte*>(memory.data()) = std::byte{1};
        },
        SIGBUS);
    EXPECT_FALSE(holds_magic(dump, in_segment));
    EXPECT_EQ(receiver.take().error, 0);
}

// --- fdinfo ---------------------------------------------------------------------

std::string fdinfo_line(int fd, const std::string& name) {
    const auto text = test::file_content("/proc/self/fdinfo/" + std::to_string(fd));
    const auto start = text.find(name + ":\t");
    if (start == std::string::npos)
        return "no line " + name + " in:\n" + text;
    const auto value = start + name.size() + 2;
    return text.substr(value, text.find('\n', value) - value);
}

TEST(Fdinfo, TellsOfASegment) {
    test::taker receiver;
    const auto port = test::segment_port();
    const auto segment = test::create_segment(port, 64 * 1024, IPCSHIM_MEM_SMALL_PAGES);
    const int fd = segment.get();
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-mode"), "made");
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-rights"), "rwx");
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-length"), "65536");
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-allocated"), "0");
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-owner"), "1");
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-stale"), "0");
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-holders"), "0");
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-exports"), "0");
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-sharer"), std::to_string(::getpid()));
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-deadline"), "0");
    const area memory(fd, 64 * 1024);
    ASSERT_EQ(test::poke(memory.data(), std::byte{1}), 0);
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-allocated"), std::to_string(test::page_size()));
    ASSERT_EQ(test::share(fd, receiver.pid(), test::right_rc).error, 0);
    ASSERT_EQ(receiver.take(PROT_READ).error, 0);
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-holders"), "1");
    const auto its = receiver.descriptor();
    EXPECT_EQ(fdinfo_line(its.get(), "ipcshim-mode"), "mutual");
    EXPECT_EQ(fdinfo_line(its.get(), "ipcshim-rights"), "r--c");
    EXPECT_EQ(fdinfo_line(its.get(), "ipcshim-owner"), "0");
    EXPECT_EQ(fdinfo_line(its.get(), "ipcshim-sharer"), std::to_string(::getpid()));
    ASSERT_EQ(test::unshare_call(fd, 0), 0);
    EXPECT_EQ(fdinfo_line(its.get(), "ipcshim-stale"), "1");
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-holders"), "0");
    const auto deadline = test::now() + 3'600'000'000'000;
    ASSERT_EQ(test::lend(fd, receiver.pid(), deadline, test::right_rw).error, 0);
    EXPECT_EQ(fdinfo_line(fd, "ipcshim-stale"), "1");
    EXPECT_EQ(receiver.event().code, IPCSHIM_EVENT_UNSHARED_MEM);
    ASSERT_EQ(receiver.take().error, 0);
    const auto lent = receiver.descriptor();
    EXPECT_EQ(fdinfo_line(lent.get(), "ipcshim-mode"), "lent");
    EXPECT_EQ(fdinfo_line(lent.get(), "ipcshim-rights"), "rw-");
    EXPECT_EQ(fdinfo_line(lent.get(), "ipcshim-deadline"), std::to_string(deadline));
}

TEST(Fdinfo, TheNameInProcTellsWhatItIs) {
    const auto port = test::segment_port();
    const auto segment = test::create_segment(port, 4096 * 4);
    const area memory(segment.get(), 4096 * 4);
    std::array<char, 256> target{};
    const std::string path = "/proc/self/fd/" + std::to_string(segment.get());
    ASSERT_GT(::readlink(path.c_str(), target.data(), target.size() - 1), 0);
    const std::string name = "segment:" + std::to_string(test::inode_of(segment.get()));
    EXPECT_NE(std::string(target.data()).find(name), std::string::npos) << target.data();
    EXPECT_NE(test::file_content("/proc/self/maps").find(name), std::string::npos);
}

// --- tracepoints ------------------------------------------------------------------

class SegmentTracepoints : public ::testing::Test {
protected:
    void SetUp() override {
        for (const std::string path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"})
            if (root.empty() && ::access((path + "/trace").c_str(), R_OK) == 0)
                root = path;
        if (root.empty())
            GTEST_SKIP() << "tracefs is not mounted or not in this kernel";
        const test::unique_fd empty(::open((root + "/trace").c_str(), O_WRONLY | O_TRUNC));
        ASSERT_GE(empty.get(), 0);
        ASSERT_TRUE(test::write_file(root + "/events/ipcshim/enable", "1"));
        ASSERT_TRUE(test::write_file(root + "/tracing_on", "1"));
    }
    void TearDown() override {
        if (!root.empty())
            static_cast<void>(test::write_file(root + "/events/ipcshim/enable", "0"));
    }
    // The text of each time that it has fired.
    std::vector<std::string> fired(const std::string& name) const {
        const auto text = test::file_content(root + "/trace");
        std::vector<std::string> result;
        for (auto place = text.find(" " + name + ": "); place != std::string::npos;
             place = text.find(" " + name + ": ", place + 1))
            result.push_back(text.substr(place, text.find('\n', place) - place));
        return result;
    }
    static bool tells(const std::string& line, const std::string& word) {
        return (line + " ").find(" " + word + " ") != std::string::npos;
    }
    std::string root;
};

TEST_F(SegmentTracepoints, FireForShareAndRevokeAndReturn) {
    test::taker receiver;
    const auto port = test::segment_port();
    auto segment = test::create_segment(port, 64 * 1024);
    const auto inode = "inode=" + std::to_string(test::inode_of(segment.get()));
    const auto grant = test::share(segment.get(), receiver.pid()).inode;
    ASSERT_EQ(receiver.take().error, 0);
    auto lines = fired("ipcshim_share");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_TRUE(tells(lines[0], inode)) << lines[0];
    EXPECT_TRUE(tells(lines[0], "grant=" + std::to_string(grant))) << lines[0];
    EXPECT_TRUE(tells(lines[0], "pid=" + std::to_string(receiver.pid()))) << lines[0];
    EXPECT_TRUE(tells(lines[0], "length=65536")) << lines[0];
    EXPECT_TRUE(fired("ipcshim_revoke").empty());
    ASSERT_EQ(test::unshare_call(segment.get(), 0), 0);
    lines = fired("ipcshim_revoke");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_TRUE(tells(lines[0], "inode=" + std::to_string(grant))) << lines[0];
    EXPECT_TRUE(tells(lines[0], "how=" + std::to_string(IPCSHIM_HOW_REVOKED))) << lines[0];
    EXPECT_EQ(receiver.event().code, IPCSHIM_EVENT_UNSHARED_MEM);
    ASSERT_EQ(test::lend(segment.get(), receiver.pid()).error, 0);
    EXPECT_EQ(fired("ipcshim_share").size(), 2U);
    ASSERT_EQ(receiver.take().error, 0);
    EXPECT_TRUE(fired("ipcshim_return").empty());
    ASSERT_EQ(receiver.give_back(), 0);
    lines = fired("ipcshim_return");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_TRUE(tells(lines[0], "how=" + std::to_string(IPCSHIM_HOW_RETURNED))) << lines[0];
}

TEST_F(SegmentTracepoints, FireForAdoption) {
    const auto port = test::segment_port();
    const area memory = area::anonymous(64 * 1024);
    test::unique_fd segment;
    ASSERT_EQ(test::adopt(port, memory.data(), memory.size(), segment), 0);
    const auto lines = fired("ipcshim_adopt");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_TRUE(tells(lines[0], "inode=" + std::to_string(test::inode_of(segment.get()))))
        << lines[0];
    EXPECT_TRUE(tells(lines[0], "length=65536")) << lines[0];
}

TEST_F(SegmentTracepoints, FireForARefusalAndItsCause) {
    test::taker receiver;
    const auto port = test::segment_port();
    const auto segment = test::create_segment(port, 64 * 1024);
    ASSERT_EQ(test::share(segment.get(), receiver.pid()).error, 0);
    EXPECT_EQ(test::share(segment.get(), receiver.pid()).error, EEXIST);
    EXPECT_EQ(test::share(segment.get(), 1).error, ECONNREFUSED);
    EXPECT_EQ(fired("ipcshim_share").size(), 1U);
    EXPECT_FALSE(fired("ipcshim_refuse").empty());
}

// --- control groups -----------------------------------------------------------------

class ChargedSegments : public ::testing::Test {
protected:
    static constexpr std::size_t length = 8 * mib;
    // Charges are batched per processor.
    static constexpr std::uint64_t tolerance = mib;

    void SetUp() override {
        if (test::file_content("/sys/fs/cgroup/cgroup.controllers").find("memory") ==
            std::string::npos)
            GTEST_SKIP() << "no memory controller in /sys/fs/cgroup (CONFIG_MEMCG, "
                            "cgroup_disable=memory, or cgroup2 is not mounted)";
        if (!test::write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
            GTEST_SKIP() << "the memory controller can't be turned on for groups";
        ASSERT_TRUE(::mkdir(group.c_str(), 0755) == 0 || errno == EEXIST);
    }
    void TearDown() override { ::rmdir(group.c_str()); }
    std::uint64_t current() const {
        return std::stoull(test::file_content(group + "/memory.current"));
    }
    void join_group() const {
        CHECK(test::write_file(group + "/cgroup.procs", std::to_string(::getpid())));
    }

    const std::string group = "/sys/fs/cgroup/ipcshim-test-" + std::to_string(::getpid());
    ipcshim::port port = test::segment_port();
};

TEST_F(ChargedSegments, PagesBelongToTheGroupOfWhoTouchesThem) {
    for (const std::uint32_t flags : {0U, static_cast<std::uint32_t>(IPCSHIM_MEM_SMALL_PAGES)}) {
        auto segment = test::create_segment(port, length, flags);
        test::process toucher([&](const test::line& parent) {
            join_group();
            area memory(segment.get(), length);
            segment.reset();
            parent.put(1);
            static_cast<void>(parent.get());
            for (std::size_t place = 0; place < length / 2; place += test::page_size())
                memory.data()[place] = std::byte{1};
            parent.put(2);
            static_cast<void>(parent.get());
            // The other half costs nothing: somebody else touched it first.
            for (std::size_t place = length / 2; place < length; place += test::page_size())
                memory.data()[place] = std::byte{1};
            memory.reset();
            parent.put(3);
            static_cast<void>(parent.get());
        });
        static_cast<void>(toucher.get());
        const auto nothing = current();
        toucher.put(1);
        static_cast<void>(toucher.get());
        const auto half = current();
        EXPECT_GE(half + tolerance, nothing + length / 2);
        EXPECT_LE(half, nothing + length / 2 + tolerance);
        area memory(segment.get(), length);
        for (std::size_t place = length / 2; place < length; place += test::page_size())
            memory.data()[place] = std::byte{1};
        toucher.put(1);
        static_cast<void>(toucher.get());
        EXPECT_LE(current(), half + tolerance);
        EXPECT_GE(current() + tolerance, half);
        // They are freed with the last grant, and so is what they cost.
        memory.reset();
        segment.reset();
        EXPECT_LE(current(), nothing + tolerance);
        toucher.put(1);
        toucher.join();
    }
}

TEST_F(ChargedSegments, BeyondTheLimitOfTheGroupOnlyItsOwnProcessSuffers) {
    ASSERT_TRUE(test::write_file(group + "/memory.max", std::to_string(8 * mib)));
    const auto segment = test::create_segment(port, 32 * mib);
    test::process toucher([&](const test::line& parent) {
        join_group();
        const area memory(segment.get(), 32 * mib);
        for (std::size_t place = 0; place < 32 * mib; place += test::page_size())
            if (const int signo = test::poke(memory.data() + place, std::byte{1}); signo != 0)
                ::_exit(signo);
        static_cast<void>(parent);
    });
    const int status = toucher.wait();
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    EXPECT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == SIGBUS)) << status;
    if (killed) {
        EXPECT_NE(test::file_content(group + "/memory.events").find("oom_kill 1"),
                  std::string::npos);
    }
    EXPECT_LE(test::info_of(segment.get()).allocated, 8 * mib);
    const area memory(segment.get(), 32 * mib);
    EXPECT_EQ(test::poke(memory.data() + 32 * mib - 1, std::byte{1}), 0);
}

} // namespace
