// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "commands.hpp"
#include "own_terminal.hpp"

namespace ipcshim::tools {

namespace {

using verb = std::function<int()>;

// A validator's answer is what is wrong, or nothing.
std::string a_pid(const std::string& text) {
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    return digits && text.find_first_not_of('0') != std::string::npos
               ? std::string()
               : "'" + text + "' is not a process; give its pid, a whole number above 0";
}

void add_info(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<info_options>();
    CLI::App* command = app.add_subcommand("info", "What the module is, its limits, what exists");
    command->add_flag("--json", options->json, "As JSON");
    command->callback([options, &chosen] { chosen = [options] { return info(*options); }; });
}

void add_send(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<send_options>();
    CLI::App* command = app.add_subcommand("send", "Send a file or the input to a process");
    command->add_option("PID", options->pid, "The process that receives")->required()->check(a_pid);
    command->add_option("FILE", options->file, "What to send; '-' or nothing: the input");
    command->add_flag("-m,--message", options->message,
                      "Each line is a message, with its end of line");
    command->add_option("--capacity", options->capacity, "Bytes that the pipe can hold")
        ->transform(CLI::AsSizeValue(false));
    command->add_option("--command", options->command, "Command code for the event, 0 to 65535");
    command->callback([options, &chosen] { chosen = [options] { return send(*options); }; });
}

void add_receive(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<receive_options>();
    CLI::App* command =
        app.add_subcommand("receive", "Wait for a process that sends, and write what it sends");
    command->add_option("FILE", options->file, "Where to; '-' or nothing: the output");
    command->add_option("-t,--timeout", options->seconds, "Seconds to wait for a process")
        ->check(CLI::NonNegativeNumber);
    command->add_flag("--anybody", options->anybody, "Other users may send, too");
    command->add_flag("-q,--quiet", options->quiet, "Don't tell the pid");
    command->callback([options, &chosen] { chosen = [options] { return receive(*options); }; });
}

void add_events(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<events_options>();
    CLI::App* command = app.add_subcommand("events", "Print the events that come to this process");
    command->alias("listen");
    command->add_flag("--json", options->json, "One JSON object a line");
    command->add_option("-n,--count", options->count, "End after so many");
    command->add_option("-t,--timeout", options->seconds, "End after so many seconds")
        ->check(CLI::NonNegativeNumber);
    command->add_flag("--anybody", options->anybody, "Other users may reach this one, too");
    command->add_flag("-q,--quiet", options->quiet, "Don't tell the pid");
    command->callback([options, &chosen] { chosen = [options] { return events(*options); }; });
}

void add_inspect(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<inspect_options>();
    CLI::App* command = app.add_subcommand("inspect", "What of ipcshim another process has open");
    command->add_option("PID", options->pid, "The process")->required()->check(a_pid);
    command->add_flag("--json", options->json, "As JSON");
    command->callback([options, &chosen] { chosen = [options] { return inspect(*options); }; });
}

// "80x24", each number 1 to 65535.
std::string a_size(const std::string& text) {
    return parse_size(text) ? std::string()
                            : "'" + text + "' is not a size; give columns and rows, as 80x24";
}

// \param rest what followed the first "--", with it
void add_pty(CLI::App& app, const std::vector<std::string>& rest, verb& chosen) {
    auto options = std::make_shared<pty_options>();
    CLI::App* command = app.add_subcommand("pty", "Run a command on a new pseudo terminal");
    command->add_option("-s,--size", options->size, "Columns and rows, as 80x24")->check(a_size);
    // From the first word on that is no option of ours all belongs to the command.
    command->prefix_command();
    command->footer("Then the command: ipcshim pty [OPTIONS] [--] COMMAND [ARGUMENT]...");
    command->callback([options, command, &rest, &chosen] {
        options->command = command->remaining();
        // It is ours only where it comes before the command.
        options->command.insert(options->command.end(),
                                rest.begin() + (options->command.empty() && !rest.empty() ? 1 : 0),
                                rest.end());
        if (options->command.empty()) {
            throw CLI::RequiredError("COMMAND");
        }
        if (!command->remaining().empty() && options->command.front().starts_with('-')) {
            throw CLI::ValidationError("'" + options->command.front() +
                                       "' is no option; put '--' before a command of that name");
        }
        chosen = [options] { return pty(*options); };
    });
}

} // namespace

int run(int argc, const char* const* argv) {
    CLI::App app("Pipes, message pipes, shared memory and announcements between processes",
                 "ipcshim");
    app.set_version_flag("--version", "ipcshim " IPCSHIM_VERSION);
    app.require_subcommand(1);
    app.footer("Each command has a manual page: man ipcshim-send");
    // The parser would take "--" for its own wherever it is in a command.
    std::vector<const char*> words(argv, argv + argc);
    std::vector<std::string> rest;
    if (words.size() > 1 && words[1] == std::string_view("pty")) {
        const auto found = std::find(words.begin() + 1, words.end(), std::string_view("--"));
        rest.assign(found, words.end());
        words.erase(found, words.end());
    }
    verb chosen;
    add_info(app, chosen);
    add_send(app, chosen);
    add_receive(app, chosen);
    add_events(app, chosen);
    add_inspect(app, chosen);
    add_pty(app, rest, chosen);
    try {
        app.parse(static_cast<int>(words.size()), words.data());
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? done : misused;
    }
    return chosen();
}

} // namespace ipcshim::tools
