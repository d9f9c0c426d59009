// SPDX-License-Identifier: MIT
//
// The demo: eight acts, each played by processes of their own: this program
// again in another role, or a shell.
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <ipcshim/ipcshim.hpp>

#include "actor.hpp"
#include "acts.hpp"
#include "pipeline.hpp"
#include "quiet.hpp"
#include "roles.hpp"
#include "stage.hpp"
#include "store.hpp"
#include "store_client.hpp"

namespace {

struct options {
    std::string file;
    std::string text;
    std::string target_file;
    pid_t target = 0;
    std::size_t bytes = 0;
    std::uint32_t frames = 0;
    std::size_t number = 0;
    std::uint64_t calls = 0;
    bool json = false;
    bool unicode = false;
};

demo::look look_of(const options& given) {
    demo::look look;

    look.json = given.json;
    look.terminal = !given.json && ::isatty(STDOUT_FILENO) == 1;
    look.unicode = given.unicode;
    winsize size{};
    if (look.terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        look.width = size.ws_col;
    }
    return look;
}

std::string describe_system() {
    const ipcshim::driver_info info = ipcshim::port::open().query();
    utsname name{};

    ::uname(&name);
    return fmt::format("Linux {}, {}, {} processors, pages of {} KiB, module ABI {}", name.release,
                       name.machine, ::sysconf(_SC_NPROCESSORS_ONLN), info.page_size() / 1024,
                       info.abi_version());
}

int perform(const options& given) {
    const auto begin = demo::clock::now();
    demo::stage stage(look_of(given));
    const auto play = [&](const std::function<void()>& act) {
        try {
            act();
        } catch (const std::exception& error) {
            stage.broken(error.what());
        }
    };

    stage.overture(describe_system());
    play([&] { demo::play_file(stage, given.file); });
    play([&] { demo::play_lines(stage, given.text); });
    play([&] { demo::play_quiet(stage, given.text); });
    play([&] { demo::play_frames(stage); });
    play([&] { demo::play_shell(stage, given.text); });
    play([&] { demo::play_store(stage, given.file); });
    play([&] { demo::play_killed(stage, given.file); });
    play([&] { demo::play_refusals(stage); });

    const double seconds = std::chrono::duration<double>(demo::clock::now() - begin).count();
    return stage.verdict(seconds) ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main(int argc, char** argv) try {
    options given;
    std::function<void()> role;
    CLI::App app("ipcshim-demo: processes talk to each other, and what they say is checked");

    app.add_option("--file", given.file, "the file to stream, at least 20 MB");
    app.add_option("--text", given.text, "the text whose lines are sent");
    app.add_flag("--json", given.json, "only a summary, for programs");
    app.add_flag("--unicode", given.unicode, "draw with more than ASCII");

    // The roles; an empty group keeps them out of the help.
    const auto add_role = [&](const char* name, const std::function<void()>& body) {
        CLI::App* const command = app.add_subcommand(name, "");
        command->group("");
        command->callback([&role, body] { role = body; });
        return command;
    };
    add_role("receive-file", demo::receive_file);
    add_role("receive-lines", demo::receive_lines);
    add_role("receive-quietly", demo::receive_quietly);
    add_role("idle", demo::idle);
    add_role("host", demo::host);
    add_role("hold", [&] { demo::hold(given.bytes); })
        ->add_option("bytes", given.bytes)
        ->required();
    add_role("knock", [&] { demo::knock(given.target); })
        ->add_option("pid", given.target)
        ->required();
    CLI::App* const source =
        add_role("source", [&] { demo::run_source(given.target, given.frames); });
    CLI::App* const filter =
        add_role("filter", [&] { demo::run_filter(given.target, given.frames); });
    for (CLI::App* const command : {source, filter}) {
        command->add_option("pid", given.target)->required();
    }
    for (CLI::App* const command :
         {source, filter, add_role("sink", [&] { demo::run_sink(given.frames); })}) {
        command->add_option("frames", given.frames)->required();
    }
    add_role("store", [&] { demo::run_store(given.target_file); })
        ->add_option("file", given.target_file)
        ->required();
    CLI::App* const store_client = add_role("store-client", [&] {
        demo::run_store_client(given.number, given.calls, given.target_file);
    });
    store_client->add_option("number", given.number)->required();
    store_client->add_option("calls", given.calls)->required();
    store_client->add_option("file", given.target_file);
    CLI::App* const send_file =
        add_role("send-file", [&] { demo::send_file(given.target, given.target_file); });
    CLI::App* const send_lines =
        add_role("send-lines", [&] { demo::send_lines(given.target, given.target_file); });
    CLI::App* const send_quietly =
        add_role("send-quietly", [&] { demo::send_quietly(given.target, given.target_file); });
    for (CLI::App* const command : {send_file, send_lines, send_quietly}) {
        command->add_option("pid", given.target)->required();
        command->add_option("file", given.target_file)->required();
    }
    CLI11_PARSE(app, argc, argv);

    if (role) {
        return demo::play(role);
    }
    if (given.file.empty() || given.text.empty()) {
        std::cerr << "ipcshim-demo: needs --file and --text; see --help\n";
        return EXIT_FAILURE;
    }
    return perform(given);
} catch (const std::exception& error) {
    std::cerr << "ipcshim-demo: " << error.what() << '\n';
    return EXIT_FAILURE;
}
