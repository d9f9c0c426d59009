// SPDX-License-Identifier: MIT
//
// pty_s2m_*: write(2) on the slave of a pseudo terminal in raw mode, then read(2)
// on its master, in one process; pty_m2s_*: the other way.  Where the kernel
// moves the bytes in a worker (devpts: both ways) the read waits for it, and on
// the bench's one processor its work is in the figure.
//
// open_pty: both sides opened, the slave by TIOCGPTPEER, and closed.
#include "terminal.hpp"

#include <termios.h>

namespace bench {
namespace {

enum class way { slave_to_master, master_to_slave };

void set_raw(int slave) {
    termios settings{};

    if (::tcgetattr(slave, &settings) < 0) {
        fail("tcgetattr");
    }
    ::cfmakeraw(&settings);
    if (::tcsetattr(slave, TCSANOW, &settings) < 0) {
        fail("tcsetattr");
    }
}

void move(benchmark::State& state, const terminal& both, way which, std::size_t size) {
    set_raw(both.slave.get());
    if (which == way::slave_to_master) {
        write_then_read(state, both.slave.get(), both.master.get(), size);
    } else {
        write_then_read(state, both.master.get(), both.slave.get(), size);
    }
}

template <typename Open> void open_and_close(benchmark::State& state, Open open) {
    for (auto _ : state) {
        terminal both = open();

        // The slave first: no hangup is part of it.
        both.slave = {};
    }
}

} // namespace

void add_pty(rows& all) {
    struct row {
        const char* name;
        way which;
        std::size_t size;
    };
    for (const row& each :
         {row{"pty_s2m_64", way::slave_to_master, 64}, row{"pty_m2s_64", way::master_to_slave, 64},
          row{"pty_s2m_1k", way::slave_to_master, kib}}) {
        const std::string name = each.name;

        all.add(name + "/ours", [each](auto& state) {
            state.SetLabel("pty, raw mode");
            move(state, open_ours(ipcshim::port::open()), each.which, each.size);
        });
        all.add(name + "/peer", [each](auto& state) {
            state.SetLabel("devpts, raw mode");
            move(state, open_devpts(), each.which, each.size);
        });
    }
    all.add("open_pty/ours", [](auto& state) {
        const auto port = ipcshim::port::open();

        state.SetLabel("OPEN_PTY, TIOCGPTPEER, two closes");
        open_and_close(state, [&port] { return open_ours(port); });
    });
    all.add("open_pty/peer", [](auto& state) {
        state.SetLabel("devpts");
        open_and_close(state, open_devpts);
    });
}

} // namespace bench
