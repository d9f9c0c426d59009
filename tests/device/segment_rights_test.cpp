// SPDX-License-Identifier: MIT
// Rights: what each of them allows of mmap and mprotect, and that nothing
// widens them.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <set>

#include "segment_support.hpp"

namespace {

using test::area;

constexpr std::uint16_t read_right = IPCSHIM_RIGHT_READ;
constexpr std::uint16_t write_right = IPCSHIM_RIGHT_WRITE;
constexpr std::uint16_t execute_right = IPCSHIM_RIGHT_EXECUTE;
constexpr std::uint16_t copy_right = IPCSHIM_RIGHT_COPY_ON_WRITE;

constexpr std::size_t length = 16 * 4096;

// What the contract says of one mmap: 0, or these errors.
std::set<int> expected_of_mmap(std::uint16_t rights, int prot, int flags) {
    std::set<int> errors;
    if ((prot & PROT_WRITE) && (prot & PROT_EXEC))
        errors.insert(EINVAL);
    if ((prot & PROT_EXEC) && !(rights & execute_right))
        errors.insert(EACCES);
    const auto to_write =
        static_cast<std::uint16_t>(flags == MAP_SHARED ? write_right : write_right | copy_right);
    if ((prot & PROT_WRITE) && !(rights & to_write))
        errors.insert(EACCES);
    if (errors.empty())
        errors.insert(0);
    return errors;
}

bool is_allowed(std::uint16_t rights, int prot, int flags) {
    return expected_of_mmap(rights, prot, flags).contains(0);
}

constexpr std::array<int, 8> all_prots = {PROT_NONE,
                                          PROT_READ,
                                          PROT_WRITE,
                                          PROT_READ | PROT_WRITE,
                                          PROT_EXEC,
                                          PROT_READ | PROT_EXEC,
                                          PROT_WRITE | PROT_EXEC,
                                          PROT_READ | PROT_WRITE | PROT_EXEC};

std::string name_of(std::uint16_t rights) {
    std::string name;
    for (const auto& [right, word] : {std::pair(read_right, "R"), std::pair(write_right, "W"),
                                      std::pair(execute_right, "X"), std::pair(copy_right, "C")})
        if (rights & right)
            name += word;
    return name;
}

// A grant with these rights, in this process; the owner is another one.
class Rights : public ::testing::TestWithParam<std::uint16_t> {
protected:
    void SetUp() override {
        if (GetParam() == maker) {
            own = test::create_segment(port, length);
        } else {
            owner = std::make_unique<test::process>([rights = GetParam()](const test::line& line) {
                const auto its_port = test::segment_port();
                const auto segment = test::create_segment(its_port, length);
                const area memory(segment.get(), length);
                memory.fill(1);
                line.put(static_cast<std::uint64_t>(
                    test::share(segment.get(), ::getppid(), rights).error));
                while (line.get() == 1)
                    line.put(memory.holds(1) ? 1 : 0);
            });
            ASSERT_EQ(owner->get(), 0U);
            own = test::take_segment(port);
        }
    }
    bool unchanged() const {
        owner->put(1);
        return owner->get() == 1;
    }

