// SPDX-License-Identifier: MIT
// What can be seen of a pseudo terminal from outside: fdinfo, /proc, tracepoints.
#include <sys/stat.h>

#include <filesystem>

#include "pty_support.hpp"
#include "trace.hpp"

namespace {

using test::terminal;

std::string told(int fd, const std::string& name) {
    const auto text = test::file_content("/proc/self/fdinfo/" + std::to_string(fd));
    const auto place = text.find("\nipcshim-" + name + ":\t");
    if (place == std::string::npos)
        return "no such line";
    const auto start = text.find('\t', place) + 1;
    return text.substr(start, text.find('\n', start) - start);
}

TEST(PtySeen, InFdinfoOfTheMaster) {
    terminal pair(test::pty_kind::module, false);
    const int master = pair.master.get();
    EXPECT_EQ(told(master, "index"), std::to_string(pair.index));
    for (const std::string name : {"slaves", "locked", "packet", "exclusive", "unread"})
        EXPECT_EQ(told(master, name), "0") << name;
    const auto second = pair.node();
    pair.slave = pair.peer();
    EXPECT_EQ(told(master, "slaves"), "2");
    test::put(pair.slave.get(), "four");
    EXPECT_EQ(told(master, "unread"), "4");
    const int on = 1;
    for (const unsigned long number : {TIOCSPTLCK + 0UL, TIOCPKT + 0UL, TIOCEXCL + 0UL})
        ASSERT_EQ(::ioctl(master, number, &on), 0);
    for (const std::string name : {"locked", "packet", "exclusive"})
        EXPECT_EQ(told(master, name), "1") << name;
    pair.slave.reset();
    EXPECT_EQ(told(master, "slaves"), "1");
}

TEST(PtySeen, InTheNamesOfDescriptors) {
    const terminal pair(test::pty_kind::module);
    const auto name = [](int fd) {
        return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)).string();
    };
    EXPECT_EQ(name(pair.master.get()), "ipcshim:[pty:" + std::to_string(pair.args.inode) + "]");
    EXPECT_EQ(name(pair.slave.get()), "ipcshim:[ttyIPC" + std::to_string(pair.index) + ":" +
                                          std::to_string(pair.args.slave_inode) + "]");
    const auto node = pair.node();
    EXPECT_EQ(name(node.get()), pair.path);
    EXPECT_STREQ(::ttyname(node.get()), pair.path.c_str());
    struct stat master {};
    ASSERT_EQ(::fstat(pair.master.get(), &master), 0);
    EXPECT_TRUE(S_ISCHR(master.st_mode));
    EXPECT_EQ(master.st_rdev, 0U);
    EXPECT_EQ(master.st_ino, pair.args.inode);
}

TEST(PtySeen, InTracepoints) {
    const test::trace trace("ipcshim");
    if (!trace.available())
        GTEST_SKIP() << "tracefs is not mounted or not in this kernel";
    const auto port = test::listening_port();
    terminal pair(test::pty_kind::module, false, {24, 80, 0, 0});
    const auto index = " index=" + std::to_string(pair.index) + " ";
    const auto slave = " inode=" + std::to_string(pair.args.slave_inode) + " ";
    const auto has = [](const std::string& line, const std::string& words) {
        return line.find(words) != std::string::npos;
    };
    auto lines = trace.lines("ipcshim_pty_open");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_TRUE(has(lines[0], " inode=" + std::to_string(pair.args.inode) + " ")) << lines[0];
    EXPECT_TRUE(has(lines[0], index)) << lines[0];
    EXPECT_TRUE(has(lines[0], " rows=24 columns=80 ")) << lines[0];

    EXPECT_TRUE(trace.lines("ipcshim_pty_slave").empty());
    pair.slave = pair.peer();
    auto second = pair.node();
    second.reset();
    pair.slave.reset();
    lines = trace.lines("ipcshim_pty_slave");
    ASSERT_EQ(lines.size(), 4U);
    for (std::size_t i = 0; i < 4; i++) {
        EXPECT_TRUE(has(lines[i], slave)) << lines[i];
        EXPECT_TRUE(has(lines[i], " slaves=" + std::string(1, "1210"[i]) + " ")) << lines[i];
    }

    ipcshim_send_pty send{};
    send.pid = static_cast<std::uint32_t>(::getpid());
    ASSERT_EQ(::ioctl(pair.master.get(), IPCSHIM_SEND_PTY, &send), 0);
    lines = trace.lines("ipcshim_pty_send");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_TRUE(has(lines[0], slave)) << lines[0];
    EXPECT_TRUE(has(lines[0], " token=" + std::to_string(send.token) + " ")) << lines[0];
    EXPECT_EQ(trace.lines("ipcshim_receive").size(), 1U);
    static_cast<void>(port.claim_pty(port.read_event()));
    EXPECT_EQ(trace.lines("ipcshim_claim").size(), 1U);
}

} // namespace