    static constexpr std::uint16_t maker = read_right | write_right | execute_right;
    ipcshim::port port = test::segment_port();
    std::unique_ptr<test::process> owner;
    test::unique_fd own;
};

INSTANTIATE_TEST_SUITE_P(Of, Rights,
                         ::testing::Values(read_right, read_right | write_right,
                                           read_right | execute_right, read_right | copy_right,
                                           read_right | execute_right | copy_right,
                                           read_right | write_right | execute_right),
                         [](const auto& what) { return name_of(what.param); });

TEST_P(Rights, AreToldByTheInfoAndTheFile) {
    EXPECT_EQ(test::info_of(own.get()).rights, GetParam());
    const int flags = CHECK_CALL(::fcntl(own.get(), F_GETFL));
    EXPECT_EQ(flags & O_ACCMODE, GetParam() & write_right ? O_RDWR : O_RDONLY);
    EXPECT_TRUE(CHECK_CALL(::fcntl(own.get(), F_GETFD)) & FD_CLOEXEC);
}

TEST_P(Rights, BindMmap) {
    for (const int flags : {MAP_SHARED, MAP_PRIVATE})
        for (const int prot : all_prots)
            EXPECT_TRUE(expected_of_mmap(GetParam(), prot, flags)
                            .contains(test::mmap_error(own.get(), length, prot, flags)))
                << "prot " << prot << (flags == MAP_SHARED ? " shared" : " private");
}

TEST_P(Rights, BindMprotect) {
    for (const int flags : {MAP_SHARED, MAP_PRIVATE})
        for (const int first : all_prots) {
            if (test::mmap_error(own.get(), length, first, flags) != 0)
                continue;
            for (const int then : all_prots) {
                const area mapping(own.get(), length, first, flags);
                const int result = ::mprotect(mapping.data(), length, then) == 0 ? 0 : errno;
                EXPECT_TRUE(expected_of_mmap(GetParam(), then, flags).contains(result))
                    << first << " to " << then << (flags == MAP_SHARED ? " shared" : " private")
                    << ": " << result;
            }
        }
}

TEST_P(Rights, NeverLetOneMappingBeWrittenAndExecuted) {
    for (const int flags : {MAP_SHARED, MAP_PRIVATE})
        for (const int first : all_prots) {
            if (test::mmap_error(own.get(), length, first, flags) != 0)
                continue;
            const area mapping(own.get(), length, first, flags);
            EXPECT_NE(::mprotect(mapping.data(), length, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
            EXPECT_NE(::mprotect(mapping.data(), length, PROT_WRITE | PROT_EXEC), 0);
            EXPECT_NE(::mprotect(mapping.data() + test::page_size(), test::page_size(),
                                 PROT_READ | PROT_WRITE | PROT_EXEC),
                      0);
        }
}

TEST_P(Rights, AreNotWidenedByReopening) {
    const std::string path = "/proc/self/fd/" + std::to_string(own.get());
    for (const int way : {O_RDONLY, O_WRONLY, O_RDWR}) {
        const test::unique_fd again(::open(path.c_str(), way | O_CLOEXEC));
        if (way != O_RDONLY && !(GetParam() & write_right)) {
            EXPECT_EQ(again.get(), -1);
            EXPECT_EQ(errno, EACCES);
            continue;
        }
        ASSERT_GE(again.get(), 0) << ::strerrorname_np(errno);
        for (const int flags : {MAP_SHARED, MAP_PRIVATE})
            for (const int prot : all_prots) {
                const int result = test::mmap_error(again.get(), length, prot, flags);
                if (!is_allowed(GetParam(), prot, flags)) {
                    EXPECT_NE(result, 0) << "reopened " << way << ", prot " << prot;
                }
            }
    }
    // For reading alone it can be done, and gives the same grant.
    const test::unique_fd again(CHECK_CALL(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
    EXPECT_EQ(test::inode_of(again.get()), test::inode_of(own.get()));
    EXPECT_EQ(test::info_of(again.get()).rights, GetParam());
    EXPECT_EQ(test::mmap_error(again.get(), length, PROT_READ), 0);
}

TEST_P(Rights, AreNotWidenedByAnotherProcessThatReopens) {
    const std::string path =
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(own.get());
    test::process other([&](const test::line&) {
        own.reset();
        const test::unique_fd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        if (again.get() < 0)
            return;
        for (const int prot : all_prots)
            if (!is_allowed(GetParam(), prot, MAP_SHARED))
                CHECK(test::mmap_error(again.get(), length, prot, MAP_SHARED) != 0);
    });
    other.join();
}

class RightsWithoutWriting : public Rights {};

INSTANTIATE_TEST_SUITE_P(Of, RightsWithoutWriting,
                         ::testing::Values(read_right, read_right | execute_right,
                                           read_right | copy_right,
                                           read_right | execute_right | copy_right),
                         [](const auto& what) { return name_of(what.param); });

TEST_P(RightsWithoutWriting, BindWhatReachesMemoryByForce) {
    // Debuggers write where the process may only read: into a copy of its own.
    const test::unique_fd mem(CHECK_CALL(::open("/proc/self/mem", O_RDWR | O_CLOEXEC)));
    for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
        const area mapping(own.get(), length, PROT_READ, flags);
        ASSERT_EQ(test::matching(mapping.bytes(), 1), length);
        const auto place = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(mapping.data()));
        static_cast<void>(::pwrite(mem.get(), "force", 5, place));
        EXPECT_TRUE(unchanged());
    }
    const area shared(own.get(), length, PROT_READ);
    EXPECT_EQ(test::matching(shared.bytes(), 1), length);
}

class RightsToCopy : public Rights {};

INSTANTIATE_TEST_SUITE_P(Of, RightsToCopy,
                         ::testing::Values(read_right | copy_right,
                                           read_right | execute_right | copy_right),
                         [](const auto& what) { return name_of(what.param); });

TEST_P(RightsToCopy, KeepWhatIsWrittenApart) {
    const area copy(own.get(), length, test::prot_rw, MAP_PRIVATE);
    const area second(own.get(), length, test::prot_rw, MAP_PRIVATE);
    ASSERT_EQ(test::matching(copy.bytes(), 1), length);
    copy.fill(2);
    EXPECT_TRUE(copy.holds(2));
    EXPECT_TRUE(second.holds(1));
    EXPECT_TRUE(unchanged());
    // Written first, read later.
    const area third(own.get(), length, test::prot_rw, MAP_PRIVATE);
    third.data()[0] = std::byte{0xEE};
    EXPECT_EQ(test::matching(third.bytes().subspan(1), 1, 1), length - 1);
    EXPECT_TRUE(unchanged());
}

TEST(RightsOfAShare, CopiesOnWriteVanishWhenTheyAreTakenBack) {
    const auto port = test::segment_port();
    const auto segment = test::create_segment(port, length);
    const area memory(segment.get(), length);
    memory.fill(1);
    test::taker receiver;
    ASSERT_EQ(test::share(segment.get(), receiver.pid(), test::right_rc).error, 0);
    ASSERT_EQ(receiver.take(test::prot_rw, MAP_PRIVATE).error, 0);
    receiver.fill(2);
    EXPECT_EQ(receiver.touch(0), 0);
    EXPECT_TRUE(memory.holds(1));
    ASSERT_EQ(test::unshare_call(segment.get(), receiver.pid()), 0);
    for (std::size_t place = 0; place < length; place += test::page_size())
        EXPECT_EQ(receiver.touch(place), SIGBUS);
    EXPECT_TRUE(memory.holds(1));
}

TEST(RightsOfAShare, CantBeMoreThanTheSharerHas) {
    const auto port = test::segment_port();
    const auto segment = test::create_segment(port, length);
    test::taker second;
    test::taker third;
    // Handed over with the right to read alone.
    ASSERT_EQ(test::hand_over(segment.get(), second.pid(), read_right).error, 0);
    ASSERT_EQ(second.take(PROT_READ).error, 0);
    EXPECT_EQ(second.share(third.pid(), read_right | write_right), EACCES);
    EXPECT_EQ(second.share(third.pid(), read_right | execute_right), EACCES);
    EXPECT_EQ(second.share(third.pid(), read_right), 0);
    EXPECT_EQ(third.take(PROT_READ).data.rights, read_right);
    EXPECT_EQ(third.map(test::prot_rw), EACCES);
}

TEST(RightsOfAShare, ToExecuteRunCode) {
#ifdef __aarch64__
    const auto port = test::segment_port();
    const auto segment = test::create_segment(port, length);
    const area memory(segment.get(), length);
    // mov w0, #42; ret
    constexpr std::array<std::uint32_t, 2> code = {0x52800540, 0xd65f03c0};
    std::memcpy(memory.data(), code.data(), sizeof(code));
    const area executable(segment.get(), length, PROT_READ | PROT_EXEC);
    __builtin___clear_cache(reinterpret_cast<char*>(executable.data()),
                            reinterpret_cast<char*>(executable.data()) + sizeof(code));
    const auto run = reinterpret_cast<int (*)()>(executable.data());
    EXPECT_EQ(run(), 42);
#else
    GTEST_SKIP() << "the code is arm64's";
#endif
}

} // namespace
